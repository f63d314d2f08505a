"""EDITOR: token selection for objects with pictures in several spectra.

Zhang et al., "Magic Tokens: Select Diverse Tokens for Multi-modal Object Re-Identification" (CVPR 2024, arXiv
2403.10254). Per step:

    L = sum of pairs + L_BCC + L_OCFR

with a pair for the fused descriptor and, on the trunk's CLS, one per spectrum (BL) or one for all (AL); every term has
weight 1. Centers move before they are compared with (decisions 10 and 11 in docs/methods/editor.md). Under BL, the pair
of a spectrum that fewer than two observations of a part have is 0, since a batch norm needs two (decision 14).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

from reknow.data.manifest import Manifest
from reknow.distributed import gathered, in_part
from reknow.errors import RecipeError
from reknow.fields import NonNegativeFloat, Share, check_fields
from reknow.losses.bottleneck import Bottleneck
from reknow.methods.editor.losses import Centers, Head, Pair, Variant, background_consistency
from reknow.methods.editor.missing import completed, drop_spectra
from reknow.methods.editor.network import EditorNetwork, EditorNetworkConfig, Outputs
from reknow.methods.method import EpochPlan, Method, MethodConfig, Moment, identity_labels
from reknow.methods.selected import PatchScores, PatchSet, SelectedPatches, arrays
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch, Spectrum

MEASURED_ON = 256
"""Training observations that the means of descriptors are measured on; some hundreds are enough."""


@dataclass(frozen=True, kw_only=True)
class EditorConfig(MethodConfig):
    """Settings of EDITOR.

    Attributes:
        variant: which losses act on the trunk's CLS tokens: BL has cross-entropy and triplet for each spectrum, AL has
            them once for all spectra side by side.
        smoothing: label smoothing of the classifiers' targets, from 0 to 1.
        background_weight: weight of the background consistency loss; 0 leaves it out.
        center_weight: weight of the object-centric refinement loss; 0 leaves it out.
        center_share: share of the new mean when an identity's center moves, from 0 to 1.
        bottleneck_weight: weight of RIB's bound on the information bottleneck, on the joint feature before its head; 0
            leaves it out, and with it a pass over the training rows in each epoch. Not in the paper.
        bottleneck_beta: how sharply the bound assigns features to identities.
        spectrum_dropout: probability that a spectrum of a training observation is dropped; not in the paper.
    """

    variant: Variant = "BL"
    smoothing: Share = 0.1
    background_weight: NonNegativeFloat = 1.0
    center_weight: NonNegativeFloat = 1.0
    center_share: Share = 0.8
    bottleneck_weight: NonNegativeFloat = 0.0
    bottleneck_beta: NonNegativeFloat = 1.0
    spectrum_dropout: Share = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "method")

    supervised = True

    def build(self, network: EditorNetwork, training_set: TrainingSet) -> Editor:
        """The method for these training rows; every row needs an identity.

        Raises:
            RecipeError: centers without the aggregation that they refine.
        """
        if self.center_weight and network.aggregation is None:
            raise RecipeError(
                "method, field 'center_weight'",
                found=f"{self.center_weight} on a network without aggregation",
                expected="0, since centers refine the CLS of the aggregation",
                remedy="Set it to 0, or network.aggregate to True.",
            )
        manifest = training_set.manifest
        return Editor(network, identity_labels(manifest), self, _untrained_spectra(network, manifest))

    def selects_patches(self, network: EditorNetworkConfig) -> bool:
        """Whether the aggregation or the background consistency uses the selection."""
        return network.aggregate or self.background_weight > 0

    def selected_patches(self, network: EditorNetwork, batch: Batch) -> SelectedPatches | None:
        """The kept patches of each spectrum, and those that heads and frequency scores select (section 3.2)."""
        if not self.selects_patches(network.config):
            return None
        selected = network.outputs(batch).selected
        rollout: dict[Spectrum, Tensor] = {name: selected.attention[name].mean(1) for name in network.spectra}
        sets = {
            "kept": (selected.kept, "kept, for either reason"),
            "spatial": (selected.spatial, "selected by attention"),
            "frequency": (selected.frequency, "selected by frequency"),
        }
        return SelectedPatches(
            grid=network.trunk.grid,
            sets=tuple(
                PatchSet(
                    name=name,
                    meaning=meaning,
                    patches=arrays({spectrum: masks[spectrum] for spectrum in network.spectra}),
                )
                for name, (masks, meaning) in sets.items()
            ),
            scores=PatchScores(
                name="rollout",
                meaning="what the token of the whole picture attends to through all blocks",
                values=arrays(rollout),
            ),
            drops=True,
        )


class Editor(Method):
    """Identities are classes, for the whole and for its spectra.

    Args:
        network: joins the spectra.
        labels: (N,) identity codes of the training rows.
        config: see :class:`EditorConfig`.
        notes: sentences for the user about the training rows.
    """

    network: EditorNetwork

    def __init__(
        self, network: EditorNetwork, labels: np.ndarray, config: EditorConfig, notes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(network)
        self.labels = labels
        self.config = config
        self.notes = notes
        width, identities = network.config.trunk.width, int(labels.max()) + 1
        self.fused = Head(network.dim, identities)
        self.trunk = Head(width if config.variant == "BL" else network.dim, identities)
        self.centers = Centers(identities, width, network.spectra, config.center_share)
        self.pair = Pair(config.smoothing)
        self.bottleneck = Bottleneck(network.dim, config.bottleneck_beta) if config.bottleneck_weight else None

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``fused``; ``rgb`` and so on, or ``trunk``; ``background`` and ``centers``."""
        if self.training and self.config.spectrum_dropout:
            whole = completed(batch, self.network.spectra)
            batch = replace(whole, present=drop_spectra(whole.present, self.config.spectrum_dropout))
        outputs = self.network.outputs(batch)
        pairs = self._trunk_pairs(outputs, batch.label)
        terms = {"fused": self.pair(self.fused, outputs.descriptor, batch.label), **pairs}
        if self.config.background_weight:
            consistency = background_consistency(outputs.patches, outputs.selected.kept, outputs.present)
            terms["background"] = self.config.background_weight * consistency
        if self.config.center_weight:
            terms["centers"] = self.config.center_weight * self._refinement(outputs, batch.label)
        if self.bottleneck is not None:
            bound = self.bottleneck(outputs.descriptor, batch.label)
            terms["bottleneck"] = self.config.bottleneck_weight * bound
        return terms

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Every row, every epoch, with its identity."""
        identities = int(self.labels.max()) + 1
        if self.bottleneck is not None:
            descriptors = training_set.embed(lambda batch: self.network.outputs(batch).descriptor)
            self.bottleneck.rebuild(descriptors, torch.from_numpy(self.labels), identities)
        numbers = {"identities": float(identities)}
        return EpochPlan(np.arange(len(self.labels)), self.labels, numbers, self.notes)

    def before_evaluation(self, training_set: TrainingSet) -> None:
        """Measure the means of descriptors, with every subset of the spectra."""
        means = self.network.means
        if means is None:
            return
        means.reset()
        for batch in training_set.batches(training_set.sample(MEASURED_ON)):
            whole = completed(batch, self.network.spectra)
            for subset, rows, present in means.subsets(whole.present):
                means.add(subset, self.network.outputs(replace(whole[rows], present=present)).descriptor)

    def _trunk_pairs(self, outputs: Outputs, labels: Tensor) -> dict[str, Tensor]:
        if self.config.variant == "AL":
            return {"trunk": self.pair(self.trunk, torch.cat(list(outputs.cls.values()), dim=1), labels)}
        return {
            name: self._spectrum_pair(outputs.cls[name], present, labels) for name, present in outputs.present.items()
        }

    def _spectrum_pair(self, cls: Tensor, present: Bool[Tensor, "batch"], labels: Tensor) -> Tensor:
        if in_part(int(present.sum())) < 2:
            return cls.sum() * 0
        if not present.any():  # other processes that share this part normalize and compare with this one
            return (self.trunk(cls[present]).sum() + self.pair.triplet(cls[present], labels[present])) * 0
        return self.pair(self.trunk, cls[present], labels[present])

    def _refinement(self, outputs: Outputs, labels: Tensor) -> Tensor:
        vectors: dict[Spectrum, Tensor] = {
            name: functional.normalize(vector, dim=1) for name, vector in outputs.alone.items()
        }
        if self.training:
            self.centers.update(_gathered(vectors), _gathered(outputs.present), gathered(labels))
        return self.centers(vectors, outputs.present, labels)


def _gathered(tensors: Mapping[Spectrum, Tensor]) -> dict[Spectrum, Tensor]:
    return {name: gathered(tensor) for name, tensor in tensors.items()}


def _untrained_spectra(network: EditorNetwork, manifest: Manifest) -> tuple[str, ...]:
    missing = [spectrum for spectrum in network.spectra if not manifest.has(spectrum)]
    if not missing:
        return ()
    return (f"No training row has {' or '.join(missing)}, so this run does not learn that part of the network.",)
