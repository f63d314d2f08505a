"""MGN: a global feature, and features of two and of three horizontal stripes, on one ResNet-50.

Wang et al., "Learning Discriminative Features with Multiple Granularities for Person Re-Identification" (MGN, ACM
Multimedia 2018). The layers up to the first block of the last stage but one (res_conv4_1) are shared. Then
three branches, each with the rest of that stage and a last stage of its own:

    global    the last stage strides; the maximum over the map
    of two    it does not stride; the maximum over the map, and over each of two stripes
    of three  the same with three stripes

Each of the eight maxima is reduced from 2048 numbers to 256 by a 1 x 1 convolution, batch norm and ReLU. Retrieval
joins them to 2048 numbers of length 1. All of them are classified; the triplet loss compares the three global ones
alone, since a stripe of one picture need not show what the same stripe of another shows.

The trunk's own layers are the global branch, so that any weights of a ResNet-50 fill it; the others begin as copies of
them, as in the paper. What a recipe inserts behind stages, the branches have, too. Where this differs from the paper:
decision 13 in docs/methods/supervised.md.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.fields import PositiveInt, check_fields
from reknow.models.embedder import check_present, images_of
from reknow.models.network import Feature, FeatureNetwork, NetworkConfig, Shares, TrunkConfig
from reknow.models.resnet import ResNet50, ResNetConfig, stride_last_stage
from reknow.observation import Batch, Spectrum

BRANCHED = ("layer3", "layer4")
"""The stages that every branch has, the first of them without its first block."""

BRANCHES = "branches of the stripes"
"""Their name in :meth:`MultipleGranularities.fillable`."""

REDUCTIONS = "reductions of the granularities"
"""The same, in the order of the features."""


@dataclass(frozen=True, kw_only=True)
class MultipleGranularitiesConfig(NetworkConfig):
    """Shape of MGN's network.

    Attributes:
        trunk: shape of its trunk, a ResNet-50; its last stride and its pooling are those of the global branch.
        stripes: for each further branch, into how many stripes its map is cut.
        reduced: numbers of each feature.
        spectrum: which of an observation's images it reads.
    """

    trunk: ResNetConfig = field(default_factory=lambda: ResNetConfig(last_stride=2, pooling="maximum"))
    stripes: tuple[PositiveInt, ...] = (2, 3)
    reduced: PositiveInt = 256
    spectrum: Spectrum = "rgb"

    def __post_init__(self) -> None:
        check_fields(self, "network")

    def build(self) -> MultipleGranularities:
        """The network, with fresh random weights; the branches begin alike."""
        return MultipleGranularities(self)

    def around(self, trunk: TrunkConfig, feature: str) -> MultipleGranularitiesConfig:
        """A config of the same branches with what another ResNet-50 has put into it; stride and pooling stay.

        Raises:
            RecipeError: a trunk that is no ResNet-50.
        """
        if not isinstance(trunk, ResNetConfig):
            raise RecipeError(
                "weights",
                found=f"a {type(trunk).__name__.removesuffix('Config')}",
                expected="a ResNet-50, since the branches are its last stages",
                remedy="Choose weights of a ResNet-50, or a recipe without branches.",
            )
        return replace(self, trunk=replace(trunk, last_stride=self.trunk.last_stride, pooling=self.trunk.pooling))


class MultipleGranularities(FeatureNetwork):
    """Pictures to unit vectors.

    Args:
        config: its shape.

    Attributes:
        dims: the sizes of the features: global one, then of each branch its global one and its stripes from above.

    Example:
        >>> network = MultipleGranularitiesConfig(reduced=8).build().eval()
        >>> network(Batch.of({"rgb": torch.rand(2, 3, 96, 32)})).shape
        torch.Size([2, 64])
    """

    trunk: ResNet50

    def __init__(self, config: MultipleGranularitiesConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = config.trunk.build()
        self.branches = nn.ModuleList([copy.deepcopy(self._global_branch()) for _ in config.stripes])
        for branch in self.branches:
            stride_last_stage(branch, 1)
        self.dims = (config.reduced,) * (1 + sum(1 + stripes for stripes in config.stripes))
        self.reductions = nn.ModuleList([Reduction(self.trunk.dim, dim) for dim in self.dims])

    def fillable(self) -> Mapping[str, nn.Module]:
        """The trunk, the branches, and the reductions."""
        return {**super().fillable(), BRANCHES: self.branches, REDUCTIONS: self.reductions}

    def after_filling(self, filled: Collection[str]) -> Mapping[str, nn.Module]:
        """Branches that no weights came for begin as copies of the global one, as in the paper."""
        if "trunk" not in filled or BRANCHES in filled:
            return {}
        for branch in self.branches:
            branch.load_state_dict(self._global_branch().state_dict())
        return {f"the {BRANCHES} begin as the trunk's last stages": self.branches}

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectrum that it reads."""
        return (self.config.spectrum,)

    @property
    def shares(self) -> Shares:
        """All features count alike in the identity loss; in the triplet loss the global ones do, and no stripe."""
        is_global = [1, *(number == 0 for stripes in self.config.stripes for number in range(1 + stripes))]
        return Shares(
            identity=(1 / len(self.dims),) * len(self.dims), triplet=tuple(each / sum(is_global) for each in is_global)
        )

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors; see :class:`~reknow.models.network.Network`.

        Raises:
            DataError: an observation without the spectrum that this network reads.
        """
        check_present(batch, self.config.spectrum)
        return functional.normalize(torch.cat([feature.behind for feature in self.features(batch)], dim=1), dim=1)

    def features(self, batch: Batch) -> tuple[Feature, ...]:
        """The features, in the order of :attr:`dims`; there are no necks."""
        shared = self._shared(batch)
        maps = self._global_branch()(shared)
        maxima = [self.trunk.pool(maps)]
        for stripes, branch in zip(self.config.stripes, self.branches, strict=True):
            maps = branch(shared)
            maxima += [maps.amax(dim=(2, 3)), *functional.adaptive_max_pool2d(maps, (stripes, 1))[..., 0].unbind(2)]
        reduced = (reduction(each) for reduction, each in zip(self.reductions, maxima, strict=True))
        return tuple(Feature(each, each) for each in reduced)

    def _shared(self, batch: Batch) -> Float[Tensor, "batch 1024 rows columns"]:
        """The maps that all branches begin with."""
        trunk, spectrum = self.trunk, self.config.spectrum
        maps = trunk.before_stages(images_of(batch, spectrum), spectrum)
        for name in ("layer1", "layer2"):
            maps = trunk.through_stage(name, maps)
        return self._last_but_one[0](maps)

    def _global_branch(self) -> nn.Sequential:
        """What follows in the trunk: its own modules."""
        after = {name: self.trunk.after[name] if name in self.trunk.after else nn.Identity() for name in BRANCHED}
        stages = {BRANCHED[0]: self._last_but_one[1:], BRANCHED[1]: self.trunk.get_submodule(BRANCHED[1])}
        modules = {f"{kind}{name}": of[name] for name in BRANCHED for kind, of in (("", stages), ("after_", after))}
        return nn.Sequential(OrderedDict(modules))

    @property
    def _last_but_one(self) -> nn.Sequential:
        blocks = self.trunk.get_submodule(BRANCHED[0])
        assert isinstance(blocks, nn.Sequential)
        return blocks


class Reduction(nn.Sequential):
    """(B, D) to (B, D'): a 1 x 1 convolution of one position, batch norm and ReLU.

    Args:
        dim: D.
        reduced: D'.
    """

    def __init__(self, dim: int, reduced: int) -> None:
        linear = nn.Linear(dim, reduced, bias=False)
        nn.init.kaiming_normal_(linear.weight)
        super().__init__(linear, nn.BatchNorm1d(reduced), nn.ReLU())
