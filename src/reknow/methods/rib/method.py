"""RIB: learn from identities, and let features keep what predicts them alone.

Wang et al., RIB (arXiv 2505.08961). Classification and triplets are those of :mod:`reknow.methods.classified`. To them
comes eta times the bound on the information bottleneck (:mod:`reknow.losses.bottleneck`); the attention of the recipe's
network selects channels (:mod:`reknow.models.channel_selection`).

Per epoch: embed the training rows without augmentation; class centroids; Q by the same centroids. Both are constants
for the epoch. The feature F is the global one, before its neck or behind it (decision 1 in docs/methods/rib.md), the
input X the picture after the preprocessing of the test (decision 2). The inputs' assignments never change, so they are
made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reknow.errors import DataError
from reknow.fields import NonNegativeFloat, NonNegativeInt, PositiveFloat, Share, check_fields
from reknow.losses.bottleneck import (
    CLAMP,
    Bottleneck,
    class_centroids,
    feature_term,
    information,
    input_term,
    soft_assignments,
)
from reknow.methods.classified import Classified, ClassifiedConfig
from reknow.methods.method import EpochPlan, Moment, identity_labels
from reknow.methods.training_set import TrainingSet
from reknow.models.network import Feature, FeatureNetwork
from reknow.observation import Batch

Side = Literal["before", "behind"]

MOST_CLASSES = 5_000
"""More classes than these and the true information, two tables of C x C, is not measured."""


@dataclass(frozen=True, kw_only=True)
class RIBConfig(ClassifiedConfig):
    """Settings of RIB.

    Attributes:
        eta: weight of the bound; 0 leaves it out, and with it the pass of an epoch, unless pictures are held out to
            measure the information.
        feature: the side of the neck whose global feature the bound reads, before or behind it.
        beta: factor of the squared distances in the soft assignments; a larger one assigns more sharply.
        clamp: smallest probability that a logarithm is taken of.
        warmup: share of the epochs, the first ones, in which the bound has no weight.
        held_out: pictures of each identity that are not trained on, to measure the information on them, too; identities
            with fewer than two more keep all of theirs.
    """

    smoothing: Share = 0.0
    eta: NonNegativeFloat = 1.0
    feature: Side = "before"
    beta: NonNegativeFloat = 1.0
    clamp: PositiveFloat = CLAMP
    warmup: Share = 0.3
    held_out: NonNegativeInt = 0

    def __post_init__(self) -> None:
        check_fields(self, "method")

    def build(self, network: FeatureNetwork, training_set: TrainingSet) -> RIB:
        """The method for these training rows; every row needs an identity."""
        return RIB(network, identity_labels(training_set.manifest), self)


class RIB(Classified):
    """Identities are classes and clusters.

    Args:
        network: gives features before and behind their necks.
        labels: (N,) identity codes of the training rows.
        config: see :class:`RIBConfig`.

    Raises:
        DataError: no identity has a picture to hold out.
    """

    def __init__(self, network: FeatureNetwork, labels: np.ndarray, config: RIBConfig) -> None:
        super().__init__(network, labels, config)
        self.eta, self.warmup, self.side = config.eta, config.warmup, config.feature
        self.bottleneck = Bottleneck(network.dims[0], config.beta, config.clamp)
        self.held_out = held_out_rows(labels, config.held_out)
        self._inputs: Tensor | None = None

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Centroids and Q of the epoch, and what features say of inputs and of identities."""
        if not self.eta and not self.held_out.any():
            return self._plan()
        features = training_set.embed(lambda batch: self._bounded(self.network.features(batch)))
        plan = self.planned(features)
        return replace(plan, diagnostics={**plan.diagnostics, **self._measured(features, training_set)})

    def planned(self, features: Float[Tensor, "rows dim"]) -> EpochPlan:
        """The plan, centroids and Q that follow from the features of all rows."""
        plan = self._plan()
        self.bottleneck.rebuild(features[plan.rows], torch.from_numpy(plan.labels), self.identities)
        return plan

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The terms of :class:`Classified`, and ``bottleneck``."""
        features = self.network.features(batch)
        terms = self.terms(features, batch.label)
        if self.eta:
            begun = moment.epoch >= ceil(self.warmup * moment.epochs)
            bounded = self._bounded(features)
            term = self.bottleneck(bounded, batch.label) if begun else bounded.new_zeros(())
            terms["bottleneck"] = self.eta * term
        return terms

    def _bounded(self, features: Sequence[Feature]) -> Float[Tensor, "batch dim"]:
        """F: the global feature, on the side of its neck that the bound reads."""
        return features[0].before if self.side == "before" else features[0].behind

    def _plan(self) -> EpochPlan:
        rows = np.flatnonzero(~self.held_out)
        return EpochPlan(rows, self.labels[rows], {"identities": float(self.identities)})

    def _measured(self, features: Float[Tensor, "rows dim"], training_set: TrainingSet) -> dict[str, float]:
        """The bound and the true information, of the training rows and of those that are held out."""
        if self.identities > MOST_CLASSES:
            return {}
        if self._inputs is None:
            self._inputs = self._assigned_inputs(training_set)
        numbers: dict[str, float] = {}
        for name, rows in (("", ~self.held_out), ("held_out/", self.held_out)):
            if rows.any():
                measured = self._information(
                    features[torch.from_numpy(rows)], self._inputs[torch.from_numpy(rows)], rows
                )
                numbers |= {name + key: value for key, value in measured.items()}
        return numbers

    def _information(
        self, features: Float[Tensor, "some dim"], inputs: Float[Tensor, "some classes"], rows: Bool[np.ndarray, "rows"]
    ) -> dict[str, float]:
        labels = torch.from_numpy(self.labels[rows])
        assigned, clamp = self.bottleneck.assigned(features), self.bottleneck.clamp
        known = information(assigned, inputs, labels)
        of_features = float(feature_term(assigned, labels, self.bottleneck.conditional.to(assigned.device), clamp))
        of_inputs = float(input_term(inputs, clamp).mean())
        return {
            "information_inputs": known.features_inputs,
            "information_identities": known.features_labels,
            "bottleneck": known.bottleneck,
            "bound": of_inputs + of_features,
            "bound_inputs": of_inputs,
            "bound_features": of_features,
            "entropy_inputs": known.entropy_inputs,
            "entropy_features": known.entropy_features,
        }

    def _assigned_inputs(self, training_set: TrainingSet) -> Float[Tensor, "rows classes"]:
        """phi of the inputs, by the centroids of the training rows."""
        labels = np.where(self.held_out, -1, self.labels)
        means = training_set.class_means(_flat, labels)
        centroids = class_centroids(means, torch.arange(len(means)), len(means)).to(self._device)
        return training_set.embed(lambda batch: soft_assignments(_flat(batch), centroids, self.bottleneck.beta))

    @property
    def _device(self) -> torch.device:
        return self.bottleneck.centroids.device


def held_out_rows(labels: Int[np.ndarray, "rows"], each: int) -> Bool[np.ndarray, "rows"]:
    """The last `each` rows of every identity that has two more.

    Raises:
        DataError: `each` is above 0, and no identity has so many.

    Example:
        >>> held_out_rows(np.array([0, 0, 0, 1, 1]), 1).tolist()
        [False, False, True, False, False]
    """
    held = np.zeros(len(labels), dtype=bool)
    for identity in np.unique(labels) if each else ():
        rows = np.flatnonzero(labels == identity)
        if len(rows) >= each + 2:
            held[rows[-each:]] = True
    if each and not held.any():
        raise DataError(
            "method.held_out",
            found=f"{each} pictures of each identity, and no identity with {each + 2}",
            expected="two pictures more in some identities, to train on",
            remedy="Hold out fewer, or 0.",
        )
    return held


def _flat(batch: Batch) -> Float[Tensor, "batch numbers"]:
    """The pictures as rows of length 1."""
    numbers = torch.cat([images.flatten(1) for images in batch.images.values()], dim=1)
    return functional.normalize(numbers.float(), dim=1)
