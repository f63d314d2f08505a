"""Window: what a line of the log says of the steps since the line before."""

from __future__ import annotations

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor


class Window:
    """Sums of the loss terms of some steps, over all processes once they are asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0
        self.pictures = 0
        self.seconds = 0.0

    def add(self, terms: dict[str, Float[Tensor, ""]], pictures: int, seconds: float) -> None:
        """Take in one step: this process's share of each term, the pictures of all, the seconds it took."""
        for name, term in terms.items():
            self.sums[name] = self.sums[name] + term if name in self.sums else term.clone()
        self.steps += 1
        self.pictures += pictures
        self.seconds += seconds

    def flush(self, fabric: Fabric) -> dict[str, float]:
        """Means of the terms over the steps, and pictures per second; then begin anew."""
        totals = torch.stack(list(self.sums.values())).double()
        if fabric.world_size > 1:
            torch.distributed.all_reduce(totals)
        means = {name: total / self.steps for name, total in zip(self.sums, totals.tolist(), strict=True)}
        means["images_per_second"] = round(self.pictures / max(self.seconds, 1e-9), 1)
        self.__init__()
        return means
