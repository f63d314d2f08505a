"""Classified: what methods share that learn from identities: a classifier behind each neck, triplets before it.

Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification" (CVPR workshops 2019), as TransReID
(He et al., ICCV 2021) keeps it: the triplet loss reads a feature before its neck, the classifier the feature behind it
(decision 1 in docs/methods/supervised.md). A network with several features (:class:`.Jigsaw`,
:class:`.MultipleGranularities`) has a classifier for each, and says what each counts in both losses. The paper's third
term, the center loss, reads the global feature, and is off by default.
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
from reknow.methods.method import EpochPlan, Method, MethodConfig, Moment
from reknow.methods.optimization import Optimizer, ParameterGroup, Schedule, weights_and_biases
from reknow.methods.training_set import TrainingSet
from reknow.models.network import Feature, FeatureNetwork
from reknow.observation import Batch


@dataclass(frozen=True, kw_only=True)
class ClassifiedConfig(MethodConfig):
    """Settings that such methods share.

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


class Classified(Method):
    """Identities are classes.

    Args:
        network: gives features before and behind their necks.
        labels: (N,) identity codes of the training rows.
        config: see :class:`ClassifiedConfig`.

    Attributes:
        identities: C, the number of classes.
    """

    network: FeatureNetwork

    def __init__(self, network: FeatureNetwork, labels: np.ndarray, config: ClassifiedConfig) -> None:
        super().__init__(network)
        self.labels = labels
        self.triplet_weight = config.triplet_weight
        self.identities = identities = int(labels.max()) + 1
        classifiers = [nn.Linear(dim, identities, bias=False) for dim in network.dims]
        for classifier in classifiers:
            nn.init.normal_(classifier.weight, std=0.001)  # logits start near zero (decision 6)
        self.classifiers = nn.ModuleList(classifiers)
        self.cross_entropy = SmoothedCrossEntropy(config.smoothing)
        self.triplet = BatchHardTriplet(config.margin)
        self.center_weight, self.center_lr = config.center_weight, config.center_lr
        self.center = CenterLoss(identities, network.dims[0]) if self.center_weight else None

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
        """``identity`` on logits behind the necks, ``triplet`` and ``center`` on features before them."""
        return self.terms(self.network.features(batch), batch.label)

    def terms(self, features: Sequence[Feature], labels: Tensor) -> dict[str, Tensor]:
        """The losses of a batch whose features are known."""
        shares = self.network.shares
        identity = [self.cross_entropy(c(f.behind), labels) for c, f in zip(self.classifiers, features, strict=True)]
        terms = {"identity": _weighted(shares.identity, identity)}
        if self.triplet_weight:
            compared = [(share, f) for share, f in zip(shares.triplet, features, strict=True) if share]
            triplets = [self.triplet(feature.before, labels) for _, feature in compared]
            terms["triplet"] = self.triplet_weight * _weighted([share for share, _ in compared], triplets)
        if self.center is not None:
            terms["center"] = self.center_weight * self.center(features[0].before, labels)
        return terms

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Every row, every epoch, with its identity."""
        return EpochPlan(np.arange(len(self.labels)), self.labels, {"identities": float(self.identities)})


def _weighted(shares: Sequence[float], losses: Sequence[Tensor]) -> Tensor:
    first, *others = (share * loss for share, loss in zip(shares, losses, strict=True))
    return sum(others, first)
