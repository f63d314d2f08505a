"""A mixture of Gaussians that follows the means of batches: the density that FIRM's L_Den reads (section 3.5, eq. 19).

    g(x)  =  sum over c of  w_c N(x; mu_c, diag v_c)

It is made of running sums over the rows x of each batch, with r_c(x) the share of component c in g(x):

    s0  <-  0.99 s0 + 0.01 mean of r,    s1 likewise with r x,    s2 with r x^2
    w = s0 / sum of s0,   mu = s1 / s0,   v = s2 / s0 - mu^2, at least 0.001

Decisions. Variances are diagonal, since in 768 dimensions the prototypes of some hundred clusters determine no more.
The paper does not say how the mixture begins: the rows are parted by their projection on the direction in which they
vary most, at the mean. With two components that are equal at the start, nothing would ever make them differ.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reknow.errors import ContractError

# Share of a component that has died out; smaller ones are nearly 0 in 32 bit, and dividing by them gives anything.
_SMALLEST_SHARE = 1e-20


class GaussianMixture(nn.Module):
    """Two diagonal Gaussians, followed by running sums.

    Args:
        dim: D, the size of a row.
        momentum: share of the old sums that an update keeps.
        floor: smallest variance.

    Attributes:
        shares: (2,) s0.
        sums: (2, D) s1.
        squares: (2, D) s2.

    Example:
        >>> mixture = GaussianMixture(dim=2)
        >>> mixture.begin(torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0], [0.2, 1.0]]))
        >>> mixture.means.round(decimals=3)
        tensor([[1.0000, 0.1000],
                [0.1000, 1.0000]])
        >>> mixture(torch.tensor([[1.0, 0.1]])) < mixture(torch.tensor([[0.5, 0.5]]))
        tensor(True)
    """

    shares: Tensor
    sums: Tensor
    squares: Tensor

    def __init__(self, dim: int, momentum: float = 0.99, floor: float = 1e-3) -> None:
        super().__init__()
        self.momentum = momentum
        self.floor = floor
        self.register_buffer("shares", torch.zeros(2))
        self.register_buffer("sums", torch.zeros(2, dim))
        self.register_buffer("squares", torch.zeros(2, dim))

    @property
    def weights(self) -> Float[Tensor, "2"]:
        """w, of sum 1."""
        return self.shares / self.shares.sum()

    @property
    def means(self) -> Float[Tensor, "2 dim"]:
        """mu."""
        return self.sums / self.shares.clamp(min=_SMALLEST_SHARE)[:, None]

    @property
    def variances(self) -> Float[Tensor, "2 dim"]:
        """v."""
        seconds = self.squares / self.shares.clamp(min=_SMALLEST_SHARE)[:, None]
        return (seconds - self.means.square()).clamp(min=self.floor)

    @torch.no_grad()
    def begin(self, rows: Float[Tensor, "rows dim"]) -> None:
        """Set both components from rows, such as all fusion prototypes. Equal rows give two equal components.

        Args:
            rows: (N, D), at least one.
        """
        rows = rows.to(self.sums)
        with torch.autocast(rows.device.type, enabled=False):
            centered = rows - rows.mean(0)
            direction = torch.linalg.eigh(centered.T @ centered)[1][:, -1]
            beyond = centered @ direction > 0
            beyond = beyond != beyond[0]  # the first row's side is the first one, whichever way the direction points
            sides = torch.stack([~beyond, beyond], 1).to(rows)
            self._set(rows, sides if bool(beyond.any()) else torch.full_like(sides, 0.5), momentum=0.0)

    def forward(self, rows: Float[Tensor, "rows dim"]) -> Float[Tensor, ""]:
        """Minus the mean of log g over the rows, divided by D, in nats; 0 without rows.

        Raises:
            ContractError: the mixture has not begun.
        """
        if not len(rows):
            return rows.float().sum()
        with torch.autocast(rows.device.type, enabled=False):
            return -self.log_shares(rows).logsumexp(1).mean() / rows.shape[1]

    def log_shares(self, rows: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows 2"]:
        """log of w_c N(x; mu_c, v_c) for each row and component.

        Raises:
            ContractError: the mixture has not begun.
        """
        self._check_begun()
        rows, means, variances = rows.to(self.sums)[:, None], self.means, self.variances
        distances = (rows - means).square() / variances + (2 * math.pi * variances).log()
        return self.weights.log() - distances.sum(2) / 2

    @torch.no_grad()
    def update(self, rows: Float[Tensor, "rows dim"]) -> None:
        """Follow the rows of a batch; none change nothing.

        Raises:
            ContractError: the mixture has not begun.
        """
        if len(rows):
            with torch.autocast(rows.device.type, enabled=False):
                self._set(rows.to(self.sums), self.log_shares(rows).softmax(1), self.momentum)

    def _set(self, rows: Float[Tensor, "rows dim"], responsible: Float[Tensor, "rows 2"], momentum: float) -> None:
        responsible = responsible / len(rows)
        new = responsible.sum(0), responsible.T @ rows, responsible.T @ rows.square()
        for buffer, value in zip((self.shares, self.sums, self.squares), new, strict=True):
            buffer.lerp_(value, 1 - momentum)

    def _check_begun(self) -> None:
        if not bool(self.shares.any()):
            raise ContractError(
                "mixture of Gaussians",
                found="no rows so far",
                expected="begin before the first loss or update",
                remedy="Call begin with the fusion prototypes of the memory.",
            )
