"""FIRM's fusion, part by part: formulas against their plain form, what masks hide, and what begins at zero."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reknow.growing import growing_buffers
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
    text_means,
)

B, N, L, D, T, K = 3, 5, 4, 8, 6, 3


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def opened(module: nn.Module) -> nn.Module:
    """With a scale that lets text through."""
    with torch.no_grad():
        module.scale.fill_(0.7)
    return module


@pytest.mark.parametrize("part", ["gated", "attention", "concatenation"])
def test_text_enters_behind_a_scale_that_begins_at_zero(part) -> None:
    sequence, text = torch.randn(B, N, D), torch.randn(B, D)
    module, given = {
        "gated": (GatedResidual(D), (text,)),
        "attention": (
            TextCrossAttention(D, T, 4),
            (torch.randn(B, L, T), torch.ones(B, L, dtype=torch.bool)),
        ),
        "concatenation": (TextConcatenation(D), (text,)),
    }[part]
    assert torch.equal(module(sequence, *given), sequence)
    module(sequence, *given).square().sum().backward()
    learning = {name for name, parameter in module.named_parameters() if parameter.grad.any()}
    assert learning == {"scale"}  # at first; from then on all
    assert not torch.equal(opened(module)(sequence, *given), sequence)


def test_the_gated_residual_is_equation_5() -> None:
    gated, sequence, text = opened(GatedResidual(D)), torch.randn(B, N, D), torch.randn(B, D)
    gate = 1 / (1 + torch.exp(-(text @ gated.gate.weight.T + gated.gate.bias)))
    torch.testing.assert_close(gated(sequence, text), sequence + 0.7 * (gate * text)[:, None])
    assert (gated.gate.bias == -4).all()


def test_the_cross_attention_is_equation_6_picture_by_picture() -> None:
    attention, sequence, tokens = opened(TextCrossAttention(D, T, 4)), torch.randn(B, N, D), torch.randn(B, L, T)
    lengths = [1, 3, 4]
    valid = torch.arange(L) < torch.tensor(lengths)[:, None]
    outputs = attention(sequence, tokens, valid)
    for picture, length in enumerate(lengths):
        words = tokens[picture, :length]
        query, key, value = attention.query(attention.norm(sequence[picture])), attention.key(words), None
        value = attention.value(words)
        heads = []
        for head in range(4):
            part = slice(2 * head, 2 * head + 2)
            scores = query[:, part] @ key[:, part].T / sqrt(D / 4)
            heads.append(scores.softmax(1) @ value[:, part])
        wanted = sequence[picture] + 0.7 * attention.proj(torch.cat(heads, dim=1))
        torch.testing.assert_close(outputs[picture], wanted)


def test_tokens_that_are_not_valid_change_nothing() -> None:
    attention, sequence, tokens = opened(TextCrossAttention(D, T, 4)), torch.randn(B, N, D), torch.randn(B, L, T)
    valid = torch.arange(L) < torch.tensor([1, 3, 4])[:, None]
    other = torch.where(valid[..., None], tokens, 1e4)
    torch.testing.assert_close(attention(sequence, tokens, valid), attention(sequence, other, valid))


@pytest.mark.parametrize(("words", "learns"), [(1, False), (2, True)])
def test_queries_learn_only_where_there_is_a_choice(words, learns) -> None:
    attention = opened(TextCrossAttention(D, T, 4))
    attention(
        torch.randn(B, N, D), torch.randn(B, words, T), torch.ones(B, words, dtype=torch.bool)
    ).square().sum().backward()
    assert bool(attention.query.weight.grad.abs().max() > 1e-7) == learns


def test_the_concatenation_reads_both() -> None:
    joined, sequence, text = opened(TextConcatenation(D)), torch.randn(B, N, D), torch.randn(B, D)
    weight, bias = joined.linear.weight, joined.linear.bias
    wanted = sequence + 0.7 * (joined.norm(sequence) @ weight[:, :D].T + (text @ weight[:, D:].T)[:, None] + bias)
    torch.testing.assert_close(joined(sequence, text), wanted)


def test_the_pooled_feature_begins_as_cls_and_learns_from_patches() -> None:
    pooled, cls, patches = PooledFeature(D), torch.randn(B, D), torch.randn(B, N, D)
    assert torch.equal(pooled(cls, patches), cls)
    pooled(cls, patches).square().sum().backward()
    assert pooled.project.weight.grad[:, D:].any()
    with torch.no_grad():
        nn.init.normal_(pooled.project.weight)
    wanted = torch.cat([cls, patches.mean(1)], 1) @ pooled.project.weight.T
    torch.testing.assert_close(pooled(cls, patches), wanted)


def clusters() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, K, D), torch.tensor([True, False])


def test_the_compensation_is_equations_7_8_and_10() -> None:
    compensation, (means, known) = Compensation(D, K), clusters()
    with torch.no_grad():
        compensation.logits.copy_(torch.tensor([0.5, -1.0, 2.0]))
    visual, texts = 9 * torch.randn(1, D), torch.randn(1, K, D)
    fused = compensation(visual, texts, torch.tensor([True]), torch.tensor([0]), means, known)
    alpha = compensation.logits.exp() / compensation.logits.exp().sum()
    difference = sum(alpha[k] * (means[0, k] - texts[0, k]) for k in range(K))
    hidden = compensation.mlp(difference)
    delta = (hidden - hidden.mean()) / (hidden.var(unbiased=False) + 1e-5).sqrt() / sqrt(D)
    torch.testing.assert_close(fused[0], visual[0] / visual[0].norm() + 0.1 * delta, rtol=1e-4, atol=1e-4)
    assert compensation.gamma.item() == pytest.approx(0.1, abs=1e-4)
    assert (fused[0] - visual[0] / visual[0].norm()).norm().item() == pytest.approx(0.1, rel=0.02)


def test_visible_pictures_outliers_and_clusters_without_visible_pictures_stay() -> None:
    compensation, (means, known) = Compensation(D, K), clusters()
    visual, texts = torch.randn(4, D), torch.randn(4, K, D)
    infrared, labels = torch.tensor([False, True, True, True]), torch.tensor([0, -1, 1, 0])
    fused, unit = compensation(visual, texts, infrared, labels, means, known), visual / visual.norm(dim=1, keepdim=True)
    torch.testing.assert_close(fused[:3], unit[:3])
    assert not torch.allclose(fused[3], unit[3])
    nothing = compensation(visual, texts, infrared, labels, means[:0], known[:0])
    torch.testing.assert_close(nothing, unit)


@given(st.lists(st.tuples(st.integers(-1, 3), st.booleans()), min_size=0, max_size=12))
def test_text_means_are_over_the_visible_members(rows) -> None:
    texts = torch.randn(len(rows), K, D)
    labels = torch.tensor([label for label, _ in rows], dtype=torch.long)
    visible = torch.tensor([here for _, here in rows], dtype=torch.bool)
    means, known = text_means(texts, labels, visible, 4)
    for cluster in range(4):
        members = [texts[row] for row, (label, here) in enumerate(rows) if label == cluster and here]
        assert bool(known[cluster]) == bool(members)
        torch.testing.assert_close(means[cluster], torch.stack(members).mean(0) if members else torch.zeros(K, D))


def test_texts_of_clusters_follow_by_one_fifth() -> None:
    held = ClusterTexts(D, K)
    centers, means = torch.randn(3, D), torch.randn(3, K, D)
    held.begin(3 * centers, means, torch.tensor([True, True, False]))
    texts, labels = torch.randn(5, K, D), torch.tensor([0, 0, 2, 1, -1])
    held.update(texts, labels, torch.tensor([True, True, True, False, True]))
    torch.testing.assert_close(held.means[0], 0.8 * means[0] + 0.2 * texts[:2].mean(0))
    assert torch.equal(held.means[1], means[1])  # only an infrared picture
    torch.testing.assert_close(held.means[2], texts[2])  # its first
    assert held.known.tolist() == [True, True, True]
    assert held.nearest(5 * centers).tolist() == [0, 1, 2]


def test_texts_of_clusters_are_loaded_in_any_number() -> None:
    held, other = ClusterTexts(D, K), nn.ModuleDict({"held": ClusterTexts(D, K)})
    assert held.nearest(torch.randn(2, D)).tolist() == [-1, -1]
    held.begin(torch.randn(3, D), torch.randn(3, K, D), torch.ones(3, dtype=torch.bool))
    other.load_state_dict({f"held.{name}": tensor for name, tensor in held.state_dict().items()})
    assert torch.equal(other["held"].means, held.means) and bool(other["held"].known.all())
    assert growing_buffers(other) == {"held.centers", "held.means", "held.known"}
    with pytest.raises(RuntimeError, match="size mismatch"):
        ClusterTexts(D + 1, K).load_state_dict(held.state_dict())


def test_what_is_not_available_is_not_in_the_mean() -> None:
    one, other = torch.randn(2, D), torch.randn(2, D)
    mean = mean_of_units([one, 100 * other], [torch.tensor([True, True]), torch.tensor([True, False])])
    wanted = one / one.norm(dim=1, keepdim=True) + torch.tensor([[1.0], [0]]) * other / other.norm(dim=1, keepdim=True)
    torch.testing.assert_close(mean, wanted / wanted.norm(dim=1, keepdim=True))


def test_paraphrases_are_drawn_half_of_the_time() -> None:
    prompts, paraphrases = torch.zeros(4000, 2, dtype=torch.long), torch.arange(1, 4).view(1, 3, 1).expand(4000, 3, 2)
    drawn = drawn_prompts(prompts, paraphrases, 0.5, torch.Generator().manual_seed(0))
    shares = drawn[:, 0].bincount(minlength=4) / 4000
    assert shares.tolist() == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6], abs=0.03)
    assert torch.equal(drawn, drawn_prompts(prompts, paraphrases, 0.5, torch.Generator().manual_seed(0)))
    assert not drawn_prompts(prompts, paraphrases, 0.0).any() and drawn_prompts(prompts, paraphrases, 1.0).all()
    assert torch.equal(drawn_prompts(prompts, paraphrases[:, :0], 1.0), prompts)


@given(st.integers(1, 40), st.integers(1, 40))
def test_blocks_move_with_the_depth(old, new) -> None:
    blocks = scaled_to_depth(tuple(range(1, old + 1)), old, new)
    assert list(blocks) == sorted(blocks) and blocks[0] >= 1 and blocks[-1] == new
