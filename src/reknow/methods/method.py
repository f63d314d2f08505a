"""The contract between a method and the rest of the package.

The training loop uses nothing of a method but this. :meth:`MethodConfig.build` makes the method for a network and a
training set. Per epoch the loop calls :meth:`Method.before_epoch` and draws batches from the plan that comes back; per
step it sums :meth:`Method.losses`, optimizes the groups of :meth:`Method.parameter_groups` and calls
:meth:`Method.after_step`. Before an evaluation, :meth:`Method.before_evaluation` may measure what the network needs for
it. A new method is a new folder and a line in :mod:`reknow.methods.catalog`; one of another package is an entry point.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor, nn

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.methods.diagnostic import Diagnostic
from reknow.methods.optimization import ParameterGroup, weights_and_biases
from reknow.methods.sampling import BatchRule
from reknow.methods.selected import SelectedPatches
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch


@dataclass(frozen=True)
class EpochPlan:
    """What to train on in the coming epoch, and how.

    Attributes:
        rows: (n,) rows of the training set.
        labels: (n,) their labels, 0 and up; outliers are not in the plan.
        diagnostics: numbers to log, such as clusters and outliers.
        notes: sentences for the user, such as why the last labels were kept.
        sampling: how batches are drawn; None for the recipe's rule.
        phase: a name, where not all parameters are trained in all epochs: groups of other phases are not trained.
    """

    rows: Int[np.ndarray, "planned"]
    labels: Int[np.ndarray, "planned"]
    diagnostics: Mapping[str, float | int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sampling: BatchRule | None = None
    phase: str = ""


@dataclass(frozen=True)
class Moment:
    """The place of a step in its run, for losses that ramp up or change.

    Attributes:
        epoch: from 0.
        epochs: of the run.
        step: of this epoch, from 0.
        steps: of this epoch.
        steps_before: steps of the epochs before this one.
        phase: of the epoch's plan.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    steps_before: int = 0
    phase: str = ""

    @property
    def progress(self) -> float:
        """Share of the run that is done, in [0, 1), every epoch counting alike.

        Example:
            >>> Moment(epoch=3, epochs=4, step=5, steps=10).progress
            0.875
        """
        return (self.epoch + self.step / max(self.steps, 1)) / self.epochs

    @property
    def steps_done(self) -> int:
        """Steps of the run before this one."""
        return self.steps_before + self.step


class Method(nn.Module, ABC):
    """A method of training. Everything that a resumed run needs is in ``state_dict()``.

    The loop calls ``train()`` before an epoch's steps; a method with a part that must stay in eval mode, such as a
    momentum encoder, overrides it.

    Attributes:
        network: from observations to the retrieval vector. Evaluations use it, and the recognizer holds it after
            training. As a rule the network that was given to :meth:`MethodConfig.build`; in any case one of its shape.
    """

    network: Any  # an nn.Module with a `dim`; each method names the kind that it can train

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def embed(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors, which evaluation and galleries use."""
        return self.network(batch)

    @abstractmethod
    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Pseudo-labels, memories, class statistics: whatever is fixed for an epoch. Called in eval mode.

        Several processes call it together, with the same rows; what must be equal on all of them to the bit, such as
        pseudo-labels, is computed by one (:func:`reknow.distributed.from_first`).

        Args:
            epoch: from 0.
            training_set: the rows, and the values of functions of their pictures.
        """

    @abstractmethod
    def losses(self, batch: Batch, moment: Moment) -> dict[str, Float[Tensor, ""]]:
        """Named scalar terms, already weighted; the loop sums them.

        A step may be carried out in parts, on one process after the other or on many at once: then this is called for
        each part, the terms must be means over its rows, and :meth:`after_step` comes when all parts are done.

        Args:
            batch: the pictures of a part.
            moment: the place of the step in the run.
        """

    def after_step(self, batch: Batch) -> None:
        """Momentum updates, after the optimizer's step, in train mode.

        The batch is this process's share of the whole step, not of a part, and what a network computes here is in 32
        bit, whatever precision the recipe trains in.
        """

    def before_evaluation(self, training_set: TrainingSet) -> None:
        """Measure what has to be measured on the network as it is. Called in eval mode, without gradient."""

    def parameter_groups(self, bias_lr_factor: float) -> Sequence[ParameterGroup]:
        """Groups of parameters; every trained parameter belongs to one. By default weights and biases.

        Args:
            bias_lr_factor: of the recipe's optimizer.
        """
        return weights_and_biases(self.named_parameters(), bias_lr_factor)

    def diagnostics(self) -> Sequence[Diagnostic]:
        """Pictures for the report.

        Called once after training, in eval mode, without gradient, and on the main process alone.
        """
        return ()

    def files(self) -> Mapping[str, str]:
        """Texts for the run's folder, by the name of the file, such as what a search has found; by default none.

        Called as :meth:`diagnostics` is.
        """
        return {}


class MethodConfig(ABC):
    """The typed settings of a method: a frozen dataclass that builds it.

    Attributes:
        supervised: whether the method learns from identities. Where it does not, its training set holds none, nor any
            name that may tell one of them.
    """

    supervised: ClassVar[bool] = False

    @abstractmethod
    def build(self, network: Any, training_set: TrainingSet) -> Method:
        """The method, for this network (each method names the kind that it can train) and these training rows.

        Raises:
            DataError: the training set lacks something that the method learns from.
        """

    def selects_patches(self, network: Any) -> bool:
        """Whether :meth:`selected_patches` returns something for networks of this config."""
        return False

    def selected_patches(self, network: Any, batch: Batch) -> SelectedPatches | None:
        """Which patches of a batch the method selects with a network, for explanations; None where it selects none.

        Called without gradient on pictures without augmentation, with any network that the method can train.
        """
        return None


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
