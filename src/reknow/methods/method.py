"""The contract between a method and the training loop.

The loop knows nothing of a method but this. Per epoch it calls :meth:`Method.before_epoch` and draws batches from
the plan that comes back; per step it sums :meth:`Method.losses`, steps the optimizer and calls
:meth:`Method.after_step`. A new method is a new folder beside this file and touches no other one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor, nn

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.observation import Batch

Survey = Callable[[], Tensor]
"""Embeds the whole training manifest in eval mode: () -> (N, D) unit rows on the CPU, in manifest order."""


@dataclass(frozen=True)
class EpochPlan:
    """What to train on in the coming epoch.

    Attributes:
        rows: (n,) rows of the training manifest.
        labels: (n,) their labels, 0 and up; outliers are not in the plan.
        diagnostics: numbers to log, such as clusters and outliers.
        notes: sentences for the user, such as why the last labels were kept.
    """

    rows: Int[np.ndarray, "planned"]
    labels: Int[np.ndarray, "planned"]
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Method(nn.Module, ABC):
    """A way to learn. Everything that a resumed run needs is in ``state_dict()``.

    Attributes:
        network: from pictures to the retrieval vector; what a recognizer keeps when training is over.
    """

    network: Any  # an nn.Module with a `dim`; each method names the kind that it can train

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def embed(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors: what evaluation and galleries see."""
        return self.network(batch)

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """Named scalar terms, already weighted; the loop sums them.

        A step may be carried out in parts, on one process after the other or on many at once: then this is called for
        each part, the terms must be means over its rows, and :meth:`after_step` comes when all parts are done.
        """

    @abstractmethod
    def before_epoch(self, epoch: int, survey: Survey) -> EpochPlan:
        """Pseudo-labels, memories, class statistics: whatever is fixed for an epoch."""

    def after_step(self, batch: Batch) -> None:
        """Momentum updates, after the optimizer's step."""

    @property
    def settles_on(self) -> int:
        """How many training pictures :meth:`settle` wants to see; 0 for none."""
        return 0

    def settle(self, batches: Iterable[Batch]) -> None:
        """What has to be measured on the network as it is before it is used.

        Called in eval mode, without gradient, with a random sample of training pictures as evaluation sees them, which
        is the same on every process.
        """


class MethodConfig(ABC):
    """The typed settings of a method: a frozen dataclass that builds it."""

    @abstractmethod
    def build(self, network: Any, manifest: Manifest) -> Method:
        """The method, for this network (each method names the kind that it can train) and these training rows.

        Raises:
            DataError: the manifest lacks something that the method learns from.
        """


def identity_labels(manifest: Manifest) -> Int[np.ndarray, "rows"]:
    """The identity codes of training rows, for methods that learn from labels.

    Raises:
        DataError: a row without identity, or fewer than two identities.
    """
    labels = manifest.codes("identity")
    if (labels < 0).any():
        row = int(np.flatnonzero(labels < 0)[0])
        raise DataError(
            f"{manifest.name}, row {row} (observation '{manifest.column('observation')[row]}')",
            found="no identity",
            expected="an identity in every training row, since supervised training learns from them",
            remedy="Fill the column 'identity', or train without labels: reknow train cluster_contrast --data ...",
        )
    if labels.max(initial=-1) < 1:
        raise DataError(
            manifest.name,
            found=f"{labels.max(initial=-1) + 1} identities to learn from",
            expected="at least two",
            remedy="Add pictures of another identity.",
        )
    return labels
