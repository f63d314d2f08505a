"""TCMM: cluster contrast with a constraint on patch tokens and a second memory, of single pictures.

Zhu et al., "TCMM: Token Constraint and Multi-Scale Memory Bank of Contrastive Learning for Unsupervised Person
Re-identification" (arXiv 2501.09044). Per epoch: embed, Jaccard distances, DBSCAN, new prototypes, new labels for the
instance memory. Per step: the three losses, all of weight 1, against both memories as they were; then both memories are
updated (decisions 10 and 11 in docs/methods/tcmm.md).

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

from reknow.errors import RecipeError
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
    """Settings of TCMM: those that clustering methods share, with TCMM's momentum and update, and its own.

    Attributes:
        momentum: share of the old vector that an update of either memory keeps, from 0 to 1.
        temperature: temperature of the softmax in all three losses; similarities are divided by it.
        prototype_weight: weight of the contrast with prototypes; 0 leaves it out, which is an ablation.
        token_weight: weight of the token constraint; 0 leaves it out.
        instance_weight: weight of the instance memory's loss; 0 leaves the memory out.
        weigh_by_agreement: whether that weight is multiplied, in each epoch, by how far two halves of the embeddings
            agree on the clusters, from 0 to 1; not in the paper.
        alpha: patch noise rate: the share of a picture's patches that are pushed away, at most 1.
        normalize: how patches are made comparable with their picture: feature uses cosines, as_released does what the
            authors' code does, which the published numbers were made with.
        negatives: pictures of other clusters that a picture is compared with in the instance memory, the most similar
            ones; 4 for MSMT17, 8 for Market-1501.
        outliers: whether outliers can be negatives in the instance memory.
        refresh_outliers: whether the outliers' vectors are renewed every epoch; not in the paper.
        capacity: pictures that the instance memory keeps; None keeps all of them, a number draws so many anew in each
            epoch, which is not in the paper.
    """

    momentum: Share = 0.2
    update: Update = "hard"
    prototype_weight: NonNegativeFloat = 1.0
    token_weight: NonNegativeFloat = 1.0
    instance_weight: NonNegativeFloat = 1.0
    weigh_by_agreement: bool = False
    alpha: Share = 0.075
    normalize: Normalize = "feature"
    negatives: PositiveInt = 4
    outliers: bool = True
    refresh_outliers: bool = False
    capacity: PositiveInt | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        sure = 0.0 if self.weigh_by_agreement else self.instance_weight  # agreement may be 0
        if not self.prototype_weight + self.token_weight + sure:
            raise RecipeError(
                "method.prototype_weight",
                found="0 like the weights of both other losses",
                expected="one of the three above 0, since nothing is learned otherwise",
                remedy="Set --method.prototype-weight, --method.token-weight or --method.instance-weight above 0.",
            )
        if self.refresh_outliers and self.capacity is not None:
            raise RecipeError(
                "method.refresh_outliers",
                found=f"True with a capacity of {self.capacity}",
                expected="one of them, since a memory with a capacity takes all vectors anew in every epoch",
                remedy="--method.no-refresh-outliers, or --method.capacity None.",
            )
        if not self.instance_weight and (self.refresh_outliers or self.capacity is not None):
            field, unset = ("refresh_outliers", "False") if self.refresh_outliers else ("capacity", "None")
            raise RecipeError(
                f"method.{field}",
                found=f"{getattr(self, field)} with an instance_weight of 0",
                expected=f"{unset}, since there is no instance memory then",
                remedy="Set --method.no-refresh-outliers or --method.capacity None too, or an --method.instance-weight "
                "above 0.",
            )

    def build(self, network: Embedder, training_set: TrainingSet) -> TCMM:
        """The method for these training rows, which need neither identity nor camera.

        Raises:
            RecipeError: alpha makes no negative of the network's patches.
        """
        if self.token_weight and isinstance(network.trunk, VisionTransformer):
            # The patches of a convolutional trunk depend on the size of the pictures; there the first step checks.
            negatives_of(prod(network.trunk.grid), self.alpha)
        return TCMM(network, training_set, self)

    def token_constraint(self) -> TokenConstraint:
        """The constraint on patch tokens."""
        return TokenConstraint(self.alpha, self.normalize, self.temperature)

    def instance_memory(self, pictures: int, dim: int) -> InstanceMemory | SampledMemory:
        """The memory of single pictures: of all of them, or sampled where `capacity` says so.

        Args:
            pictures: N, of the training set.
            dim: D, the embedding size.
        """
        memory = InstanceMemory(
            pictures if self.capacity is None else min(self.capacity, pictures),
            dim,
            negatives=self.negatives,
            momentum=self.momentum,
            temperature=self.temperature,
            outliers=self.outliers,
            refresh_outliers=self.refresh_outliers,
        )
        return memory if self.capacity is None else SampledMemory(pictures, memory)

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
        tokens = network.tokens(batch)
        chosen = self.token_constraint().choose(tokens)
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
    """Three losses and two memories: of clusters (prototypes) and of single pictures (instances).

    Args:
        network: from pictures to unit vectors, by way of tokens.
        training_set: N rows, which need neither identity nor camera.
        config: see :class:`TCMMConfig`.
    """

    def __init__(self, network: Embedder, training_set: TrainingSet, config: TCMMConfig) -> None:
        super().__init__(network, training_set, config)  # makes the prototype memory, `self.memory`
        self.prototype_weight = config.prototype_weight
        self.token_weight = config.token_weight
        self.instance_weight = config.instance_weight
        self.compares_halves = config.weigh_by_agreement and config.instance_weight > 0
        self.constraint = config.token_constraint()
        self.instances = config.instance_memory(len(training_set), network.dim) if config.instance_weight else None
        self.agreement: Tensor
        self.register_buffer("agreement", torch.tensor(1.0))  # of the epoch's clusters, where it counts

    def planned(self, embeddings: Float[Tensor, "rows dim"], cameras: Int[np.ndarray, "rows"]) -> EpochPlan:
        """The plan by clusters, and new prototypes; then the instance memory gets the new labels."""
        plan = super().planned(embeddings, cameras)
        if self.compares_halves:
            self.agreement.fill_(min(max(plan.diagnostics.get("agreement", 0.0), 0.0), 1.0))
        if self.instances is not None:
            self.instances.begin_epoch(embeddings, self.last_labels.cpu())
        return plan

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """L_prototype, L_token and L_instance, as ``prototype``, ``token`` and ``instance``."""
        tokens = self.network.tokens(batch)
        embeddings = self.network.embeddings_of(tokens)
        self.remember(batch, embeddings)
        terms: dict[str, Tensor] = {}
        if self.prototype_weight:
            terms["prototype"] = self.prototype_weight * self.memory(embeddings, batch.label)
        if self.token_weight:
            terms["token"] = self.token_weight * self.constraint(tokens)
        if self.instances is not None:
            weight = self.instance_weight * self.agreement
            terms["instance"] = weight * self.instances(embeddings, batch.label)
        return terms | self.bottleneck_term(embeddings, batch.label)

    def follow(self, embeddings: Tensor, labels: Tensor, index: Tensor) -> None:
        """Update both memories with the pictures of a step."""
        super().follow(embeddings, labels, index)
        if self.instances is not None:
            self.instances.update(embeddings, index)
