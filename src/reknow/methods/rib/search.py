"""The search of RIB's backbone: weights and channels are learned in turns, within a budget of operations.

Wang et al., RIB (arXiv 2505.08961; "DCS-DNB"), by the channel search of Wan et al., "FBNetV2" (CVPR 2020), whose
supernet is :mod:`reknow.models.channel_search`. Classification and triplets are those of
:mod:`reknow.methods.classified`; the bound on the information has its place where the found network is trained, in
:mod:`reknow.methods.rib.method`.

    L = L_id + L_tri + weight max(0, operations / budget - 1)

The operations are those of the expected channels, sum_i pi_i c_i with pi = softmax(theta), so that they depend on no
draw (decision 16 in docs/methods/rib.md). In the first half of each block of epochs the weights learn by the recipe's
optimizer, in the second half theta by its own (decision 17). Before an evaluation the network becomes the most probable
one within the budget, and its batch norms are measured anew, since under soft masks they had other inputs (decision
18).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from reknow.errors import RecipeError
from reknow.fields import Bounds, NonNegativeFloat, PositiveFloat, check_fields
from reknow.methods.classified import Classified, ClassifiedConfig
from reknow.methods.method import EpochPlan, Moment, identity_labels
from reknow.methods.optimization import Optimizer, ParameterGroup, Schedule
from reknow.methods.training_set import TrainingSet
from reknow.models.channel_search import Supernet
from reknow.models.found_network import FILE, network_as_text
from reknow.models.network import FeatureNetwork
from reknow.observation import Batch

WEIGHTS, ARCHITECTURE = "weights", "architecture"
"""The two phases."""

MILLION = 10**6
MEASURED_PICTURES = 512
"""That the batch norms of the chosen network are measured on."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig(ClassifiedConfig):
    """Settings of the search.

    Attributes:
        budget: operations of a picture that the found network may take at most, in millions; a multiplication and an
            addition are two.
        operations_weight: weight of the share by which the operations exceed the budget.
        block: epochs of a block; in its first half the weights learn, in its second half the architecture.
        architecture_lr: learning rate of the architecture, by Adam.
        architecture_decay: weight decay of the architecture.
    """

    budget: PositiveFloat = 2500.0
    operations_weight: NonNegativeFloat = 1.0
    block: Annotated[int, Bounds(2)] = 10
    architecture_lr: PositiveFloat = 0.01
    architecture_decay: NonNegativeFloat = 5e-4

    def __post_init__(self) -> None:
        check_fields(self, "method")

    def build(self, network: FeatureNetwork, training_set: TrainingSet) -> Search:
        """The method for these training rows; every row needs an identity.

        Raises:
            RecipeError: a network without a supernet, or a budget below its smallest network.
        """
        if not isinstance(network.trunk, Supernet):
            raise RecipeError(
                "network.trunk",
                found=f"a {type(network.trunk).__name__}",
                expected="a supernet, which holds the networks to choose from",
                remedy="Start from the recipe rib/dcs_dnb_search, or set a SupernetConfig (docs: rib).",
            )
        size = training_set.picture_size
        smallest, _ = network.trunk.config.range_of_operations(size)
        if self.budget * MILLION < smallest:
            least = ceil(smallest / MILLION * 100) / 100
            raise RecipeError(
                "method.budget",
                found=f"{self.budget:g} million operations",
                expected=f"{least:g} or more, which the smallest network takes for a picture of {size[0]} x {size[1]}",
                remedy=f"Write --method.budget {least:g} or more, or search smaller networks.",
            )
        return Search(network, identity_labels(training_set.manifest), self, size)


class Search(Classified):
    """Identities are classes, and channels are learned beside weights.

    Args:
        network: around a supernet.
        labels: (N,) identity codes of the training rows.
        config: see :class:`SearchConfig`.
        size: height and width of the pictures that operations are counted for.
    """

    def __init__(
        self, network: FeatureNetwork, labels: np.ndarray, config: SearchConfig, size: tuple[int, int]
    ) -> None:
        super().__init__(network, labels, config)
        self.config = config
        self.size = size

    @property
    def supernet(self) -> Supernet:
        """The trunk."""
        return self.network.trunk

    def parameter_groups(self, bias_lr_factor: float) -> Sequence[ParameterGroup]:
        """Those of :class:`Classified` in the one phase, and theta in the other."""
        theta = list(self.supernet.architecture.values())
        own = {id(parameter) for parameter in theta}
        groups = [
            replace(group, parameters=[each for each in group.parameters if id(each) not in own], phases=(WEIGHTS,))
            for group in super().parameter_groups(bias_lr_factor)
        ]
        config = self.config
        adam = Optimizer(kind="adam", lr=config.architecture_lr, weight_decay=config.architecture_decay)
        return [
            *groups,
            ParameterGroup("architecture", theta, optimizer=adam, schedule=Schedule(), phases=(ARCHITECTURE,)),
        ]

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Every row, every epoch; the phase, and the operations of the expected channels in millions."""
        plan = super().before_epoch(epoch, training_set)
        counted = {"operations": self.expected_operations().item()}
        return replace(
            plan,
            diagnostics={**plan.diagnostics, **counted},
            phase=self.phase_of(epoch),
            notes=() if epoch else tuple(self._notes(training_set.epochs)),
        )

    def phase_of(self, epoch: int) -> str:
        """What learns in an epoch, counted from 0; of an odd block the weights have one epoch more."""
        return WEIGHTS if epoch % self.config.block < ceil(self.config.block / 2) else ARCHITECTURE

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The terms of :class:`Classified`, and ``operations``: the share by which they exceed the budget."""
        excess = (self.expected_operations() / self.config.budget - 1).clamp(min=0)
        return {**super().losses(batch, moment), "operations": self.config.operations_weight * excess}

    def expected_operations(self) -> Tensor:
        """Millions of operations for a picture, of the expected channels."""
        space = self.supernet.config
        return torch.as_tensor(space.operations(self.supernet.expected_channels(), self.size)) / MILLION

    @torch.no_grad()
    def before_evaluation(self, training_set: TrainingSet) -> None:
        """Make the network the most probable one within the budget, with its own batch-norm statistics."""
        supernet = self.supernet
        options = supernet.config.most_probable(
            supernet.probabilities(), self.size, budget=self.config.budget * MILLION
        )
        supernet.chosen.copy_(options)
        measure_batch_norms(self.network, training_set.batches(training_set.sample(MEASURED_PICTURES)))

    def files(self) -> Mapping[str, str]:
        """The found network."""
        network = self.supernet.config.with_channels(self.supernet.chosen_channels())
        return {FILE: network_as_text(network, self.size)}

    def _notes(self, epochs: int) -> Iterable[str]:
        """What of the settings is probably not meant."""
        _, largest = self.supernet.config.range_of_operations(self.size)
        if self.config.budget * MILLION > largest:
            yield (
                f"The budget of {self.config.budget:g} million operations (method.budget) excludes no network: the "
                f"largest takes {largest / MILLION:.4g}."
            )
        if all(self.phase_of(epoch) == WEIGHTS for epoch in range(epochs)):
            yield (
                f"The run ends before the architecture learns, since the first half of each {self.config.block} epochs "
                "(method.block) trains weights: all networks within the budget are equally probable."
            )


@torch.no_grad()
def measure_batch_norms(network: nn.Module, batches: Iterable[Batch]) -> None:
    """Set the statistics of all batch norms to the means over these pictures.

    Args:
        network: in eval mode, which all else in it keeps.
        batches: without augmentation; one picture alone has no statistics and is passed over.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    try:
        for batch in batches:
            if len(batch) > 1:
                network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
