"""Captioners on tiny networks with random weights, made here: BLIP, a language model, CLIP. Nothing is downloaded.

transformers takes seconds to import, so everything that needs it is in this file.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from reknow import cli
from reknow.captioning import Shown
from reknow.captioning.blip import LEAST_TOKENS, MOST_TOKENS, Blip, is_usable
from reknow.captioning.paraphraser import INFRARED, Paraphrased, paraphrases_of
from reknow.captioning.template import ATTRIBUTES, Template, appearance_of
from reknow.data.captions import Caption, Captions
from reknow.errors import MissingExtra, WeightsError
from reknow.sentences import Appearance

WORDS = [f"word{number}" for number in range(60)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def tokenizer(words: list[str] = WORDS):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = Tokenizer(models.WordLevel({word: row for row, word in enumerate(SPECIAL + words)}, unk_token="[UNK]"))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=known, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BLIP of one layer, whose word 0 is a little likelier than every other, whatever came before."""
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    folder = tmp_path_factory.mktemp("blip") / "tiny-blip"
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": len(SPECIAL + WORDS), "encoder_hidden_size": 16, "max_position_embeddings": 32}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    config = BlipConfig(text_config={**size, **text}, vision_config={**size, "image_size": 32, "patch_size": 16})
    torch.manual_seed(0)
    model = BlipForConditionalGeneration(config)
    head = model.text_decoder.cls.predictions
    with torch.no_grad():
        head.decoder.weight.zero_()
        head.decoder.bias.zero_()
        head.decoder.bias[: len(SPECIAL)] = -100.0
        head.decoder.bias[len(SPECIAL)] = 0.5
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("lm") / "tiny-lm"
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(vocab_size=len(SPECIAL + WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                    num_attention_heads=2, bos_token_id=2, eos_token_id=3, pad_token_id=0)
    ).save_pretrained(folder)  # fmt: skip
    chat = tokenizer()
    chat.chat_template = "[CLS] {% for turn in messages %}{{ turn['content'] }}{% endfor %} word1"
    chat.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import open_clip

    path = tmp_path_factory.mktemp("clip") / "tiny.safetensors"
    torch.manual_seed(0)
    vision = {"layers": 1, "width": 64, "patch_size": 16, "image_size": 32}
    model = open_clip.CLIP(16, vision, {"width": 64, "heads": 1, "layers": 1}, quick_gelu=True)
    save_file({name: part.contiguous() for name, part in model.state_dict().items()}, path)
    return path


def pictures(count: int, spectrum: str = "rgb") -> list[Shown]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 64, 32, 3), dtype=np.uint8)
    return [Shown(f"{number}.jpg", spectrum, pixels[number]) for number in range(count)]


# --- BLIP


def test_a_caption_that_repeats_itself_is_drawn_anew_by_seed_and_picture(blip):
    captioner = Blip(blip)
    assert captioner._texts(torch.zeros(1, 3, 32, 32), num_beams=3) == [" ".join(["word0"] * MOST_TOKENS)]
    texts = [caption.text for caption in captioner.describe(pictures(4))]
    assert len({*texts}) == 4
    for text in texts:
        assert LEAST_TOKENS <= len(text.split()) <= MOST_TOKENS
        assert max(Counter(text.split()).values()) <= 3
    state = torch.random.get_rng_state()
    assert [caption.text for shown in pictures(4)[::-1] for caption in captioner.describe([shown])] == texts[::-1]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [caption.text for caption in Blip(blip, seed=1).describe(pictures(4))] != texts


def test_where_draws_repeat_themselves_too_the_repeats_are_removed(blip):
    captioner = Blip(blip)
    with torch.no_grad():
        captioner.model.text_decoder.cls.predictions.decoder.bias[len(SPECIAL)] = 50.0
    assert captioner.describe(pictures(1)) == [Caption("word0 word0 word0")]


def test_a_likely_caption_without_repeats_is_kept(blip, monkeypatch):
    captioner = Blip(blip)
    monkeypatch.setattr(captioner, "_texts", lambda pixels, **search: [f"a man {search}"] * len(pixels))
    assert captioner.describe(pictures(2)) == [Caption("a man {'num_beams': 3}")] * 2
    assert is_usable("a a a b") and not is_usable("A a a a")
    monkeypatch.setattr(captioner, "_texts", lambda pixels, **search: [""] * len(pixels))
    assert captioner.describe(pictures(1)) == [None]


def test_pictures_are_prepared_as_the_model_s_own_files_say(blip, monkeypatch):
    captioner, seen = Blip(blip), []
    monkeypatch.setattr(captioner, "_texts", lambda pixels, **search: seen.append(pixels) or ["a man"] * len(pixels))
    white = np.full((64, 20, 3), 255, np.uint8)
    captioner.describe([Shown("a", "rgb", white)])
    assert seen[0].shape == (1, 3, 32, 32)
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    assert torch.allclose(seen[0].mean((0, 2, 3)), (1 - mean) / std, atol=1e-4)


def test_other_folders_are_refused(blip, language_model, tmp_path):
    damaged = shutil.copytree(blip, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"\0" * 100)
    (tmp_path / "text").mkdir()
    (tmp_path / "text/config.json").write_text("{")
    for folder, message in (
        (tmp_path / "no", "no such folder; expected a folder of transformers"),
        (tmp_path, r"no config\.json in it"),
        (tmp_path / "text", r"a damaged config\.json"),
        (language_model, "a model of the type 'llama'; expected 'blip'"),
        (damaged, "it cannot be read"),
    ):
        with pytest.raises(WeightsError, match=message):
            Blip(folder)


# --- the language model


def test_paraphrases_come_from_the_language_model_with_the_instruction(blip, language_model, monkeypatch):
    captioner = Paraphrased(Blip(blip), language_model)
    assert captioner.settings == {**Blip(blip).settings, "paraphraser": "tiny-lm"} and captioner.name == "blip"
    prompts = []
    answer = "Sure:\n1. a red man\n2) a man\n- 'A tall man.'\n* a thin man\na short man"
    monkeypatch.setattr(captioner, "_answers", lambda asked: prompts.extend(asked) or [answer] * len(asked))
    monkeypatch.setattr(captioner.captioner, "describe", lambda shown: [Caption("a man"), None, Caption("a man")])
    shown = pictures(3)[:2] + pictures(3, "nir")[2:]
    assert captioner.describe(shown) == [
        Caption("a man", ("a red man", "A tall man.", "a thin man")),
        None,
        Caption("a man", ("A tall man.", "a thin man", "a short man")),
    ]
    assert len(prompts) == 2 and all("a man" in prompt and prompt.startswith("[CLS] ") for prompt in prompts)
    assert [INFRARED in prompt for prompt in prompts] == [False, True]


def test_answers_are_the_likeliest_and_do_not_depend_on_the_batch(blip, language_model):
    captioner = Paraphrased(Blip(blip), language_model)
    prompts = [captioner._prompt("word3 word4", "rgb"), captioner._prompt("word5 " * 9, "rgb")]
    together = captioner._answers(prompts)
    assert together == [answer for prompt in prompts for answer in captioner._answers([prompt])]
    assert all(together) and not any(word in answer for answer in together for word in SPECIAL)
    assert captioner._answers([]) == []
    captioner.tokenizer.chat_template = None
    assert captioner._prompt("word3", "rgb").endswith("Description: word3\n")


def test_three_different_paraphrases_at_most():
    assert paraphrases_of("a b\nA b.\n\nc\n d\ne", "x", "rgb") == ("a b", "c", "d")
    assert paraphrases_of("", "x", "rgb") == ()


# --- CLIP


def test_what_clip_finds_is_said(clip):
    captioner = Template(str(clip))
    shown = pictures(2)
    assert captioner.settings == {"weights": "tiny.safetensors", "sure": 0.5}
    feature = functional.normalize(captioner.model.encode_image(captioner._pixels(shown[:1])), dim=1)[0]
    texts = [(attribute, word) for attribute, words in ATTRIBUTES.items() for word in words]
    assert captioner.texts.shape == (len(texts), 16)
    found = {("who", "man"), ("upper", "coat"), ("upper_color", "red"), ("bag", "backpack"), ("hat", "none")}
    captioner.texts = torch.stack([feature if text in found else -feature for text in texts]).detach()
    (caption,) = captioner.describe(shown[:1])
    assert caption.text == "a man in a red coat, carrying a backpack" and len(caption.paraphrases) == 3
    (caption,) = captioner.describe([shown[0]._replace(spectrum="nir")])
    assert caption.text == "a man in a coat, carrying a backpack"


def test_only_sure_words_are_said_and_nothing_under_a_dress():
    logits = torch.zeros(sum(map(len, ATTRIBUTES.values())))
    assert appearance_of(logits, in_color=True) == Appearance()
    places = {word: row for row, word in enumerate(word for words in ATTRIBUTES.values() for word in words)}
    logits[places["dress"]] = logits[places["jeans"]] = 9.0
    assert appearance_of(logits, in_color=True) == Appearance(upper="dress")
    assert len(dict.fromkeys(text for words in ATTRIBUTES.values() for text in words.values())) == len(logits)


def test_the_activation_and_the_shape_are_those_of_the_file(clip, tmp_path):
    quick, plain = Template(str(clip)), Template(f"{clip}?activation=gelu")
    assert not torch.allclose(quick.texts, plain.texts)
    state = load_file(clip)
    save_file({name: part for name, part in state.items() if "resblocks" in name}, tmp_path / "part.safetensors")
    save_file({**state, "ln_final.bias": torch.zeros(3)}, tmp_path / "other.safetensors")
    for file in ("part", "other"):
        with pytest.raises(WeightsError, match="no whole CLIP with a transformer for images"):
            Template(str(tmp_path / f"{file}.safetensors"))
    with pytest.raises(WeightsError, match="no such file"):
        Template(str(tmp_path / "no.pt"))


# --- extras, and the command


@pytest.mark.parametrize(("module", "extra"), [("transformers", "captions"), ("open_clip", "clip")])
def test_a_missing_extra_says_what_to_install(tmp_path, monkeypatch, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'reknow\[{extra}\]'"):
        Blip(tmp_path) if module == "transformers" else Template(str(tmp_path / "a.pt"))


def test_the_command_describes_keeps_and_goes_on(blip, language_model, clip, crops, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for picture in sorted(crops.iterdir())[6:]:
        picture.unlink()
    arguments = ["caption", f"folder:{crops}", "--weights", str(blip), "--paraphraser", str(language_model), "--json"]
    assert cli.main(arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["captioner"], facts["made"], facts["kept"], facts["silent"]) == ("blip", 6, 0, 0)
    captions = Captions.read(tmp_path / "captions.json")
    assert captions.settings == {
        "weights": "tiny-blip", "beams": 3, "least_tokens": 5, "most_tokens": 20, "seed": 0, "paraphraser": "tiny-lm"
    }  # fmt: skip
    assert facts["examples"] == [caption.text for caption in captions.of_picture.values()][:3]
    Captions(captions.captioner, captions.settings, dict([*captions.of_picture.items()][:4])).write(
        tmp_path / "captions.json"
    )
    assert cli.main(arguments[:-1]) == 0
    assert "2 pictures described, 4 were before: captions.json" in capsys.readouterr().out
    assert Captions.read(tmp_path / "captions.json") == captions
    assert cli.main([*arguments, "--seed", "1"]) == 2
    assert "'seed': 0; expected 1" in capsys.readouterr().err
    template = ["caption", f"folder:{crops}", "--captioner", "template", "--weights", str(clip), "--out", "t.json"]
    assert cli.main(template) == 0
    assert Captions.read(tmp_path / "t.json").captioner == "template"
