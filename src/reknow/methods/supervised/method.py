"""Supervised baseline: identity classification and batch-hard triplets around a batch-norm neck.

Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification" (CVPR workshops 2019), as TransReID
keeps it: the triplet loss reads the feature before the neck, the classifier the feature behind it, and retrieval uses
the normalized feature behind the neck (decision 1 in docs/methods/supervised.md). Both terms have weight 1. The paper's
third term, the center loss, is off by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from reknow.fields import NonNegativeFloat, PositiveFloat, Share, check_fields
from reknow.losses.center_loss import CenterLoss
from reknow.losses.cross_entropy import SmoothedCrossEntropy
from reknow.losses.triplet import BatchHardTriplet
from reknow.methods.method import EpochPlan, Method, MethodConfig, Moment, identity_labels
from reknow.methods.optimization import Optimizer, ParameterGroup, Schedule, weights_and_biases
from reknow.methods.training_set import TrainingSet
from reknow.models.embedder import Embedder
from reknow.observation import Batch


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(MethodConfig):
    """Settings of the supervised baseline.

    Attributes:
        smoothing: label smoothing of the classifier's targets, from 0 to 1.
        margin: margin of the triplet loss, in units of the feature; None is the soft margin log(1 + exp(.)).
        triplet_weight: weight of the triplet loss; 0 leaves it out.
        center_weight: weight of the center loss; 0 leaves it out.
        center_lr: learning rate of the centers, by gradient descent without momentum; the weight does not slow them.
    """

    smoothing: Share = 0.1
    margin: NonNegativeFloat | None = None
    triplet_weight: NonNegativeFloat = 1.0
    center_weight: NonNegativeFloat = 0.0
    center_lr: PositiveFloat = 0.5

    def __post_init__(self) -> None:
        check_fields(self, "method")

    supervised = True

    def build(self, network: Embedder, training_set: TrainingSet) -> Supervised:
        """The method for these training rows; every row needs an identity."""
        return Supervised(network, identity_labels(training_set.manifest), self)


class Supervised(Method):
    """Identities are classes.

    Args:
        network: gives features before and behind its neck.
        labels: (N,) identity codes of the training rows.
        config: see :class:`SupervisedConfig`.
    """

    network: Embedder

    def __init__(self, network: Embedder, labels: np.ndarray, config: SupervisedConfig) -> None:
        super().__init__(network)
        self.labels = labels
        self.triplet_weight = config.triplet_weight
        self.classifier = nn.Linear(network.dim, int(labels.max()) + 1, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)  # logits start near zero (decision 6)
        self.cross_entropy = SmoothedCrossEntropy(config.smoothing)
        self.triplet = BatchHardTriplet(config.margin)
        self.center_weight, self.center_lr = config.center_weight, config.center_lr
        self.center = CenterLoss(self.classifier.out_features, network.dim) if self.center_weight else None

    def parameter_groups(self, bias_lr_factor: float) -> Sequence[ParameterGroup]:
        """Weights, biases and, with an optimizer of their own, the centers."""
        groups = weights_and_biases(
            ((name, parameter) for name, parameter in self.named_parameters() if not name.startswith("center.")),
            bias_lr_factor,
        )
        if self.center is None:
            return groups
        # The rate over the weight is the rate of the unweighted loss: the authors divide the centers' gradient by it.
        descent = Optimizer(kind="sgd", lr=self.center_lr / self.center_weight, momentum=0.0, weight_decay=0.0)
        centers = ParameterGroup("centers", [self.center.centers], optimizer=descent, schedule=Schedule())
        return [*groups, centers]

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``identity`` on logits behind the neck, ``triplet`` and ``center`` on features before it."""
        before, behind = self.network.features(batch)
        terms = {"identity": self.cross_entropy(self.classifier(behind), batch.label)}
        if self.triplet_weight:
            terms["triplet"] = self.triplet_weight * self.triplet(before, batch.label)
        if self.center is not None:
            terms["center"] = self.center_weight * self.center(before, batch.label)
        return terms

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Every row, every epoch, with its identity."""
        return EpochPlan(np.arange(len(self.labels)), self.labels, {"identities": float(self.classifier.out_features)})
