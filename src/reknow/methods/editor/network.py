"""EDITOR's network: one trunk for all spectra, token selection, aggregation (EDITOR, section 3).

All pictures of a batch, of all spectra, run through the trunk at once; spectra that an observation lacks do not. The
descriptor is the output before any batch norm (decision 9 in docs/methods/editor.md). Without aggregation it is the CLS
of the spectra side by side: the baseline of the paper's ablation (row A).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.fields import PositiveFloat, PositiveInt, check_fields
from reknow.methods.editor.aggregation import Aggregation
from reknow.methods.editor.frequency import Windows
from reknow.methods.editor.missing import Means, completed
from reknow.methods.editor.selection import Selected, SelectionConfig, kept_tokens, select
from reknow.models.network import Network, NetworkConfig, TrunkConfig
from reknow.models.rollout import Rollout
from reknow.models.transformer import TransformerConfig, VisionTransformer
from reknow.observation import Batch, Spectrum


@dataclass(frozen=True, kw_only=True)
class EditorNetworkConfig(NetworkConfig):
    """Shape of the network.

    Attributes:
        trunk: shape of the shared trunk: its size and its patches.
        spectra: spectra that the network reads, in the order of the descriptor's parts.
        selection: which patches are kept.
        aggregate: whether kept tokens are aggregated; without it the descriptor is the CLS tokens of the trunk.
        heads: attention heads of the aggregation; None for as many as the trunk has.
        mlp_ratio: hidden width of the aggregation's MLPs, as a multiple of the trunk's width.
        center: whether the mean descriptor of the training pictures is subtracted before descriptors are compared; not
            in the paper.
    """

    trunk: TransformerConfig
    spectra: tuple[Spectrum, ...] = ("rgb", "nir", "tir")
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    aggregate: bool = True
    heads: PositiveInt | None = None
    mlp_ratio: PositiveFloat = 4.0
    center: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "network")
        if self.heads is not None and self.trunk.width % self.heads:
            raise RecipeError(
                "network.heads",
                found=str(self.heads),
                expected=f"a divisor of the trunk's width {self.trunk.width}",
                remedy="Correct the value, or leave it out for as many as the trunk has.",
            )
        if not self.spectra or len(set(self.spectra)) < len(self.spectra):
            raise RecipeError(
                "network.spectra",
                found=f"{self.spectra}",
                expected="at least one, each of them once",
                remedy="Correct the value.",
            )

    def build(self) -> EditorNetwork:
        """The network, with fresh random weights.

        Raises:
            RecipeError: more patches to keep than there are.
        """
        return EditorNetwork(self)

    def around(self, trunk: TrunkConfig, feature: str) -> EditorNetworkConfig:
        """The same with another transformer; tokens are selected, so a file's own feature does not matter.

        Raises:
            RecipeError: a trunk without attention.
        """
        if not isinstance(trunk, TransformerConfig):
            raise RecipeError(
                "network.trunk",
                found=type(trunk).__name__.removesuffix("Config"),
                expected="a transformer, since EDITOR selects patches by its attention",
                remedy="Name weights of a transformer.",
            )
        return replace(self, trunk=trunk)


@dataclass(frozen=True)
class Outputs:
    """The network's outputs for B observations; mappings are by spectrum.

    Attributes:
        present: (B,) which observations have the spectrum.
        cls: (B, D) CLS of the trunk, zero where absent.
        patches: (B, N, D) patch tokens of the trunk, zero where absent.
        selected: which patches were kept, and why.
        alone: (B, D) CLS after the spectrum's own aggregation; empty without aggregation.
        descriptor: (B, spectra x D), not normalized.
    """

    present: Mapping[Spectrum, Bool[Tensor, "batch"]]
    cls: Mapping[Spectrum, Float[Tensor, "batch width"]]
    patches: Mapping[Spectrum, Float[Tensor, "batch patches width"]]
    selected: Selected
    alone: Mapping[Spectrum, Float[Tensor, "batch width"]]
    descriptor: Float[Tensor, "batch dim"]


class EditorNetwork(Network):
    """Observations of several spectra to unit vectors.

    Args:
        config: its shape.

    Example:
        >>> trunk = TransformerConfig(image_size=(32, 16), width=8, depth=2, heads=2, patch_size=8, stride=8)
        >>> selection = SelectionConfig(head_keep=1, frequency_keep=2)
        >>> network = EditorNetworkConfig(trunk=trunk, selection=selection).build().eval()
        >>> network(Batch.of({"rgb": torch.rand(3, 3, 32, 16), "tir": torch.rand(3, 3, 32, 16)})).shape
        torch.Size([3, 24])
    """

    def __init__(self, config: EditorNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk: VisionTransformer = config.trunk.build()
        stem = config.trunk.stem
        self.windows = Windows(config.trunk.patch_size if stem == "patch" else config.trunk.stride, config.trunk.stride)
        patches, selection = prod(self.trunk.grid), config.selection
        if selection.rule != "everything" and max(selection.head_keep, selection.frequency_keep) > patches:
            raise RecipeError(
                "network.selection",
                found=f"{selection.head_keep} and {selection.frequency_keep}",
                expected=f"at most {patches}, the trunk's patches",
                remedy="Keep fewer, or use smaller patches.",
            )
        heads = config.heads or config.trunk.heads
        self.aggregation = (
            Aggregation(config.trunk.width, heads, config.mlp_ratio, config.spectra) if config.aggregate else None
        )
        self.means = Means(self.dim, config.spectra) if config.center else None

    @property
    def dim(self) -> int:
        """Spectra times the trunk's width."""
        return len(self.spectra) * self.config.trunk.width

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """In the order of the descriptor's parts."""
        return self.config.spectra

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors; see :class:`~reknow.models.network.Network`. Any subset of the spectra is
        enough."""
        outputs = self.outputs(batch)
        descriptor = outputs.descriptor if self.means is None else self.means(outputs.descriptor, outputs.present)
        return functional.normalize(descriptor, dim=1)

    def outputs(self, batch: Batch) -> Outputs:
        """Tokens, selection and descriptor: what losses and explanations need.

        Raises:
            DataError: an observation without any of the network's spectra.
        """
        whole = completed(batch, self.spectra)
        present = whole.present
        sequences, attention = self._encode(whole)
        selected = self._select(whole.images, present, attention)
        cls: dict[Spectrum, Tensor] = {name: sequence[:, 0] for name, sequence in sequences.items()}
        patches: dict[Spectrum, Tensor] = {
            name: sequence[:, self.trunk.prefix :] for name, sequence in sequences.items()
        }
        if self.aggregation is None:
            return Outputs(present, cls, patches, selected, {}, torch.cat(list(cls.values()), dim=1))
        tokens: Mapping[Spectrum, Tensor] = sequences
        if self.trunk.prefix > 1:  # extra tokens and registers are not aggregated
            tokens = {name: torch.cat([cls[name][:, None], patches[name]], dim=1) for name in cls}
        masks = {name: kept_tokens(selected.kept[name], present[name]) for name in cls}
        aggregated = self.aggregation(tokens, masks)
        return Outputs(present, cls, patches, selected, aggregated.alone, aggregated.descriptor)

    def _encode(self, whole: Batch) -> tuple[dict[Spectrum, Tensor], dict[Spectrum, Tensor]]:
        """Per spectrum, the trunk's sequence (B, L, D) and the rollout of CLS (B, heads, N); zero where absent."""
        pictures, present = whole.images, whole.present
        rows: dict[Spectrum, Tensor] = {name: present[name].nonzero()[:, 0] for name in pictures}
        cameras = torch.cat([whole.camera[chosen] for chosen in rows.values()])
        rollout = Rollout() if self.config.selection.needs_attention else None
        entering = self.trunk.tokenize(torch.cat([pictures[name][chosen] for name, chosen in rows.items()]), cameras)
        leaving = self.trunk.encode(entering, observe=rollout)
        if rollout is None:
            heads, patches = self.config.trunk.heads, prod(self.trunk.grid)
            attention = leaving.new_zeros(len(leaving), heads, patches, dtype=torch.float32)
        else:
            attention = rollout.of_cls(self.trunk.prefix)
        sizes = [len(chosen) for chosen in rows.values()]
        count = len(whole)

        def spread(values: Tensor) -> dict[Spectrum, Tensor]:
            if min(sizes) == count:  # nothing is missing, so nothing is copied
                return dict(zip(rows, values.split(sizes), strict=True))
            empty = values.new_zeros(count, *values.shape[1:])
            parts = zip(rows.items(), values.split(sizes), strict=True)
            return {name: empty.index_copy(0, chosen, part) for (name, chosen), part in parts}

        return spread(leaving), spread(attention)

    @torch.no_grad()
    def _select(
        self,
        pictures: Mapping[Spectrum, Float[Tensor, "batch 3 height width"]],
        present: Mapping[Spectrum, Bool[Tensor, "batch"]],
        attention: Mapping[Spectrum, Float[Tensor, "batch heads patches"]],
    ) -> Selected:
        # The rule 'random', a comparison, must give the same vectors whenever it embeds (decision 24).
        generator = None if self.training else torch.Generator().manual_seed(0)
        return select(self.config.selection, pictures, present, attention, self.windows, generator)
