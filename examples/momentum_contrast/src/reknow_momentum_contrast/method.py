"""Momentum contrast: cluster the embeddings of a momentum encoder, and contrast with a queue of its keys.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning" (CVPR 2020), with clusters as classes
(Dai et al., "Cluster Contrast", ACCV 2022). There are two networks. The online one is trained by gradient; the momentum
encoder follows it, in its weights and its batch-norm statistics: kept <- m kept + (1 - m) online (MoCo, eq. 2).

Decided here. ``network``, which evaluations use and runs save, is the momentum encoder, as in re-identification (MMT,
Ge et al., ICLR 2020; ICE, Chen et al., ICCV 2021); MoCo itself goes on with the online one. It always computes in eval
mode, so that a key does not depend on the batch it came in, which MoCo shuffles batch norms for. A picture's positives
are the keys of its cluster, its own keys of earlier steps among them, and not one key of a second view.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.graph import Size
from reknow.distributed import from_first, gathered
from reknow.errors import DataError
from reknow.fields import Bounds, PositiveFloat, PositiveInt, ShareBelowOne, check_fields
from reknow.losses.prototype_memory import prototype_contrast
from reknow.methods.method import EpochPlan, Method, MethodConfig, Moment
from reknow.methods.training_set import TrainingSet
from reknow.models.network import Network
from reknow.observation import Batch


@dataclass(frozen=True, kw_only=True)
class MomentumContrastConfig(MethodConfig):
    """Settings of momentum contrast.

    Attributes:
        eps: largest Jaccard distance between neighbors, or auto, which computes it from the data.
        min_samples: neighbors, itself included, that a picture needs to be the core of a cluster, or auto.
        k1: neighbors in the list of a picture, or auto.
        k2: nearest neighbors that the encoding of a picture is averaged over, or auto.
        momentum: share of its own weights that the momentum encoder keeps in a step (MoCo: 0.999).
        queue: largest number of keys in the queue.
        temperature: temperature of both softmaxes; similarities are divided by it.
    """

    eps: Annotated[float, Bounds(0, 1, above=True, below=True)] | Literal["auto"] = "auto"
    min_samples: Size = "auto"
    k1: Size = "auto"
    k2: Size = "auto"
    momentum: ShareBelowOne = 0.999
    queue: PositiveInt = 1024
    temperature: PositiveFloat = 0.05

    def __post_init__(self) -> None:
        check_fields(self, "method")

    def build(self, network: Network, training_set: TrainingSet) -> MomentumContrast:
        """The method for these training rows, which need neither identity nor camera."""
        if len(training_set) < 2:
            raise DataError(
                training_set.manifest.name,
                found=f"{len(training_set)} picture to train on",
                expected="at least 2",
                remedy="Add pictures.",
            )
        return MomentumContrast(network, self)


class MomentumContrast(Method):
    """Clusters are classes; keys of earlier steps stand for them.

    Args:
        network: from pictures to unit vectors; becomes the momentum encoder.
        config: the settings.

    Attributes:
        network: the momentum encoder.
        online: its copy, which learns.
        prototypes: (C, D) unit rows, the clusters' means as the epoch began.
        keys: (n, D) unit rows, the oldest first.
        key_labels: (n,) the keys' clusters.
    """

    prototypes: Tensor
    keys: Tensor
    key_labels: Tensor

    def __init__(self, network: Network, config: MomentumContrastConfig) -> None:
        online = copy.deepcopy(network)
        super().__init__(network.requires_grad_(False))
        self.online = online
        self.config = config
        # Buffers, so that they move to the network's device; not persistent, since loading needs sizes that do not
        # change.
        self.register_buffer("prototypes", torch.zeros(0, network.dim), persistent=False)
        self.register_buffer("keys", torch.zeros(0, network.dim), persistent=False)
        self.register_buffer("key_labels", torch.zeros(0, dtype=torch.int64), persistent=False)

    def get_extra_state(self) -> dict[str, Tensor]:
        """What a checkpoint holds beside weights and statistics."""
        return {"prototypes": self.prototypes, "keys": self.keys, "key_labels": self.key_labels}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """What :meth:`get_extra_state` returned, of any size."""
        for name, value in state.items():
            setattr(self, name, value.to(getattr(self, name)))

    def train(self, mode: bool = True) -> MomentumContrast:
        """As in torch, except for the momentum encoder, which stays in eval mode."""
        super().train(mode)
        self.network.eval()
        return self

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Cluster the momentum encoder's embeddings; fill prototypes and queue anew, since the labels are new."""
        settings = self.config
        embeddings = training_set.embed(self.embed)
        clusters = from_first(
            lambda: pseudo_labels(
                embeddings, eps=settings.eps, min_samples=settings.min_samples, k1=settings.k1, k2=settings.k2
            )
        )
        labels, notes = clusters.labels, (clusters.warning,) if clusters.warning else ()
        if clusters.num_clusters < 2:
            # One prototype gives no gradient. MoCo itself has each picture as a class.
            labels = np.arange(len(training_set))
            notes = (*notes, "Each picture is its own cluster this epoch.")
        rows = np.flatnonzero(labels >= 0)
        self.begin(embeddings, torch.from_numpy(labels), training_set.sample(settings.queue))
        counts = {"clusters": clusters.num_clusters, "outliers": clusters.num_outliers, "rows": len(labels)}
        logged = {name: float(count) for name, count in counts.items()}
        return EpochPlan(rows, labels[rows], logged, notes)

    def begin(
        self, embeddings: Float[Tensor, "rows dim"], labels: Int[Tensor, "rows"], queued: Int[np.ndarray, "queued"]
    ) -> None:
        """Prototypes from the clusters' means, and a queue of the rows named, without outliers."""
        kept = labels >= 0
        sums = torch.zeros(int(labels.max()) + 1, embeddings.shape[1])
        sums.index_add_(0, labels[kept], embeddings[kept])
        self.prototypes = functional.normalize(sums, dim=1).to(self.prototypes)
        clustered = torch.from_numpy(queued)[kept[queued]]
        self.keys = embeddings[clustered].to(self.keys)
        self.key_labels = labels[clustered].to(self.key_labels)

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``prototype``: which cluster is this picture of? ``queue``: which keys are of its cluster?"""
        queries, temperature = self.online(batch).float(), self.config.temperature
        return {
            "prototype": prototype_contrast(queries, self.prototypes, batch.label, temperature),
            "queue": queue_contrast(queries, batch.label, self.keys, self.key_labels, temperature),
        }

    @torch.no_grad()
    def after_step(self, batch: Batch) -> None:
        """Update the momentum encoder, and add its keys of the step, of all processes in batch order, to the queue."""
        self.follow()
        keys, labels = gathered(self.embed(batch).float()), gathered(batch.label)
        self.keys = torch.cat([self.keys, keys])[-self.config.queue :]
        self.key_labels = torch.cat([self.key_labels, labels])[-self.config.queue :]

    def follow(self) -> None:
        """One step of the exponential mean; counters, which have no mean, are copied."""
        states = self.network.state_dict().values(), self.online.state_dict().values()
        for kept, online in zip(*states, strict=True):
            if kept.is_floating_point():
                kept.lerp_(online, 1 - self.config.momentum)
            else:
                kept.copy_(online)


def queue_contrast(
    queries: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"],
    keys: Float[Tensor, "keys dim"],
    key_labels: Int[Tensor, "keys"],
    temperature: float,
) -> Float[Tensor, ""]:
    """InfoNCE over a queue, with the mean over several positives outside the logarithm (Khosla et al., 2020, eq. 2).

    Args:
        queries: (B, D), unit rows.
        labels: (B,) their clusters.
        keys: (n, D), unit rows, constants of the loss.
        key_labels: (n,) likewise.
        temperature: divides the cosines.

    Returns:
        The mean over all queries; one without a key of its cluster counts 0, so that means of parts add up.

    Example:
        >>> keys, key_labels = torch.eye(2), torch.tensor([0, 1])
        >>> queue_contrast(torch.eye(2), torch.tensor([0, 7]), keys, key_labels, temperature=1.0)
        tensor(0.1566)
    """
    likelihoods = functional.log_softmax(queries @ keys.T / temperature, dim=1)
    same = labels[:, None] == key_labels
    return -((likelihoods * same).sum(1) / same.sum(1).clamp(min=1)).mean()
