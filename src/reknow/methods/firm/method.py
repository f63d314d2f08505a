"""FIRM: unlabelled visible and infrared pictures, text as the bridge, a memory of clusters in three views.

Rong et al., "Fusion-Injected Residual Memory Brings Token-Level Alignment to Unsupervised Visible-Infrared Person
Re-Identification" (ACML 2025). The network lets captions into the trunk (:mod:`.network`). Per epoch clusters are made,
matched across spectra, merged and split (:mod:`.memory`); per step optimal transport says which clusters a picture
belongs to and how surely, the losses (:mod:`.losses`) pull it there, and sure pictures move their clusters:

    L  =  L_con  +  a L_align  +  b L_proto  +  c(t) L_Den                                     (eq. 20)

Phases (decision 2 in docs/methods/firm.md). The first epochs, `apart` of the run, compare a picture with the clusters
of its own spectrum alone, by L_con; the others have all losses and clusters that are matched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reknow.clustering.dbscan import PseudoLabels
from reknow.distributed import from_first, gathered, part_rows
from reknow.fields import Bounds, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share, check_fields
from reknow.methods.clustered import Clustering, where_it_fits
from reknow.methods.diagnostic import Diagnostic
from reknow.methods.firm.fusion import text_means
from reknow.methods.firm.losses import (
    alignment,
    batch_means,
    density_loss,
    density_weight,
    prototype_alignment,
    transport_contrast,
)
from reknow.methods.firm.memory import (
    FUSION,
    INFRARED,
    RGB,
    ClusterMemory,
    Merging,
    Splitting,
    StoredMemory,
    Transport,
    TransportPlans,
    bootstrap,
    merge,
    open_gate,
    pulled_to_fusion,
    recounted,
    relabelled,
    retire,
    split,
    transport_plans,
    update,
)
from reknow.methods.firm.mixture import GaussianMixture
from reknow.methods.firm.network import FirmNetwork, Outputs
from reknow.methods.matched_pictures import matched_pictures
from reknow.methods.method import EpochPlan, Method, MethodConfig, Moment
from reknow.methods.optimization import ParameterGroup
from reknow.methods.spectrum_clusters import check_network, matched_groups, rows_of_spectra, spectrum_clusters
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch, Spectrum


@dataclass(frozen=True, kw_only=True)
class FirmConfig(MethodConfig):
    """Settings of FIRM.

    Attributes:
        clustering: how pseudo-labels are made.
        joint: whether all pictures are clustered together, as the paper writes it; by default each spectrum by itself,
            and then clusters are matched.
        one_sided: whether a cluster that no other one matches joins the pair of the cluster that it is most like.
        recluster_every: epochs between two clusterings; 0 clusters once, before the first epoch, as the paper does.
        evolve_every: epochs between two passes of merge, split and retirement; 0 leaves them out.
        merges: whether clusters are merged.
        splits: whether clusters are split.
        apart: share of the run in which each spectrum learns by itself; 0 is the paper's single phase.
        transport: how pictures are transported to clusters.
        merging: which clusters are merged.
        splitting: which clusters are split.
        gate_fusion: confidence in the fusion view above which a picture moves its cluster.
        gate_own: likewise in the view of its own spectrum.
        rate: how far a fully sure picture moves its cluster.
        temperature: of the contrast with prototypes.
        align_weight: weight of L_align, which pulls tokens of several layers to their cluster.
        prototype_weight: weight of L_proto, which holds the views of a cluster together.
        prototype_every: epochs between two that have L_proto.
        density_weight: weight of L_Den at its full height.
        literal_geometry: whether L_proto and L_Den are those of the paper, which have no gradient.
        pull: how far visual prototypes are moved toward fusion at each pass of evolution; the paper has no such move.
        layer_decay: factor on the learning rate from each block of the trunk to the one before it.
        scale_lr_factor: factor on the learning rate of the scales behind which text enters.
    """

    clustering: Clustering = field(default_factory=Clustering)
    joint: bool = False
    one_sided: bool = False
    recluster_every: NonNegativeInt = 1
    evolve_every: NonNegativeInt = 5
    merges: bool = True
    splits: bool = True
    apart: Share = 0.1
    transport: Transport = field(default_factory=Transport)
    merging: Merging = field(default_factory=Merging)
    splitting: Splitting = field(default_factory=Splitting)
    gate_fusion: Share = 0.5
    gate_own: Share = 0.4
    rate: Annotated[float, Bounds(0, 0.5, below=True)] = 0.2
    temperature: PositiveFloat = 0.05
    align_weight: NonNegativeFloat = 0.1
    prototype_weight: NonNegativeFloat = 0.1
    prototype_every: PositiveInt = 5
    density_weight: NonNegativeFloat = 0.05
    literal_geometry: bool = False
    pull: Share = 0.0
    layer_decay: Share = 0.95
    scale_lr_factor: PositiveFloat = 10.0

    def __post_init__(self) -> None:
        check_fields(self, "method")

    def build(self, network: FirmNetwork, training_set: TrainingSet) -> Firm:
        """The method for these training rows: pictures of two spectra, which need neither identity nor caption.

        Raises:
            DataError: pictures of one spectrum alone, or observations with pictures in several.
            RecipeError: another network than FIRM's.
        """
        check_network(network, FirmNetwork, "firm")
        return Firm(network, training_set, self)


@dataclass(frozen=True)
class Described:
    """What the network says of all rows, before an epoch.

    Attributes:
        visual: (N, D) f.
        fusion: (N, D) f_fus, by the clusters of the epoch before.
        texts: (N, 3, D) own text features; (N, 0, D) without a text tower.
        infrared: (N,).
    """

    visual: Float[Tensor, "rows dim"]
    fusion: Float[Tensor, "rows dim"]
    texts: Float[Tensor, "rows depths dim"]
    infrared: Bool[Tensor, "rows"]


class Firm(Method):
    """Clusters in three views, which transport, merge and split.

    Args:
        network: reads a picture and its caption.
        training_set: N rows, each with a picture in one spectrum.
        config: see :class:`FirmConfig`.

    Attributes:
        stored: the memory.
        mixture: g of L_Den.
        last_labels: (N,) each row's cluster, -1 for noise.
    """

    network: FirmNetwork

    def __init__(self, network: FirmNetwork, training_set: TrainingSet, config: FirmConfig) -> None:
        super().__init__(network)
        self.config = config
        self.rows = rows_of_spectra(training_set, network.spectra)
        self.stored = StoredMemory(network.dim)
        self.mixture = GaussianMixture(network.dim)
        self.last_labels: Tensor
        self.register_buffer("last_labels", torch.full((len(training_set),), -1))
        self._training_set = training_set
        self._parts: list[tuple[Tensor, ...]] = []

    @property
    def memory(self) -> ClusterMemory:
        """The clusters."""
        return self.stored.memory

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Cluster and match, or keep the clusters of the epoch before; from time to time let them evolve."""
        return self.planned(self._described(training_set), training_set.cameras, epoch, training_set.epochs)

    def planned(self, described: Described, cameras: Int[np.ndarray, "rows"], epoch: int, epochs: int) -> EpochPlan:
        """The plan, memory and texts that follow from what the network says of all rows."""
        config = self.config
        matched = epoch >= config.apart * epochs
        first_matched = matched and epoch - 1 < config.apart * epochs
        due = config.recluster_every and epoch % config.recluster_every == 0
        diagnostics: dict[str, float] = {"rows": float(len(described.visual))}
        notes: tuple[str, ...] = ()
        if not len(self.memory) or due or first_matched:
            labels, diagnostics, notes = from_first(lambda: self._clustered(described, cameras, matched))
            self._set(bootstrap(described.fusion, described.visual, described.infrared, labels), described, labels)
        else:
            labels = self.last_labels.cpu()
            self._set(recounted(self.memory, labels.to(self.memory.counts.device)), described, labels)
        if matched and config.evolve_every and epoch % config.evolve_every == 0:
            memory, labels, evolved = from_first(lambda: self._evolved(described, labels))
            self._set(memory, described, labels)
            diagnostics |= evolved
        if matched and len(self.memory) and not bool(self.mixture.shares.any()):
            self.mixture.begin(self.memory.prototypes[:, FUSION])
        diagnostics |= {"groups": float(len(self.memory)), "across": float(self.memory.valid.all(1).sum())}
        if self.network.fusion.compensation is not None:
            diagnostics["gamma"] = float(self.network.fusion.compensation.gamma.detach())
        rows = np.flatnonzero(labels.numpy() >= 0)
        phase = "matched" if matched else "apart"
        return EpochPlan(rows, labels.numpy()[rows], diagnostics, notes, phase=phase)

    @torch.no_grad()
    def _described(self, training_set: TrainingSet) -> Described:
        """The features of all rows; f_fus by the clusters that the rows had in the epoch before."""

        def describe(batch: Batch) -> Mapping[str, Tensor]:
            outputs = self.network.outputs(batch)
            labels = self.last_labels[batch.index]
            # Clusters may be gone since: those of a run that begins, or of another number than the texts.
            labels = labels.where(labels < len(self.network.clusters.known), -1)
            fusion = self.network.fused(outputs, labels)
            return {"visual": outputs.visual, "fusion": fusion, "texts": outputs.texts, "infrared": outputs.infrared}

        return Described(**training_set.embed(describe))

    def _clustered(
        self, described: Described, cameras: Int[np.ndarray, "rows"], matched: bool
    ) -> tuple[Int[Tensor, "rows"], dict[str, float], tuple[str, ...]]:
        """Labels of all rows, what to log, and notes."""
        fusion = functional.normalize(described.fusion, dim=1)
        rows: dict[Spectrum, Int[np.ndarray, "_"]] = self.rows
        if self.config.joint:
            rows = {"rgb": np.sort(np.concatenate(list(rows.values())))}
        clusters = spectrum_clusters(fusion, cameras, rows, self._pseudo_labels, self.last_labels.cpu())
        diagnostics, labels = dict(clusters.diagnostics), clusters.labels
        if matched and not self.config.joint:
            of_cluster, pairs = matched_groups(self._centers(described, labels), clusters.counts, self.config.one_sided)
            labels = torch.where(labels >= 0, of_cluster[labels.clamp(min=0)], -1)
            diagnostics["matched"] = float(pairs)
        return labels, diagnostics, clusters.notes

    def _centers(self, described: Described, labels: Int[Tensor, "rows"]) -> Float[Tensor, "clusters dims"]:
        """Unit centers of picture and text side by side, so that both have an equal part in every cosine."""
        kinds = [described.visual]
        if described.texts.shape[1]:
            kinds.append(described.texts.mean(1))
        kept, clusters = labels >= 0, int(labels.max()) + 1
        centers = []
        for features in kinds:
            sums = features.new_zeros(clusters, features.shape[1])
            sums.index_add_(0, labels[kept], functional.normalize(features[kept], dim=1))
            centers.append(functional.normalize(sums, dim=1))
        return functional.normalize(torch.cat(centers, dim=1), dim=1)

    def _pseudo_labels(self, embeddings: Float[Tensor, "rows dim"], cameras: Int[np.ndarray, "rows"]) -> PseudoLabels:
        """Pseudo-labels, made where the network is."""
        return where_it_fits(lambda rows: self.config.clustering(rows, cameras), embeddings, self.last_labels.device)

    def _evolved(
        self, described: Described, labels: Int[Tensor, "rows"]
    ) -> tuple[ClusterMemory, Int[Tensor, "rows"], dict[str, float]]:
        """The memory after merge, split, retirement and pull, the labels in it, and what happened."""
        config, memory = self.config, self.memory.to("cpu")
        before = len(memory)
        if config.merges:
            memory, old_to_new = merge(memory, config.merging)
            labels = relabelled(labels, old_to_new)
        merged = before - len(memory)
        features = described.fusion, described.visual, described.infrared
        if config.splits:
            memory, labels = split(memory, *features, labels, config.splitting)
        born = len(memory) - before + merged
        memory, old_to_new = retire(memory, labels)
        labels = relabelled(labels, old_to_new)
        if config.pull:
            memory = pulled_to_fusion(memory, config.pull)
        retired = before - merged + born - len(memory)
        return memory, labels, {"merged": float(merged), "born": float(born), "retired": float(retired)}

    def _set(self, memory: ClusterMemory, described: Described, labels: Int[Tensor, "rows"]) -> None:
        """New clusters: memory, labels and the texts that the network keeps of them."""
        self.stored.memory = memory
        self.last_labels.copy_(labels)
        means, known = text_means(described.texts, labels, ~described.infrared, len(memory))
        self.network.clusters.begin(memory.prototypes[:, FUSION], means, known)

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``contrast``; once clusters are matched ``alignment``, ``prototypes`` in some epochs, and ``density``."""
        config, matched = self.config, moment.phase == "matched"
        outputs = self.network.outputs(batch)
        fusion = self.network.fused(outputs, batch.label if matched else torch.full_like(batch.label, -1))
        self._remember(outputs, fusion, batch)
        # Transport shares a batch out, so every process has the pictures of all.
        visual, fusion, cls, labels = (
            part_rows(rows)[0] for rows in (outputs.visual, fusion, outputs.cls, batch.label)
        )
        infrared = part_rows(outputs.infrared.long())[0].bool()
        memory = self.memory
        if not matched:
            return {"contrast": self._contrast_apart(fusion, visual, infrared)}
        plans = transport_plans(memory, fusion, visual, infrared, transport=config.transport)
        terms = {"contrast": transport_contrast(memory, fusion, visual, plans, config.temperature)}
        if config.align_weight:
            terms["alignment"] = config.align_weight * alignment(memory, cls.transpose(0, 1), labels)
        if config.prototype_weight and moment.epoch % config.prototype_every == 0:
            literal = config.literal_geometry
            value = prototype_alignment(memory, visual, infrared, labels, literal=literal)
            terms["prototypes"] = config.prototype_weight * value
        if config.density_weight:
            if config.literal_geometry:
                value = self.mixture(memory.prototypes[:, FUSION])
            else:
                value = density_loss(self.mixture, fusion, labels)
            weight = density_weight(moment.steps_done, moment.steps * moment.epochs, config.density_weight)
            terms["density"] = weight * value
        return terms

    def _contrast_apart(
        self, fusion: Float[Tensor, "batch dim"], visual: Float[Tensor, "batch dim"], infrared: Bool[Tensor, "batch"]
    ) -> Float[Tensor, ""]:
        """L_con of each spectrum's pictures over the clusters of that spectrum, as a mean over pictures."""
        plans, total = self._plans_apart(fusion, visual, infrared), fusion.new_zeros(())
        for view, rows in ((RGB, ~infrared), (INFRARED, infrared)):
            if bool(rows.any()):
                of_rows = TransportPlans(plans.plans[:, rows])
                mean = transport_contrast(
                    self._of_view(view), fusion[rows], visual[rows], of_rows, self.config.temperature
                )
                total = total + mean * (rows.sum() / len(rows))
        return total

    def _of_view(self, view: int) -> ClusterMemory:
        """The same clusters, valid only where they have pictures of a spectrum; prototypes are shared, not copied."""
        memory = self.memory
        return replace(memory, valid=memory.valid & memory.valid[:, view, None])

    def _remember(self, outputs: Outputs, fusion: Float[Tensor, "batch dim"], batch: Batch) -> None:
        """Keep a part of the step's pictures until the step is over."""
        rows = (fusion.float(), outputs.visual.float(), outputs.texts.float())
        self._parts.append((*(part.detach() for part in rows), outputs.infrared.long(), batch.label))

    def after_step(self, batch: Batch) -> None:
        """Sure pictures move their clusters; the texts of clusters and the mixture follow the batch."""
        if not self._parts:
            return
        together = [gathered(torch.cat(parts)) for parts in zip(*self._parts, strict=True)]
        self._parts.clear()
        fusion, visual, texts, infrared, labels = together
        infrared = infrared.bool()
        matched = bool(self.mixture.shares.any())  # the mixture begins with the phase
        if matched:
            plans = transport_plans(self.memory, fusion, visual, infrared, transport=self.config.transport)
        else:
            plans = self._plans_apart(fusion, visual, infrared)
        gate = open_gate(plans.confidences, self.config.gate_fusion, self.config.gate_own)
        update(self.memory, fusion, visual, infrared, plans, gate, self.config.rate)
        self.network.clusters.update(texts, labels, ~infrared)
        if matched:
            self.mixture.update(batch_means(fusion, labels)[1])

    def _plans_apart(
        self, fusion: Float[Tensor, "batch dim"], visual: Float[Tensor, "batch dim"], infrared: Bool[Tensor, "batch"]
    ) -> TransportPlans:
        """The plans of a batch before clusters are matched: each spectrum to its own clusters."""
        plans = self.memory.prototypes.new_zeros(3, len(fusion), len(self.memory))
        for view, rows in ((RGB, ~infrared), (INFRARED, infrared)):
            own = transport_plans(
                self._of_view(view), fusion, visual, infrared, kept=rows, transport=self.config.transport
            )
            plans[:, rows] = own.plans[:, rows]
        return TransportPlans(plans)

    def before_evaluation(self, training_set: TrainingSet) -> None:
        """The centers that pictures in use are compared with are those that training has moved."""
        clusters = self.network.clusters
        clusters.begin(self.memory.prototypes[:, FUSION], clusters.means, clusters.known)

    def parameter_groups(self, bias_lr_factor: float) -> Sequence[ParameterGroup]:
        """The trunk's blocks with ever smaller rates toward its stem, the scales behind which text enters, the rest."""
        factors: dict[float, list[Any]] = {}
        depth = self.network.config.trunk.depth
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                factor = self._factor(name, depth) * (bias_lr_factor if name.endswith("bias") else 1.0)
                factors.setdefault(factor, []).append(parameter)
        return [ParameterGroup(f"rate x {factor:.4g}", group, factor) for factor, group in sorted(factors.items())]

    def _factor(self, name: str, depth: int) -> float:
        """Layer-wise decay: a block's distance from the last one, and one step more for what is before the blocks."""
        if name.endswith("scale"):
            return self.config.scale_lr_factor
        if not name.startswith("network.trunk.") or name.startswith("network.trunk.norm."):
            return 1.0
        block = name.removeprefix("network.trunk.").split(".")
        distance = depth - 1 - int(block[1]) if block[0] == "blocks" else depth
        return self.config.layer_decay**distance

    def diagnostics(self) -> Sequence[Diagnostic]:
        """Which clusters hold pictures of both spectra, with pictures."""
        return matched_pictures(self._training_set, self.last_labels.cpu().numpy(), self.rows)
