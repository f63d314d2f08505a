"""TCMM: cluster contrast with a constraint on patch tokens and a second memory, of single pictures.

Zhu et al., "TCMM: Token Constraint and Multi-Scale Memory Bank of Contrastive Learning for Unsupervised Person
Re-identification" (arXiv 2501.09044; spec section 2.6). Per epoch: embed, Jaccard distances, DBSCAN, new prototypes,
new labels for the instance memory. Per step: the three losses, all of weight 1, against both memories as they were;
then both follow.

    L = L_prototype + L_token + L_instance

With `token_weight` and `instance_weight` at 0 this is cluster contrast with the hard update: the base of the study.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reknow.fields import NonNegativeFloat, PositiveInt, Share
from reknow.losses.prototype_memory import Update
from reknow.methods.clustered import Clustered, ClusteredConfig
from reknow.methods.method import EpochPlan, Moment
from reknow.methods.selected import PatchScores, PatchSet, SelectedPatches, arrays
from reknow.methods.tcmm.instance_memory import InstanceMemory
from reknow.methods.tcmm.sampled_memory import SampledMemory
from reknow.methods.tcmm.token_constraint import Normalize, TokenConstraint, negatives_of
from reknow.methods.training_set import TrainingSet
from reknow.models.embedder import Embedder, EmbedderConfig
from reknow.models.transformer import VisionTransformer
from reknow.observation import Batch


@dataclass(frozen=True, kw_only=True)
class TCMMConfig(ClusteredConfig):
    """Settings of TCMM; those of :class:`ClusteredConfig` with TCMM's momentum and update, and:

    Attributes:
        momentum: share of the old vector that an update of either memory keeps.
        token_weight: of the token constraint; 0 leaves it out.
        instance_weight: of the instance memory's loss; 0 leaves the memory out.
        alpha: patch noise rate: the share of a picture's patches that are pushed away.
        normalize: ``feature``, or ``as_released`` for what the published numbers were made with.
        negatives: K of the instance memory; 4 for MSMT17, 4 or 8 for Market [C].
        outliers: whether outliers are negatives in the instance memory.
        refresh_outliers: renew the outliers' rows every epoch; not in the paper.
        capacity: rows of the instance memory; None keeps every picture, a number makes it a sampled one, which is not
            in the paper.
    """

    momentum: Share = 0.2
    update: Update = "hard"
    token_weight: NonNegativeFloat = 1.0
    instance_weight: NonNegativeFloat = 1.0
    alpha: Share = 0.075
    normalize: Normalize = "feature"
    negatives: PositiveInt = 4
    outliers: bool = True
    refresh_outliers: bool = False
    capacity: PositiveInt | None = None

    def build(self, network: Embedder, training_set: TrainingSet) -> TCMM:
        """The method for these training rows, which need neither identity nor camera.

        Raises:
            RecipeError: alpha makes no negative of the network's patches.
        """
        if self.token_weight and isinstance(network.trunk, VisionTransformer):
            # A convolutional trunk has as many patches as its pictures allow, so there the first step finds out.
            negatives_of(prod(network.trunk.grid), self.alpha)
        return TCMM(network, training_set, self)

    def selects_patches(self, network: EmbedderConfig) -> bool:
        """With the token constraint."""
        return self.token_weight > 0

    def selected_patches(self, network: Embedder, batch: Batch) -> SelectedPatches | None:
        """What the token constraint acts on: one positive and R negatives of each picture.

        Raises:
            RecipeError: alpha makes no negative of the network's patches.
        """
        if not self.token_weight:
            return None
        tokens, constraint = network.tokens(batch), TokenConstraint(self.alpha, self.normalize, self.temperature)
        chosen = constraint.choose(tokens)
        nothing = torch.zeros_like(chosen.similarity, dtype=torch.bool)
        positives = PatchSet(
            name="positives",
            meaning="taken for the object",
            patches=arrays({network.spectrum: nothing.scatter(1, chosen.positive[:, None], True)}),
            measured_as="positives_on_person",
        )
        negatives = PatchSet(
            name="negatives",
            meaning="taken for something else",
            patches=arrays({network.spectrum: nothing.scatter(1, chosen.negatives, True)}),
            expected="background",
            measured_as="negatives_on_background",
        )
        similarity = PatchScores(
            name="similarity",
            meaning="of a patch to its picture as a whole",
            values=arrays({network.spectrum: chosen.similarity}),
        )
        return SelectedPatches(grid=tokens.grid, sets=(positives, negatives), scores=similarity)


class TCMM(Clustered):
    """Clusters are classes, pictures have a memory of their own, and patches answer for their picture.

    Args:
        network: from pictures to unit vectors, by way of tokens.
        training_set: N rows, which need neither identity nor camera.
        config: see :class:`TCMMConfig`.
    """

    def __init__(self, network: Embedder, training_set: TrainingSet, config: TCMMConfig) -> None:
        super().__init__(network, training_set, config)
        self.token_weight = config.token_weight
        self.instance_weight = config.instance_weight
        self.constraint = TokenConstraint(config.alpha, config.normalize, config.temperature)
        self.instances = _instance_memory(config, len(training_set), network.dim)

    def planned(self, embeddings: Float[Tensor, "rows dim"], cameras: Int[np.ndarray, "rows"]) -> EpochPlan:
        """The plan by clusters; then the instance memory learns which picture is in which cluster."""
        plan = super().planned(embeddings, cameras)
        if self.instances is not None:
            self.instances.begin_epoch(embeddings, self.last_labels.cpu())
        return plan

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``prototype``, ``token`` and ``instance``."""
        tokens = self.network.tokens(batch)
        embeddings = self.network.embeddings_of(tokens)
        self.remember(batch, embeddings)
        terms = {"prototype": self.memory(embeddings, batch.label)}
        if self.token_weight:
            terms["token"] = self.token_weight * self.constraint(tokens)
        if self.instances is not None:
            terms["instance"] = self.instance_weight * self.instances(embeddings, batch.label)
        return terms

    def follow(self, embeddings: Tensor, labels: Tensor, index: Tensor) -> None:
        """Both memories follow the step's pictures."""
        super().follow(embeddings, labels, index)
        if self.instances is not None:
            self.instances.update(embeddings, index)


def _instance_memory(config: TCMMConfig, rows: int, dim: int) -> InstanceMemory | SampledMemory | None:
    if not config.instance_weight:
        return None
    held = rows if config.capacity is None else min(config.capacity, rows)
    memory = InstanceMemory(
        held,
        dim,
        negatives=config.negatives,
        momentum=config.momentum,
        temperature=config.temperature,
        outliers=config.outliers,
        refresh_outliers=config.refresh_outliers,
    )
    return memory if config.capacity is None else SampledMemory(rows, memory)
