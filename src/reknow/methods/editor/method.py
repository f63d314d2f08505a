"""EDITOR: token selection for objects that are seen in several spectra at once.

Zhang et al., "Magic Tokens: Select Diverse Tokens for Multi-modal Object Re-Identification" (CVPR 2024, arXiv
2403.10254; spec section 2). Per step:

    L = sum of pairs + L_BCC + L_OCFR

with a pair for the fused descriptor and, on the trunk's CLS, one per spectrum (BL) or one for all (AL); everything has
weight 1. Centers move before they are compared with. A step that is carried out in parts moves them once for each
part; processes that share a step move them by the rows of all. Decision: under BL, the pair of a spectrum that fewer
than two observations of a part have is 0, since a batch norm needs two.
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
from reknow.methods.editor.background import background_consistency
from reknow.methods.editor.heads import Head, Pair, Variant
from reknow.methods.editor.missing import completed, drop_spectra
from reknow.methods.editor.network import EditorNetwork, EditorNetworkConfig, Seen
from reknow.methods.editor.refinement import Centers
from reknow.methods.method import EpochPlan, Method, MethodConfig, Moment, identity_labels
from reknow.methods.selected import PatchScores, PatchSet, SelectedPatches, arrays
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch, Spectrum

MEASURED_ON = 256
"""Training observations that means of descriptors are measured on: a few hundred are enough."""


@dataclass(frozen=True, kw_only=True)
class EditorConfig(MethodConfig):
    """Settings of EDITOR.

    Attributes:
        variant: how labels reach the trunk's CLS: ``BL``, a pair for each spectrum; ``AL``, one for all of them.
        smoothing: label smoothing of the classifiers' targets.
        background_weight: of the background consistency; 0 leaves it out.
        center_weight: of the object-centric refinement; 0 leaves it out.
        center_share: of the new mean when a center moves.
        spectrum_dropout: probability that a training observation loses a spectrum; not in the paper.
    """

    variant: Variant = "BL"
    smoothing: Share = 0.1
    background_weight: NonNegativeFloat = 1.0
    center_weight: NonNegativeFloat = 1.0
    center_share: Share = 0.8
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
        return Editor(network, identity_labels(manifest), self, _unseen(network, manifest))

    def selects_patches(self, network: EditorNetworkConfig) -> bool:
        """Where something is made of the selection: by the aggregation, or by the background consistency."""
        return network.aggregate or self.background_weight > 0

    def selected_patches(self, network: EditorNetwork, batch: Batch) -> SelectedPatches | None:
        """What is kept of each spectrum, and what its heads and its pixels ask for (section 3.2)."""
        if not self.selects_patches(network.config):
            return None
        selected = network.look(batch).selected
        rollout: dict[Spectrum, Tensor] = {name: selected.attention[name].mean(1) for name in network.spectra}
        sets = {
            "kept": (selected.kept, "that stay, whoever asked for them"),
            "spatial": (selected.spatial, "picked by attention"),
            "frequency": (selected.frequency, "picked by frequency"),
        }
        return SelectedPatches(
            grid=network.trunk.grid,
            sets=tuple(
                PatchSet(name=name, meaning=meaning, patches=arrays({one: masks[one] for one in network.spectra}))
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

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``fused``; ``rgb`` and so on, or ``trunk``; ``background`` and ``centers``."""
        if self.training and self.config.spectrum_dropout:
            whole = completed(batch, self.network.spectra)
            batch = replace(whole, present=drop_spectra(whole.present, self.config.spectrum_dropout))
        seen = self.network.look(batch)
        terms = {"fused": self.pair(self.fused, seen.descriptor, batch.label), **self._trunk_pairs(seen, batch.label)}
        if self.config.background_weight:
            consistency = background_consistency(seen.patches, seen.selected.kept, seen.present)
            terms["background"] = self.config.background_weight * consistency
        if self.config.center_weight:
            terms["centers"] = self.config.center_weight * self._refinement(seen, batch.label)
        return terms

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Every row, every epoch, with its identity."""
        identities = {"identities": float(self.labels.max() + 1)}
        return EpochPlan(np.arange(len(self.labels)), self.labels, identities, self.notes)

    def before_evaluation(self, training_set: TrainingSet) -> None:
        """Measure the means of descriptors, with every subset of the spectra."""
        means = self.network.means
        if means is None:
            return
        means.forget()
        for batch in training_set.batches(training_set.sample(MEASURED_ON)):
            whole = completed(batch, self.network.spectra)
            for subset, rows, left in means.subsets(whole.present):
                means.add(subset, self.network.look(replace(whole[rows], present=left)).descriptor)

    def _trunk_pairs(self, seen: Seen, labels: Tensor) -> dict[str, Tensor]:
        if self.config.variant == "AL":
            return {"trunk": self.pair(self.trunk, torch.cat(list(seen.cls.values()), dim=1), labels)}
        return {name: self._spectrum_pair(seen.cls[name], there, labels) for name, there in seen.present.items()}

    def _spectrum_pair(self, cls: Tensor, there: Bool[Tensor, "batch"], labels: Tensor) -> Tensor:
        if in_part(int(there.sum())) < 2:
            return cls.sum() * 0
        if not there.any():  # other processes that share this part normalize and compare with this one
            return (self.trunk(cls[there]).sum() + self.pair.triplet(cls[there], labels[there])) * 0
        return self.pair(self.trunk, cls[there], labels[there])

    def _refinement(self, seen: Seen, labels: Tensor) -> Tensor:
        vectors: dict[Spectrum, Tensor] = {
            name: functional.normalize(vector, dim=1) for name, vector in seen.alone.items()
        }
        if self.training:
            self.centers.update(_gathered(vectors), _gathered(seen.present), gathered(labels))
        return self.centers(vectors, seen.present, labels)


def _gathered(tensors: Mapping[Spectrum, Tensor]) -> dict[Spectrum, Tensor]:
    return {name: gathered(tensor) for name, tensor in tensors.items()}


def _unseen(network: EditorNetwork, manifest: Manifest) -> tuple[str, ...]:
    unseen = [spectrum for spectrum in network.spectra if not manifest.has(spectrum)]
    if not unseen:
        return ()
    return (f"No training row has {' or '.join(unseen)}: of what the network joins, this is not learned.",)
