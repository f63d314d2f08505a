"""Selection: which patches of an observation are kept, and for which reason (EDITOR section 3.2; spec 2.2 to 2.4).

M = S or F: the patches that heads attend to (:mod:`.spatial`), and those that the pixels speak for
(:mod:`.frequency`). As released, one mask serves all spectra of an observation: a patch that one spectrum asks for is
kept in all of them. With ``per_spectrum``, each chooses for itself. A spectrum that an observation lacks asks for
nothing and keeps nothing. Selections are hard; no gradient passes.
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
        rule: ``salient`` is EDITOR's; ``random`` keeps as many, anywhere, and ``everything`` keeps all: for comparison.
        head_keep: patches that each head of each spectrum may keep; 0 leaves the spatial selection out.
        frequency_keep: patches that the pixels may keep; 0 leaves the frequency selection out.
        frequency: how pixels speak.
        masks: one for all spectra, or one for each.
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
    def looks_at_attention(self) -> bool:
        """Whether the trunk's attention has to be observed."""
        return self.rule != "everything" and self.head_keep > 0


@dataclass(frozen=True)
class Selected:
    """What was chosen; each (B, N) and per spectrum.

    Attributes:
        spatial: patches that heads of this spectrum ask for; none where everything is kept unasked.
        frequency: patches that the pixels ask for; the same for all spectra under a shared mask; likewise.
        kept: patches that stay.
        attention: (B, heads, N) what `spatial` was chosen by, as it was handed in; for explanations.
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
    """Choose.

    Args:
        config: how.
        images: per spectrum, (B, 3, H, W) as the trunk sees them.
        present: per spectrum, (B,): which observations have it.
        attention: per spectrum, (B, heads, N) a rollout's row of CLS; anything where a spectrum is absent.
        windows: where the trunk's patches lie in the images.
        generator: what the rule ``random`` draws from.
    """
    there = {spectrum: present[spectrum][:, None] for spectrum in images}
    if config.rule == "everything":
        whole: dict[Spectrum, Tensor] = {name: there[name].repeat(1, attention[name].shape[2]) for name in images}
        unasked: dict[Spectrum, Tensor] = {name: torch.zeros_like(mask) for name, mask in whole.items()}
        return Selected(unasked, unasked, whole, attention)
    spatial: dict[Spectrum, Tensor] = {
        name: spatial_patches(attention[name], config.head_keep) & there[name] for name in images
    }
    frequency = _frequency(config, images, present, windows)
    if config.masks == "shared":
        union = torch.stack([*spatial.values(), *frequency.values()]).any(0)
        asked: dict[Spectrum, Tensor] = dict.fromkeys(images, union)
    else:
        asked = {name: spatial[name] | frequency[name] for name in images}
    if config.rule == "random":
        asked = _as_many_anywhere(asked, generator)
    return Selected(spatial, frequency, {name: asked[name] & there[name] for name in images}, attention)


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


def _as_many_anywhere(
    asked: BySpectrum, generator: torch.Generator | None
) -> dict[Spectrum, Bool[Tensor, "batch patches"]]:
    """As many patches as were asked for, but drawn; one draw for all spectra, as a shared mask would be."""
    one = next(iter(asked.values()))
    order = torch.rand(one.shape, generator=generator).to(one.device).argsort(dim=1).argsort(dim=1)
    return {name: order < mask.sum(1, keepdim=True) for name, mask in asked.items()}


def kept_tokens(patches: Bool[Tensor, "batch patches"], present: Bool[Tensor, "batch"]) -> Bool[Tensor, "batch length"]:
    """The mask of a sequence that begins with CLS, which is kept wherever the spectrum is there: (B, 1 + N)."""
    return torch.cat([present[:, None], patches], dim=1)
