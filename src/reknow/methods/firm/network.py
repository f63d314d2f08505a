"""FIRM's network: a stem for each spectrum, one trunk for all, and captions that change what it says (FIRM, 3.2).

Each observation is one picture, of the first of the network's spectra that it has. Its caption, a column of the table,
runs through a text tower, whose states enter the trunk behind some of its blocks (:mod:`reknow.methods.firm.fusion`).
In training, a caption is replaced by one of its paraphrases with probability one half; in use it never is. A row
without a caption has the tower's learned prefix alone.

What an embedding is made of (section 3.3.8): the picture's feature f, its own text feature, and f_fus. The paper adds
the text of the visible picture of the same person, which no query has; and it ranks prototypes, which are no pictures.
Here f_fus has the difference to the nearest cluster of the training pictures, and what a picture has is averaged, each
of length 1, in query and gallery alike. f alone depends on the caption, too, by what enters the trunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from reknow.data.captions import paraphrases_in
from reknow.data.columns import PARAPHRASES as PARAPHRASE_COLUMN
from reknow.errors import DataError, RecipeError
from reknow.fields import NonNegativeInt, PositiveInt, Share, check_fields
from reknow.methods.firm.fusion import (
    ClusterTexts,
    Compensation,
    GatedResidual,
    PooledFeature,
    TextConcatenation,
    TextCrossAttention,
    drawn_prompts,
    mean_of_units,
    scaled_to_depth,
)
from reknow.models.cross_spectrum import first_pictures
from reknow.models.network import Network, NetworkConfig, TrunkConfig
from reknow.models.text import DEPTHS, TextStates, TextTowerConfig
from reknow.models.tokenization import ClipTokens
from reknow.models.transformer import TransformerConfig, VisionTransformer
from reknow.observation import Batch, Spectrum

Inference = Literal["image", "image and text", "ensemble"]
"""What an embedding is made of: f; f and the own text; f, the own text and f_fus."""

Join = Literal["tokens", "vector", "concatenation"]
"""How the late blocks read a caption: all its tokens, the one vector of END, or a linear map beside that vector."""

CAPTION = "caption"
PARAPHRASES = "paraphrases"
"""Names of a batch's annotations: prompts (B, L), and (B, P, L)."""

FUSION = "fusion of text and picture"
"""Its name in :meth:`FirmNetwork.fillable`."""


@dataclass(frozen=True, kw_only=True)
class FirmNetworkConfig(NetworkConfig):
    """Shape of the network. Without captions, leave the column out; without any text, the tower (table 2: no VSPF).

    Attributes:
        trunk: shape of the shared trunk; its stems are those of the spectra, or none for one stem for all.
        spectra: spectra that the network reads; an observation that has several is read in the first of them.
        text: shape of the text tower; None for no text at all.
        freeze_text: whether the text tower is trained in its prefix alone; by default in its trained_layers, too.
        column: the column of captions; None for the learned prefix alone.
        paraphrases: at most so many paraphrases of a caption are read, from the column `paraphrases`, a line each.
        paraphrase_share: probability of a paraphrase in place of the caption, in training.
        gated: blocks, counted from 1, behind which one vector of text is added to all tokens; the first of them gets
            the text tower's first state, the second its second; none for no gated residual (table 2).
        attended: blocks behind which tokens read the caption; the last one and no gated ones is table 2's row of the
            last layer alone.
        join: how they read it: by attention to all its tokens, by attention to the one vector of END (as the paper
            writes it; the queries then learn nothing), or by a linear map beside that vector (table 2).
        heads: heads of the attention to captions; divides the trunk's width.
        aligned: blocks whose CLS is handed out for the alignment of layers, behind what enters there.
        inference: what an embedding is made of: the image's feature, its own text feature beside it, or the ensemble
            with the fused feature, too.
    """

    trunk: TransformerConfig
    spectra: tuple[Spectrum, ...] = ("rgb", "tir")
    text: TextTowerConfig | None = field(default_factory=TextTowerConfig)
    freeze_text: bool = False
    column: str | None = "caption"
    paraphrases: NonNegativeInt = 3
    paraphrase_share: Share = 0.5
    gated: tuple[PositiveInt, ...] = (2, 6)
    attended: tuple[PositiveInt, ...] = (10, 12)
    join: Join = "tokens"
    heads: PositiveInt = 4
    aligned: tuple[PositiveInt, ...] = (2, 6, 10, 12)
    inference: Inference = "ensemble"

    def __post_init__(self) -> None:
        check_fields(self, "network")
        if not self.spectra or len(set(self.spectra)) < len(self.spectra):
            raise _refused("spectra", self.spectra, "at least one, each of them once")
        if self.trunk.stems and not set(self.spectra) <= set(self.trunk.stems):
            raise _refused(
                "spectra", self.spectra, f"those that the trunk has stems for: {', '.join(self.trunk.stems)}"
            )
        for name in ("gated", "attended", "aligned"):
            blocks = getattr(self, name)
            if list(blocks) != sorted(blocks) or (blocks and blocks[-1] > self.trunk.depth):
                raise _refused(name, blocks, f"blocks in ascending order, at most the trunk's {self.trunk.depth}")
        if len(self.gated) >= DEPTHS:
            raise _refused("gated", self.gated, f"at most {DEPTHS - 1} blocks, one for each early state of the text")
        if self.trunk.width % self.heads:
            raise _refused("heads", self.heads, f"a divisor of the trunk's width {self.trunk.width}")
        if self._of_one_clip and self.text and self.text.activation != self.trunk.activation:
            raise _refused("text.activation", self.text.activation, f"the image tower's, {self.trunk.activation}")

    @property
    def _of_one_clip(self) -> bool:
        """Whether trunk and text tower are those of a CLIP, which have one activation."""
        return self.trunk.norm_pre and self.text is not None and isinstance(self.text.tokens, ClipTokens)

    def build(self) -> FirmNetwork:
        """The network, with fresh random weights."""
        return FirmNetwork(self)

    def around(self, trunk: TrunkConfig, feature: str) -> FirmNetworkConfig:
        """The same with another transformer; text enters it at the same shares of its depth.

        Raises:
            RecipeError: a trunk without blocks, or one whose width the heads do not divide.
        """
        if not isinstance(trunk, TransformerConfig):
            raise RecipeError(
                "network.trunk",
                found=type(trunk).__name__.removesuffix("Config"),
                expected="a transformer, since text enters behind its blocks",
                remedy="Name weights of a transformer.",
            )
        moved = partial(scaled_to_depth, old=self.trunk.depth, new=trunk.depth)
        text = self.text
        if text is not None and self._of_one_clip and trunk.norm_pre:
            text = replace(text, activation=trunk.activation)
        places = {"gated": moved(self.gated), "attended": moved(self.attended), "aligned": moved(self.aligned)}
        return replace(self, trunk=trunk, text=text, **places)


@dataclass(frozen=True)
class Outputs:
    """What the network says of B pictures, for losses and memory.

    Attributes:
        visual: (B, D) f, not normalized.
        texts: (B, 3, D) t_k W_t, the picture's own text features; (B, 0, D) without a text tower.
        cls: (B, A, D) CLS behind the aligned blocks and what enters there, not normalized.
        infrared: (B,) which pictures are infrared: near or thermal.
        captioned: (B,) which of them have a caption.
    """

    visual: Float[Tensor, "batch width"]
    texts: Float[Tensor, "batch depths width"]
    cls: Float[Tensor, "batch layers width"]
    infrared: Bool[Tensor, "batch"]
    captioned: Bool[Tensor, "batch"]


class TextFusion(nn.Module):
    """All that joins text and picture: injections, pooled feature, compensation, and the texts of clusters.

    Args:
        config: of the network.
    """

    def __init__(self, config: FirmNetworkConfig) -> None:
        super().__init__()
        width, text = config.trunk.width, config.text
        self.config = config
        self.pooled = PooledFeature(width)
        self.depths = DEPTHS if text else 0
        self.compensation = Compensation(width, self.depths) if text else None
        self.clusters = ClusterTexts(width, self.depths)
        self.to_visual = nn.Linear(text.width, width, bias=False) if text else None
        self.gated = nn.ModuleList(GatedResidual(width) for _ in config.gated if text)
        self.attended = nn.ModuleList(
            TextConcatenation(width)
            if config.join == "concatenation"
            else TextCrossAttention(width, text.width, config.heads)
            for _ in config.attended
            if text
        )
        if self.to_visual is not None:  # as CLIP's own projection of texts, so that their size stays
            nn.init.normal_(self.to_visual.weight, std=self.to_visual.in_features**-0.5)

    def injections(
        self, states: TextStates, texts: Float[Tensor, "batch depths width"]
    ) -> dict[int, list[Callable[[Tensor], Tensor]]]:
        """By a block's number, counted from 1, what enters behind it, in order."""
        entering: dict[int, list[Callable[[Tensor], Tensor]]] = {}
        for number, (block, gate) in enumerate(zip(self.config.gated, self.gated, strict=True)):
            entering.setdefault(block, []).append(partial(gate, text=texts[:, number]))
        for block, part in zip(self.config.attended, self.attended, strict=True):
            if self.config.join == "concatenation":
                step = partial(part, text=texts[:, -1])
            elif self.config.join == "vector":
                step = partial(part, tokens=states.vectors[:, -1:], valid=states.valid[:, :1])
            else:
                step = partial(part, tokens=states.tokens, valid=states.valid)
            entering.setdefault(block, []).append(step)
        return entering


class FirmNetwork(Network):
    """Pictures and their captions to unit vectors.

    Args:
        config: its shape.

    Attributes:
        inference: what an embedding is made of; may be changed, to report each kind.
        clusters: texts of the clusters of the training pictures; empty until a method fills it.

    Example:
        >>> trunk = TransformerConfig(image_size=(32, 16), width=8, depth=4, heads=2, patch_size=8, stride=8)
        >>> config = FirmNetworkConfig(trunk=trunk, gated=(1, 2), attended=(3, 4), aligned=(4,), paraphrases=0)
        >>> network = config.build().eval()
        >>> captions = network.annotations({"caption": ["a man in a red coat", None]})
        >>> network(Batch.of({"tir": torch.rand(2, 3, 32, 16)}, annotations=captions)).shape
        torch.Size([2, 8])
    """

    feature = "cls+patches"

    def __init__(self, config: FirmNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.inference: Inference = config.inference
        self.trunk: VisionTransformer = config.trunk.build()
        self.text = config.text.build() if config.text else None
        self.fusion = TextFusion(config)
        if self.text is not None and config.freeze_text:
            self.text.train_last(0)

    @property
    def clusters(self) -> ClusterTexts:
        """Centers and texts of the clusters of the training pictures."""
        return self.fusion.clusters

    @property
    def dim(self) -> int:
        """The trunk's width."""
        return self.config.trunk.width

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """Those that it reads; an observation that has several is read in the first of them."""
        return self.config.spectra

    def fillable(self) -> Mapping[str, nn.Module]:
        """The trunk, the text tower, named by its vocabulary, and the fusion."""
        text = {self.text.config.part: self.text} if self.text is not None else {}
        return {**super().fillable(), **text, FUSION: self.fusion}

    @property
    def needed(self) -> tuple[str, ...]:
        """The text tower, if some of its layers are never trained."""
        if self.text is None or all(parameter.requires_grad for parameter in self.text.parameters()):
            return ()
        return (self.text.config.part,)

    @property
    def columns(self) -> tuple[str, ...]:
        """Captions and paraphrases, if the network reads captions."""
        config = self.config
        if config.text is None or config.column is None:
            return ()
        return (config.column, PARAPHRASE_COLUMN) if config.paraphrases else (config.column,)

    def annotations(self, columns: Mapping[str, Sequence[str | None]]) -> Mapping[str, Shaped[Tensor, "rows ..."]]:
        """Prompts of the captions (N, L) and of their paraphrases (N, P, L), repeated where there are fewer.

        A row without paraphrases has its caption in their place.

        Raises:
            MissingExtra: captions for CLIP's text tower without the extra ``clip``.
        """
        if self.text is None or not self.columns:
            return {}
        captions = columns[self.columns[0]]
        lines = [paraphrases_in(cell) for cell in columns[self.columns[1]]] if len(self.columns) > 1 else []
        own = [
            [texts[number % len(texts)] if texts else caption for texts, caption in zip(lines, captions, strict=True)]
            for number in range(self.config.paraphrases)
        ]
        prompts = self.text.prompts([*captions, *(cell for cells in own for cell in cells)])
        caption, *others = prompts.split(len(captions)) if captions else [prompts] * (1 + len(own))
        paraphrases = torch.stack(others, dim=1) if others else caption[:, None][:, :0]
        return {CAPTION: caption, PARAPHRASES: paraphrases}

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors; see :class:`~reknow.models.network.Network`.

        Raises:
            DataError: an observation without any of the network's spectra.
        """
        return self.embedding(self.outputs(batch), self.inference)

    def outputs(self, batch: Batch, generator: torch.Generator | None = None) -> Outputs:
        """Features, texts and CLS tokens; in training mode captions are replaced by paraphrases at random.

        Args:
            batch: B observations; captions that it does not carry are empty.
            generator: of the paraphrases' random numbers; None for torch's own.

        Raises:
            DataError: an observation without any of the network's spectra.
        """
        pictures, spectrum = self._pictures(batch)
        prompts, states, texts = self._texts(batch, generator)
        entering = self.fusion.injections(states, texts) if states is not None else {}
        cls: dict[int, Tensor] = {}

        def behind(block: int, sequence: Tensor) -> Tensor:
            for step in entering.get(block, ()):
                sequence = step(sequence)
            cls[block] = sequence[:, 0]
            return sequence

        blocks = {*entering, *self.config.aligned}
        inject = {block - 1: partial(behind, block) for block in blocks}
        of_each: list[Spectrum] = [self.spectra[code] for code in spectrum.tolist()]
        tokens = self.trunk.split(
            self.trunk.encode(self.trunk.tokenize(pictures, batch.camera, of_each), inject=inject)
        )
        visual = self.fusion.pooled(tokens.cls, tokens.patches)
        aligned = [cls[block] for block in self.config.aligned]
        return Outputs(
            visual=visual,
            texts=texts,
            cls=torch.stack(aligned, dim=1) if aligned else visual[:, None][:, :0],
            infrared=torch.tensor([name != "rgb" for name in self.spectra], device=visual.device)[spectrum],
            captioned=prompts.argmax(1) > 1,  # START and END alone are no caption
        )

    def fused(self, outputs: Outputs, labels: Int[Tensor, "batch"]) -> Float[Tensor, "batch dim"]:
        """f_fus, not of length 1: the features with what their clusters' visible texts say beyond their own.

        Args:
            outputs: of B pictures.
            labels: (B,) their clusters among those of :attr:`clusters`, -1 for none: f / |f|.
        """
        if self.fusion.compensation is None:
            return functional.normalize(outputs.visual, dim=1)
        clusters = self.clusters
        return self.fusion.compensation(
            outputs.visual, outputs.texts, outputs.infrared, labels, clusters.means, clusters.known
        )

    def embedding(self, outputs: Outputs, inference: Inference) -> Float[Tensor, "batch dim"]:
        """Unit vectors of the kind that is asked for; a picture without a caption has no text of its own to add."""
        everywhere = torch.ones_like(outputs.captioned)
        features, available = [outputs.visual], [everywhere]
        if inference != "image" and self.text is not None:
            features.append(outputs.texts[:, -1])
            available.append(outputs.captioned)
        if inference == "ensemble":
            features.append(self.fused(outputs, self.clusters.nearest(outputs.visual)))
            available.append(everywhere)
        return mean_of_units(features, available)

    def _pictures(self, batch: Batch) -> tuple[Float[Tensor, "batch 3 height width"], Int[Tensor, "batch"]]:
        """Each observation's picture in the first of the network's spectra that it has, and the spectrum's place."""
        given: list[Spectrum] = [name for name in self.spectra if name in batch.images]
        present = torch.stack([batch.present[name] for name in given]) if given else torch.zeros(1, len(batch)) > 0
        if lacking := int((~present.any(0)).sum()):
            raise DataError(
                "spectra of an observation",
                found=f"{lacking} observations of a batch have none of {', '.join(self.spectra)}",
                expected="a picture in one of them",
                remedy="Leave those rows out, or set network.spectra to what the data have.",
            )
        return first_pictures(batch, self.spectra)

    def _texts(
        self, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Int[Tensor, "batch length"], TextStates | None, Float[Tensor, "batch depths width"]]:
        """Prompts, what the text tower says of them, and its features in the picture's width."""
        device = batch.index.device
        if self.text is None or self.fusion.to_visual is None:
            return torch.zeros(len(batch), 1, dtype=torch.long, device=device), None, self._no_texts(batch)
        prompts = batch.annotations.get(CAPTION)
        if prompts is None:
            prompts = self.text.prompts([None]).expand(len(batch), -1).to(device)
        elif self.training and PARAPHRASES in batch.annotations:
            prompts = drawn_prompts(prompts, batch.annotations[PARAPHRASES], self.config.paraphrase_share, generator)
        states = self.text(prompts)
        return prompts, states, self.fusion.to_visual(states.vectors)

    def _no_texts(self, batch: Batch) -> Float[Tensor, "batch 0 width"]:
        return torch.zeros(len(batch), 0, self.dim, device=batch.index.device)


def _refused(name: str, value: object, expected: str) -> RecipeError:
    return RecipeError(f"network.{name}", found=str(value), expected=expected, remedy="Correct the value.")
