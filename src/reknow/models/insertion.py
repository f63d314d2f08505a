"""Convolutional trunks: the part that they share, and the modules that a recipe may insert.

A recipe may insert a module into every residual block, or behind named stages. Attention over channels stands after a
block's last norm and before the addition (Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, figure 3; Woo et
al., "CBAM", ECCV 2018, figure 3). Non-local blocks stand behind stages (Wang et al., CVPR 2018). A recipe names either
by a value, a frozen dataclass that is a :class:`MapModuleConfig`. The trunk's own tensors keep their names, so
published weights fill it, and they are initialized with the same random numbers as without the module.

Decision, since methods on tokens have transformers only: the positions of the last map are the `patches`, their pooled
vector is `cls`, and there are no `extra` tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from reknow.errors import RecipeError, nearest
from reknow.fields import check_fields
from reknow.models.stems import SpectrumOfRows, check_stems
from reknow.models.tokens import Tokens
from reknow.observation import Spectrum

Config = TypeVar("Config", bound="ConvolutionalConfig")


class MapModuleConfig(ABC):
    """A module on maps: a frozen dataclass that builds it."""

    @abstractmethod
    def build(self, channels: int) -> nn.Module:
        """A module from maps (B, C, H, W) to maps of the same size, for C channels."""


@dataclass(frozen=True)
class Nothing(MapModuleConfig):
    """No module: maps stay as they are."""

    def build(self, channels: int) -> nn.Identity:
        """The identity."""
        return nn.Identity()


AfterStages = tuple[tuple[str, MapModuleConfig], ...]
"""Names of stages, each with the module that follows it."""


@dataclass(frozen=True, kw_only=True)
class ConvolutionalConfig(ABC):
    """The fields that all convolutional trunks have.

    Attributes:
        within: the module in every block, after the last norm and before the addition.
        after: names of stages, each with the module that follows it.
        stems: spectra that have first layers of their own; empty for one stem for all pictures.
    """

    within: MapModuleConfig = field(default_factory=Nothing)
    after: AfterStages = ()
    stems: tuple[Spectrum, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk")
        _check_stages(self.after, self.stages)
        check_stems(self.stems)

    @property
    @abstractmethod
    def stages(self) -> Mapping[str, int]:
        """Names of the stages, and the channels that leave them."""

    @abstractmethod
    def build(self) -> ConvolutionalTrunk:
        """The trunk, with fresh random weights."""

    def plain(self: Config) -> Config:
        """The same with one stem and no inserted modules: what a published file of weights holds."""
        return replace(self, within=Nothing(), after=(), stems=())


class ConvolutionalTrunk(nn.Module, ABC):
    """Images to tokens: the last map's positions as `patches`, their pooled vector as `cls`, no `extra` tokens.

    Attributes:
        config: its shape.
        after: the modules behind stages, by the stage's name; see :func:`built_after`.
    """

    config: Any  # a ConvolutionalConfig; each trunk names its own
    after: nn.ModuleDict

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the size of `cls` and of a patch."""

    @abstractmethod
    def before_stages(
        self, images: Float[Tensor, "batch 3 height width"], spectrum: SpectrumOfRows | None
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Images to the maps that enter the first stage."""

    def after_stages(
        self, maps: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch dim rows columns"]:
        """The maps that leave the last stage to the map whose positions are the patches; by default no layer."""
        return maps

    @abstractmethod
    def pooled(
        self, maps: Float[Tensor, "batch dim rows columns"], patches: Float[Tensor, "batch patches dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The vector of the whole picture, from the last map or from its positions as patches."""

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        camera: Int[Tensor, "batch"] | None = None,
        spectrum: SpectrumOfRows | None = None,
    ) -> Tokens:
        """(B, 3, H, W) to tokens.

        Args:
            images: (B, 3, H, W).
            camera: (B,) codes, as every trunk takes them; convolutions do not use them.
            spectrum: of all pictures, or of each; only a trunk with several stems uses it.
        """
        maps = self.after_stages(self.through_stages(self.before_stages(images, spectrum)))
        rows, columns = maps.shape[-2:]
        patches = maps.flatten(2).transpose(1, 2)
        return Tokens(self.pooled(maps, patches), patches[:, :0], patches, (rows, columns))

    def through_stages(
        self, maps: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs rows columns"]:
        """Maps through all stages, and through what a recipe has put behind them."""
        for name in self.config.stages:
            maps = self.through_stage(name, maps)
        return maps

    def through_stage(
        self, name: str, maps: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs rows columns"]:
        """Maps through a stage, and through what a recipe has put behind it."""
        maps = self.get_submodule(name)(maps)
        return self.after[name](maps) if name in self.after else maps


def _check_stages(after: AfterStages, stages: Mapping[str, int]) -> None:
    """Refuse a stage that the trunk does not have, or that is named twice.

    Args:
        after: names of stages, each with the module that follows it.
        stages: names of the trunk's stages, and the channels that leave them.

    Raises:
        RecipeError: names it.
    """
    names = [name for name, _ in after]
    for name in names:
        if name not in stages or names.count(name) > 1:
            raise RecipeError(
                "network.trunk.after",
                found=f"stage '{name}'" + (" twice" if name in stages else ""),
                expected=f"one of {', '.join(stages)}, each at most once",
                remedy=nearest(name, stages) if name not in stages else "Leave one of them out.",
            )


def built_after(after: AfterStages, stages: Mapping[str, int]) -> nn.ModuleDict:
    """The modules that follow stages, by the stage's name; arguments as of :class:`ConvolutionalConfig`."""
    return nn.ModuleDict({name: config.build(stages[name]) for name, config in after})
