"""Text towers: open_clip is the witness, END decides what counts, and which layers are trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reknow.errors import RecipeError
from reknow.models.attention import Attention
from reknow.models.text import CLIP_TEXT, TextTower, TextTowerConfig
from reknow.models.tokenization import ClipTokens
from reknow.models.weights import read_weights
from reknow.values import from_plain, to_plain
from tiny_clip import TEXT, tiny_clip

CAPTIONS = ["a man in a red coat", None, "赤い服", "tall"]


def tower(**changes: object) -> TextTower:
    torch.manual_seed(0)
    return TextTowerConfig(**{"width": 16, "heads": 2, **changes}).build().eval()


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_open_clip_s_tower_says_the_same(tmp_path, quick_gelu) -> None:
    witness = tiny_clip(quick_gelu=quick_gelu)
    activation = "quick_gelu" if quick_gelu else "gelu"
    ours = tower(tokens=ClipTokens(), width=24, heads=TEXT["heads"], prefix=0, activation=activation)
    torch.save(witness.state_dict(), tmp_path / "clip.pth")
    pretrained = read_weights(f"{tmp_path / 'clip.pth'}?heads=4&size=32x16&activation={activation}")
    ours.load_state_dict(pretrained.parts[ours.config.part], strict=False)
    prompts = ours.prompts(CAPTIONS)
    padded = nn.functional.pad(prompts, (0, 77 - prompts.shape[1]))
    with torch.inference_mode():
        states = ours(prompts)
        theirs = witness.forward_intermediates(text=padded, normalize_intermediates=True)["text_intermediates"]
        projected = states.vectors[:, -1] @ witness.text_projection
        torch.testing.assert_close(projected, witness.encode_text(padded), rtol=1e-4, atol=1e-5)
    ends = prompts.argmax(1)
    for depth, layer in enumerate(ours.config.depths):
        wanted = theirs[layer - 1][torch.arange(4), ends]
        torch.testing.assert_close(states.vectors[:, depth], wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(states.tokens, theirs[-1][:, : prompts.shape[1]], rtol=1e-4, atol=1e-5)


def test_the_prefix_stands_behind_start() -> None:
    """A tower whose prefix is the vectors of words reads these words."""
    plain, learned = tower(prefix=0), tower(prefix=2)
    learned.load_state_dict(plain.state_dict() | {"prefix": learned.prefix})
    words = plain.config.tokens.words("tall man")
    with torch.no_grad():
        learned.prefix.copy_(plain.token_embedding.weight[words])
        prompts = plain.prompts(["coat"])
        spelled = torch.cat([prompts[:, :1], torch.tensor([words]), prompts[:, 1:]], dim=1)
        torch.testing.assert_close(learned(prompts).vectors, plain(spelled).vectors)


def test_what_stands_behind_end_changes_nothing() -> None:
    text = tower()
    prompts = text.prompts(["a man", "a man in a long red coat"])
    changed = prompts.clone()
    changed[0, int(prompts[0].argmax()) + 1 :] = 7
    with torch.inference_mode():
        before, after, alone = text(prompts), text(changed), text(text.prompts(["a man"]))
    assert torch.equal(before.vectors, after.vectors)
    assert before.valid.sum(1).tolist() == [14, 19]
    assert torch.equal(before.tokens[before.valid], after.tokens[after.valid])
    torch.testing.assert_close(before.vectors[:1], alone.vectors)


def test_the_longest_prompt_fits() -> None:
    states = tower()(tower().prompts(["coat " * 10_000]))
    assert states.tokens.shape == (1, 77, 16) and bool(states.valid.all())


@pytest.mark.parametrize(
    ("layers", "learning"), [(0, set()), (2, {"blocks.1", "blocks.2", "norm"}), (None, {"token_embedding", "norm"})]
)
def test_which_layers_are_trained(layers, learning) -> None:
    text = tower(trained_layers=layers)
    text(text.prompts(CAPTIONS)).vectors.square().sum().backward()
    moving = {name for name, parameter in text.named_parameters() if parameter.grad is not None}
    assert "prefix" in moving and bool(text.prefix.grad.any())  # through the layers that stand still
    places = {".".join(name.split(".")[: 2 if name.startswith("blocks") else 1]) for name in moving - {"prefix"}}
    assert places >= learning if layers is None else places == learning


def test_causal_attention_shows_what_it_computes() -> None:
    attention = Attention(8, 2, causal=True)
    sequence, maps = torch.randn(2, 5, 8), []
    mixed = attention(sequence, lambda probabilities: maps.append(probabilities()))
    value = attention.qkv(sequence).view(2, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)[2]
    assert not maps[0].triu(1).any()
    torch.testing.assert_close(mixed, attention.proj((maps[0] @ value).transpose(1, 2).reshape(2, 5, 8)))


def test_the_config_is_kept_and_refuses_nonsense() -> None:
    for config in (TextTowerConfig(), CLIP_TEXT):
        assert from_plain(to_plain(config), "recipe.yaml") == config
    assert TextTowerConfig().depths == (1, 2, 3)
    for changes, field in (({"depth": 2}, "depth"), ({"heads": 5}, "heads"), ({"context": 12}, "context")):
        with pytest.raises(RecipeError, match=rf"network\.text\.{field}"):
            TextTowerConfig(**changes)
    with pytest.raises(RecipeError, match=r"trained_layers: 4; expected at most the depth 3"):
        TextTowerConfig(trained_layers=4)
