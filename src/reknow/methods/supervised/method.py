"""Supervised baselines: the strong baseline of Luo et al. (2019) and, with the jigsaw as its network, TransReID.

Losses are those of :mod:`reknow.methods.classified`; the network decides which of the two it is. Retrieval uses the
normalized feature behind the neck (decision 1 in docs/methods/supervised.md), TransReID's the features before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from reknow.methods.classified import Classified, ClassifiedConfig
from reknow.methods.method import identity_labels
from reknow.methods.training_set import TrainingSet
from reknow.models.network import FeatureNetwork

__all__ = ["Supervised", "SupervisedConfig"]


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(ClassifiedConfig):
    """Settings of the supervised baselines."""

    def build(self, network: FeatureNetwork, training_set: TrainingSet) -> Supervised:
        """The method for these training rows; every row needs an identity."""
        return Supervised(network, identity_labels(training_set.manifest), self)


class Supervised(Classified):
    """Identities are classes, and nothing else."""
