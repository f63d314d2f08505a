"""Jigsaw: TransReID's network, a global feature beside four local ones of shuffled patches.

He et al., "TransReID" (ICCV 2021, section 3.2, the jigsaw patch module). All blocks but the last are shared. Then two
branches, each with a last block and a norm of its own:

    global    every token; the feature is CLS
    local     CLS with one of the groups of patches, group after group; the feature is CLS each time

Patches are shifted, then dealt to the groups in turn, so that each group covers the whole picture. Every feature has a
batch-norm neck. Retrieval joins the features (before the necks, in TransReID), the local ones divided by their number,
to length 1.

The trunk's own last block and norm are the global branch: the authors copy them and never run the originals. A trunk
with tokens beside CLS (PASS, the shipped trunk) has them in every group, and their mean in every feature (decision 8 in
docs/methods/supervised.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.fields import PositiveInt, check_fields
from reknow.models.embedder import BatchNormNeck, check_present, images_of
from reknow.models.network import Feature, FeatureNetwork, NetworkConfig, TrunkConfig
from reknow.models.tokens import Tokens
from reknow.models.transformer import TransformerConfig, VisionTransformer
from reknow.observation import Batch, Spectrum

LOCAL_BRANCH = "local branch of the jigsaw"
"""Its name in :meth:`Jigsaw.fillable`."""

NECKS = "batch-norm necks of the jigsaw"
"""The same, global neck first."""


@dataclass(frozen=True, kw_only=True)
class JigsawConfig(NetworkConfig):
    """Shape of TransReID's network.

    Attributes:
        trunk: shape of its trunk, a transformer of two blocks at least.
        feature: cls, or beside it the mean of the extra tokens (cls+extra).
        groups: of patches, each with a local feature.
        shift: patches that move from the front to the end before the deal.
        rows: the patches are cut into so many rows, one below the other, and dealt column by column.
        compared: the side of the necks on which retrieval compares; TransReID's is before.
        spectrum: which of an observation's images it reads.
    """

    trunk: TransformerConfig
    feature: Literal["cls", "cls+extra"] = "cls"
    groups: PositiveInt = 4
    shift: PositiveInt = 4
    rows: PositiveInt = 2
    compared: Literal["before", "behind"] = "before"
    spectrum: Spectrum = "rgb"

    def __post_init__(self) -> None:
        check_fields(self, "network")
        if self.trunk.depth < 2:
            raise RecipeError(
                "network.trunk.depth",
                found=str(self.trunk.depth),
                expected="2 or more, since the last block is that of the branches",
                remedy="Give the trunk another block, or train without the jigsaw.",
            )
        if self.feature == "cls+extra" and not self.trunk.extra_tokens:
            raise RecipeError(
                "network.feature",
                found="'cls+extra' on a trunk without extra tokens",
                expected="'cls'",
                remedy="Change it, or give the trunk extra_tokens.",
            )

    def build(self) -> Jigsaw:
        """The network, with fresh random weights.

        Raises:
            RecipeError: fewer patches than groups.
        """
        return Jigsaw(self)

    def around(self, trunk: TrunkConfig, feature: str) -> JigsawConfig:
        """A config of the same groups, with another transformer.

        Raises:
            RecipeError: a trunk that is no transformer.
        """
        if not isinstance(trunk, TransformerConfig):
            raise RecipeError(
                "weights",
                found=f"a {type(trunk).__name__.removesuffix('Config')}",
                expected="a transformer, since the jigsaw is one of patches",
                remedy="Choose weights of a transformer, or a recipe without the jigsaw.",
            )
        return replace(self, trunk=trunk, feature="cls+extra" if feature == "cls+extra" else "cls")


class Jigsaw(FeatureNetwork):
    """Pictures to unit vectors.

    Args:
        config: its shape.

    Attributes:
        dims: the sizes of the features, global one first.

    Raises:
        RecipeError: fewer patches than groups.

    Example:
        >>> trunk = TransformerConfig(image_size=(32, 32), width=8, depth=2, heads=2)
        >>> network = JigsawConfig(trunk=trunk, groups=2, shift=1).build().eval()
        >>> network(Batch.of({"rgb": torch.rand(3, 3, 32, 32)})).shape
        torch.Size([3, 24])
    """

    trunk: VisionTransformer

    def __init__(self, config: JigsawConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = config.trunk.build()
        self.feature = config.feature
        self.local = self.trunk.branch()
        dim = self.trunk.dim * (2 if self.feature == "cls+extra" else 1)
        self.dims = (dim,) * (1 + config.groups)
        self.necks = nn.ModuleList([BatchNormNeck(dim) for dim in self.dims])
        rows, columns = self.trunk.grid
        self.order: Tensor
        self.register_buffer(
            "order", jigsaw_order(rows * columns, config.groups, config.shift, config.rows), persistent=False
        )

    def fillable(self) -> Mapping[str, nn.Module]:
        """The trunk, the local branch, and the necks."""
        return {**super().fillable(), LOCAL_BRANCH: self.local, NECKS: self.necks}

    def after_filling(self, filled: Collection[str]) -> Mapping[str, nn.Module]:
        """A local branch that no weights came for begins as a copy of the global one, as in the authors' code."""
        if "trunk" not in filled or LOCAL_BRANCH in filled:
            return {}
        self.local.load_state_dict(self.trunk.branch().state_dict())
        return {f"the {LOCAL_BRANCH} begins as the trunk's last block and norm": self.local}

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectrum that it reads."""
        return (self.config.spectrum,)

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors; see :class:`~reknow.models.network.Network`.

        Raises:
            DataError: an observation without the spectrum that this network reads.
        """
        check_present(batch, self.config.spectrum)
        if self.config.compared == "before":
            whole, *local = self._features(batch)
        else:
            whole, *local = (feature.behind for feature in self.features(batch))
        return functional.normalize(torch.cat([whole, *(part / len(local) for part in local)], dim=1), dim=1)

    def features(self, batch: Batch) -> tuple[Feature, ...]:
        """The global feature and the local ones, on both sides of their necks."""
        return tuple(
            Feature(before, neck(before)) for before, neck in zip(self._features(batch), self.necks, strict=True)
        )

    def tokens(self, batch: Batch) -> Tokens:
        """The tokens of the global branch."""
        return self.trunk(images_of(batch, self.config.spectrum), batch.camera, self.config.spectrum)

    def _features(self, batch: Batch) -> list[Float[Tensor, "batch _"]]:
        """All features before their necks, global one first."""
        trunk, shared = self.trunk, self.config.trunk.depth - 1
        images = images_of(batch, self.config.spectrum)
        sequence = trunk.encode(trunk.tokenize(images, batch.camera, self.config.spectrum), depth=shared)
        whole = trunk.norm(trunk.blocks[shared](sequence))
        special, patches = sequence[:, : trunk.prefix], sequence[:, trunk.prefix :]
        # One pass for all groups: (B x groups, prefix + patches of a group, D).
        groups = self.order.shape[0]
        dealt = patches[:, self.order].flatten(0, 1)
        local = self.local(torch.cat([special.repeat_interleave(groups, dim=0), dealt], dim=1))
        return [self._feature(whole), *self._feature(local).unflatten(0, (-1, groups)).unbind(1)]

    def _feature(self, sequence: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch _"]:
        cls = sequence[:, 0]
        if self.feature == "cls":
            return cls
        return torch.cat([cls, sequence[:, 1 : 1 + self.config.trunk.extra_tokens].mean(1)], dim=1)


def jigsaw_order(patches: int, groups: int = 4, shift: int = 4, rows: int = 2) -> Int[Tensor, "groups patches"]:
    """Which patches each group has, in order.

    The first `shift` patches move to the end. What follows is cut into `rows` rows and read column by column; where it
    cannot be cut evenly, the last but one is repeated at the end first. Groups are equal pieces of this; patches that
    remain have no group.

    Args:
        patches: N.
        groups: G, at most N.
        shift: from 1 to N.
        rows: 2 in TransReID.

    Raises:
        RecipeError: fewer patches than groups.

    Example:
        >>> jigsaw_order(8, groups=2, shift=4).tolist()
        [[4, 0, 5, 1], [6, 2, 7, 3]]
    """
    if patches < groups:
        raise RecipeError(
            "network.groups",
            found=f"{groups} groups of {patches} patches",
            expected="a patch in each group at least",
            remedy="Ask for fewer groups, or take a larger picture or a smaller stride.",
        )
    moved = torch.roll(torch.arange(patches), -shift)
    while len(moved) % rows:
        moved = torch.cat([moved, moved[-2:][:1]])
    length = patches // groups
    return moved.view(rows, -1).T.reshape(-1)[: groups * length].view(groups, length)
