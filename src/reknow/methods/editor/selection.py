"""Token selection: which patches of an observation are kept, and for which reason (EDITOR, section 3.2, "SFTS").

M = S or F: the patches that heads attend to (:mod:`.spatial`), and those with the largest frequency score
(:mod:`.frequency`). As released, one mask serves all spectra of an observation: a patch that one spectrum selects is
kept in all of them. With ``per_spectrum``, each spectrum has its own mask (decision 5 in docs/methods/editor.md). A
spectrum that an observation lacks selects nothing and keeps nothing. Selections are hard; no gradient passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reknow.errors import RecipeError
from reknow.fields import NonNegativeInt, check_fields
from reknow.methods.editor.frequency import FrequencyConfig, Windows, frequency_patches
from reknow.methods.editor.spatial import spatial_patches
from reknow.observation import Spectrum

BySpectrum = Mapping[Spectrum, Tensor]
"""Tensors of the same kind, one per spectrum."""


@dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """How patches are chosen.

    Attributes:
        rule: salient is EDITOR's rule; for comparison, random keeps as many patches in random places, and everything
            keeps all.
        head_keep: patches that each attention head of each spectrum keeps; 0 leaves the spatial selection out.
        frequency_keep: patches that the frequency score keeps; 0 leaves the frequency selection out.
        frequency: how the frequency score of a patch is computed.
        masks: shared keeps the same patches in all spectra, per_spectrum selects in each spectrum by itself.
    """

    rule: Literal["salient", "random", "everything"] = "salient"
    head_keep: NonNegativeInt = 2
    frequency_keep: NonNegativeInt = 10
    frequency: FrequencyConfig = field(default_factory=FrequencyConfig)
    masks: Literal["shared", "per_spectrum"] = "shared"

    def __post_init__(self) -> None:
        check_fields(self, "network.selection")
        if not self.head_keep + self.frequency_keep:
            raise RecipeError(
                "network.selection.head_keep and frequency_keep",
                found="both 0",
                expected="at least one patch to keep",
                remedy="Correct one of them; to keep every patch, set rule to 'everything'.",
            )

    @property
    def needs_attention(self) -> bool:
        """Whether the trunk's attention has to be observed."""
        return self.rule != "everything" and self.head_keep > 0


@dataclass(frozen=True)
class Selected:
    """The selected patches; each (B, N) and per spectrum.

    Attributes:
        spatial: patches that heads of this spectrum select; none under the rule ``everything``.
        frequency: patches that the frequency score selects, the same for all spectra under a shared mask; none under
            the rule ``everything``.
        kept: patches that are kept.
        attention: (B, heads, N) the attention that `spatial` was chosen by; for explanations.
    """

    spatial: BySpectrum
    frequency: BySpectrum
    kept: BySpectrum
    attention: BySpectrum


def select(
    config: SelectionConfig,
    images: BySpectrum,
    present: BySpectrum,
    attention: Mapping[Spectrum, Float[Tensor, "batch heads patches"]],
    windows: Windows,
    generator: torch.Generator | None = None,
) -> Selected:
    """Select patches.

    Args:
        config: by which rule.
        images: per spectrum, (B, 3, H, W), the input of the trunk.
        present: per spectrum, (B,): which observations have it.
        attention: per spectrum, (B, heads, N) a rollout's row of CLS; anything where a spectrum is absent.
        windows: where the trunk's patches lie in the images.
        generator: random numbers of the rule ``random``.
    """
    has = {spectrum: present[spectrum][:, None] for spectrum in images}
    if config.rule == "everything":
        whole: dict[Spectrum, Tensor] = {name: has[name].repeat(1, attention[name].shape[2]) for name in images}
        none: dict[Spectrum, Tensor] = {name: torch.zeros_like(mask) for name, mask in whole.items()}
        return Selected(none, none, whole, attention)
    spatial: dict[Spectrum, Tensor] = {
        name: spatial_patches(attention[name], config.head_keep) & has[name] for name in images
    }
    frequency = _frequency(config, images, present, windows)
    if config.masks == "shared":
        union = torch.stack([*spatial.values(), *frequency.values()]).any(0)
        chosen: dict[Spectrum, Tensor] = dict.fromkeys(images, union)
    else:
        chosen = {name: spatial[name] | frequency[name] for name in images}
    if config.rule == "random":
        chosen = _as_many_at_random(chosen, generator)
    return Selected(spatial, frequency, {name: chosen[name] & has[name] for name in images}, attention)


def _frequency(
    config: SelectionConfig, images: BySpectrum, present: BySpectrum, windows: Windows
) -> dict[Spectrum, Bool[Tensor, "batch patches"]]:
    keep = config.frequency_keep
    if config.masks == "shared":
        together = frequency_patches(
            list(images.values()), [present[name] for name in images], config.frequency, windows, keep
        )
        return {name: together & present[name][:, None] for name in images}
    return {
        name: frequency_patches([image], [present[name]], config.frequency, windows, keep) & present[name][:, None]
        for name, image in images.items()
    }


def _as_many_at_random(
    chosen: BySpectrum, generator: torch.Generator | None
) -> dict[Spectrum, Bool[Tensor, "batch patches"]]:
    """As many patches as were chosen, but drawn at random; one draw for all spectra, as with a shared mask."""
    first = next(iter(chosen.values()))
    order = torch.rand(first.shape, generator=generator).to(first.device).argsort(dim=1).argsort(dim=1)
    return {name: order < mask.sum(1, keepdim=True) for name, mask in chosen.items()}


def kept_tokens(patches: Bool[Tensor, "batch patches"], present: Bool[Tensor, "batch"]) -> Bool[Tensor, "batch length"]:
    """The mask of a sequence that begins with CLS, which is kept wherever the spectrum is present: (B, 1 + N)."""
    return torch.cat([present[:, None], patches], dim=1)
