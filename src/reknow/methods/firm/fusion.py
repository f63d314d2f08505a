"""FIRM's vision-semantic prompt fusion, part by part (FIRM, section 3.2): how a caption changes what a picture says.

Injections into the trunk, t_1, t_2 and t_3 the text tower's states, W_t one matrix for all:

    eq. 5, blocks 2 and 6     V' = V + s sigmoid((t_k W_t) W_g + b) * (t_k W_t)        :class:`GatedResidual`
    eq. 6, blocks 10 and 12   V' = V + s CA(V, t_3)                                    :class:`TextCrossAttention`

The picture's feature (eq. 9) is f = [CLS ; mean of patches] W_o (:class:`PooledFeature`). What the infrared picture of
a cluster lacks (eq. 7, 8 and 10) is the difference of the texts (:class:`Compensation`, :class:`ClusterTexts`):

    Delta = sum_k alpha_k (visible text_k - own text_k),   f_fus = f / |f| + gamma LayerNorm(MLP(Delta)) / sqrt(D)

Decided where the paper contradicts itself or is silent:

- Equation 5 multiplies a text of another width by W_g; the gate reads t_k W_t, which has the picture's.
- Equation 6 attends to one vector. A softmax over one key is 1, so the queries would learn nothing. Keys are the states
  of all tokens up to END; one vector remains possible (:attr:`.FirmNetworkConfig.join`).
- s begins at 0, so that the first step starts from the trunk's own features; then b = -4 keeps the gates nearly shut.
- The queries of the cross-attention are normalized first, as in every block around it: the trunk's stream grows from
  block to block.
- W_o begins as CLS alone, so that the first clusters are made of the trunk's own feature.
- Equation 7 takes the texts of a visible and an infrared picture of one person. There are no such pairs without labels.
  The visible side is the mean over the visible pictures of the same cluster; nothing but clusters is used. A visible
  picture, an outlier and a cluster without visible pictures have Delta = 0.
- The output of a layer norm is of length sqrt(D), a feature of CLIP about 10: f is brought to length 1 and the
  difference divided by sqrt(D), or gamma, which begins at 0.1, would mean nothing.
"""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from timm.layers.weight_init import trunc_normal_
from torch import Tensor, nn
from torch.nn import functional

from reknow.growing import GrowingBuffers
from reknow.models.attention import initialize_linear

SHUT = -4.0
"""Bias of the gates at the start: sigmoid(-4) = 0.018."""

FIRST_GAMMA = -2.197
"""Its sigmoid is 0.1."""

LAYER_NORM_EPS = 1e-5


class GatedResidual(nn.Module):
    """One vector of text, gated channel by channel, added to every token (eq. 5).

    Args:
        width: D.

    Attributes:
        scale: s, 0 at the start.

    Example:
        >>> GatedResidual(8)(torch.zeros(2, 5, 8), torch.ones(2, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.zeros(()))
        trunc_normal_(self.gate.weight, std=0.02)
        nn.init.constant_(self.gate.bias, SHUT)

    def forward(
        self, sequence: Float[Tensor, "batch length width"], text: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch length width"]:
        """The sequence that leaves a block, and t_k W_t."""
        return sequence + (self.scale * self.gate(text).sigmoid() * text)[:, None]


class TextCrossAttention(nn.Module):
    """Every token of a picture attends to the tokens of its caption (eq. 6); scores are divided by sqrt(D / heads).

    Args:
        width: D.
        text_width: T, of a caption's tokens.
        heads: how many; divides D.

    Attributes:
        scale: s, 0 at the start.

    Example:
        >>> attention, valid = TextCrossAttention(8, text_width=6, heads=4), torch.tensor([[True, True, False]])
        >>> attention(torch.zeros(1, 5, 8), torch.zeros(1, 3, 6), valid).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, width: int, text_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(text_width, width)
        self.value = nn.Linear(text_width, width)
        self.proj = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.zeros(()))
        initialize_linear(self)

    def forward(
        self,
        sequence: Float[Tensor, "batch length width"],
        tokens: Float[Tensor, "batch words text"],
        valid: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch length width"]:
        """The sequence that leaves a block, the states of a caption's tokens, and which of them are read."""
        query, key, value = (
            projected.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projected in (self.query(self.norm(sequence)), self.key(tokens), self.value(tokens))
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=valid[:, None, None])
        return sequence + self.scale * self.proj(mixed.transpose(1, 2).flatten(2))


class TextConcatenation(nn.Module):
    """A linear map of each token beside one vector of text, in place of the cross-attention (table 2).

    Args:
        width: D.

    Attributes:
        scale: s, 0 at the start.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.linear = nn.Linear(2 * width, width)
        self.scale = nn.Parameter(torch.zeros(()))
        initialize_linear(self)

    def forward(
        self, sequence: Float[Tensor, "batch length width"], text: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch length width"]:
        """The sequence that leaves a block, and t_3 W_t."""
        beside = torch.cat([self.norm(sequence), text[:, None].expand_as(sequence)], dim=2)
        return sequence + self.scale * self.linear(beside)


class PooledFeature(nn.Module):
    """f = [CLS ; mean of patches] W_o (eq. 9), of tokens behind the trunk's last norm; at the start f = CLS.

    Args:
        width: D.

    Example:
        >>> cls = torch.rand(2, 8)
        >>> torch.equal(PooledFeature(8)(cls, torch.rand(2, 5, 8)), cls)
        True
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(2 * width, width, bias=False)
        nn.init.eye_(self.project.weight)

    def forward(
        self, cls: Float[Tensor, "batch width"], patches: Float[Tensor, "batch patches width"]
    ) -> Float[Tensor, "batch width"]:
        """(B, D) and (B, N, D) to (B, D), not normalized."""
        return self.project(torch.cat([cls, patches.mean(1)], dim=1))


class Compensation(nn.Module):
    """The semantic difference that an infrared feature gets (eq. 7, 8 and 10).

    Args:
        width: D.
        depths: number of text features of a picture.

    Attributes:
        logits: alpha before the softmax; all depths count alike at the start.
        gamma_logit: gamma before the sigmoid.
    """

    def __init__(self, width: int, depths: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(depths))
        self.gamma_logit = nn.Parameter(torch.tensor(FIRST_GAMMA))
        # With torch's own weights: ViT's, of deviation 0.02, leave so little at small widths that the norm's epsilon
        # counts. At width 8 the difference came out at 0.43 of its length.
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    @property
    def gamma(self) -> Float[Tensor, ""]:
        """How much the difference counts, from 0 to 1; the paper reports 0.35 at the end."""
        return self.gamma_logit.sigmoid()

    def forward(
        self,
        visual: Float[Tensor, "batch width"],
        texts: Float[Tensor, "batch depths width"],
        infrared: Bool[Tensor, "batch"],
        labels: Int[Tensor, "batch"],
        means: Float[Tensor, "clusters depths width"],
        known: Bool[Tensor, "clusters"],
    ) -> Float[Tensor, "batch width"]:
        """f_fus, not of length 1.

        Args:
            visual: (B, D) features of pictures, of any length.
            texts: (B, K, D) their own text features.
            infrared: (B,) which of the pictures are infrared; the others keep f / |f|.
            labels: (B,) their clusters, -1 for none.
            means: (C, K, D) mean text features of each cluster's visible pictures, constants.
            known: (C,) which clusters have visible pictures.
        """
        unit = functional.normalize(visual, dim=1)
        if not len(known):
            return unit
        row = labels.clamp(min=0)
        compensated = infrared & (labels >= 0) & known[row]
        difference = torch.einsum("k, b k d -> b d", self.logits.softmax(0), means[row] - texts)
        delta = self.norm(self.mlp(difference)) / sqrt(visual.shape[1])
        return unit + self.gamma * delta * compensated[:, None]


def text_means(
    texts: Float[Tensor, "rows depths width"], labels: Int[Tensor, "rows"], visible: Bool[Tensor, "rows"], clusters: int
) -> tuple[Float[Tensor, "clusters depths width"], Bool[Tensor, "clusters"]]:
    """Mean text features of each cluster's visible pictures, and which clusters have some; others have mean 0.

    Args:
        texts: (N, K, D).
        labels: (N,) clusters, -1 for none.
        visible: (N,).
        clusters: C.

    Example:
        >>> texts, visible = torch.tensor([1.0, 3, 9]).view(3, 1, 1), torch.tensor([True, True, False])
        >>> means, known = text_means(texts, torch.tensor([0, 0, 1]), visible, clusters=2)
        >>> means.flatten(), known
        (tensor([2., 0.]), tensor([ True, False]))
    """
    counted = visible & (labels >= 0)
    texts, labels = texts[counted], labels[counted]
    sums = texts.new_zeros(clusters, *texts.shape[1:]).index_add_(0, labels, texts)
    counts = labels.bincount(minlength=clusters)
    return sums / counts.clamp(min=1)[:, None, None], counts > 0


class ClusterTexts(GrowingBuffers):
    """Of each cluster of the training pictures its center and the mean text of its visible pictures.

    They travel with the network, so that a picture in use gets the difference to its nearest cluster. At first there
    are none.

    Args:
        width: D.
        depths: number of text features of a picture.
        momentum: share of the new mean when a batch moves a cluster's text.

    Attributes:
        centers: (C, D) of length 1.
        means: (C, K, D).
        known: (C,) which clusters have visible pictures.
    """

    growing: ClassVar[tuple[str, ...]] = ("centers", "means", "known")
    centers: Float[Tensor, "clusters width"]
    means: Float[Tensor, "clusters depths width"]
    known: Bool[Tensor, "clusters"]

    def __init__(self, width: int, depths: int, momentum: float = 0.2) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("centers", torch.zeros(0, width))
        self.register_buffer("means", torch.zeros(0, depths, width))
        self.register_buffer("known", torch.zeros(0, dtype=torch.bool))

    @torch.no_grad()
    def begin(
        self,
        centers: Float[Tensor, "clusters width"],
        means: Float[Tensor, "clusters depths width"],
        known: Bool[Tensor, "clusters"],
    ) -> None:
        """New clusters, or the same ones merged and split; centers of any length."""
        self.centers = functional.normalize(centers.detach().to(self.centers), dim=1)
        self.means = means.detach().to(self.means, copy=True)
        self.known = known.detach().to(self.known, copy=True)

    @torch.no_grad()
    def update(
        self,
        texts: Float[Tensor, "batch depths width"],
        labels: Int[Tensor, "batch"],
        visible: Bool[Tensor, "batch"],
    ) -> None:
        """Move the texts of the clusters that a batch has visible pictures of; the first mean of one is the batch's.

        Every process must give the rows of all (:func:`reknow.distributed.gathered`).
        """
        moved, here = text_means(texts.detach().to(self.means), labels, visible, len(self.known))
        share = torch.where(self.known, self.momentum, 1.0) * here
        self.means = self.means.lerp(moved, share.to(self.means)[:, None, None])
        self.known = self.known | here

    @torch.no_grad()
    def nearest(self, features: Float[Tensor, "batch width"]) -> Int[Tensor, "batch"]:
        """The cluster with the nearest center, by cosine; -1 while there are none."""
        if not len(self.centers):
            return torch.full((len(features),), -1, device=features.device)
        return (functional.normalize(features.to(self.centers), dim=1) @ self.centers.T).argmax(1)


def mean_of_units(
    features: list[Float[Tensor, "batch width"]], available: list[Bool[Tensor, "batch"]]
) -> Float[Tensor, "batch width"]:
    """The direction of the mean of each row's available features, all brought to length 1 before (section 3.3.8).

    Args:
        features: (B, D) each, of any length.
        available: (B,) for each of them; a row has at least one.

    Example:
        >>> yes, no = torch.tensor([True]), torch.tensor([False])
        >>> mean_of_units([torch.tensor([[2.0, 0]]), torch.tensor([[0, 5.0]])], [yes, no])
        tensor([[1., 0.]])
    """
    units = [
        functional.normalize(feature, dim=1) * here[:, None] for feature, here in zip(features, available, strict=True)
    ]
    return functional.normalize(torch.stack(units).sum(0), dim=1)


def drawn_prompts(
    prompts: Int[Tensor, "batch length"],
    paraphrases: Int[Tensor, "batch choices length"],
    share: float,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "batch length"]:
    """Of each picture its caption, or with probability `share` one of its paraphrases, all equally likely (3.2.1).

    Args:
        prompts: (B, L) of the captions.
        paraphrases: (B, P, L); with P = 0 every picture keeps its caption.
        share: from 0 to 1.
        generator: of the random numbers, on the CPU; None for torch's own.
    """
    batch, choices, _ = paraphrases.shape
    if not choices:
        return prompts
    chosen = torch.randint(choices, (batch,), generator=generator).to(prompts.device)
    replaced = (torch.rand(batch, generator=generator) < share).to(prompts.device)
    rows = torch.arange(batch, device=prompts.device)
    return torch.where(replaced[:, None], paraphrases[rows, chosen], prompts)


def scaled_to_depth(blocks: tuple[int, ...], old: int, new: int) -> tuple[int, ...]:
    """Blocks, counted from 1, of a trunk of another depth at the same share of it, at least the first.

    Example:
        >>> scaled_to_depth((2, 6, 10, 12), old=12, new=4)
        (1, 2, 3, 4)
    """
    return tuple(max(1, round(block * new / old)) for block in blocks)
