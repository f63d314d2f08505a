"""Paraphraser: an instruction model of transformers says what a caption says in other words.

The paper of FIRM names a frozen light language model and neither its prompt nor how many paraphrases. Decided: three,
in one answer with a line each; the likeliest answer, so that nothing is random; facts stay, and only attributes of the
person are said. For infrared pictures the instruction forbids names of colors, and a paraphrase that has one is left
out, since small models do not always obey. So is what is no paraphrase: an empty line, the caption itself, a heading. A
picture may therefore have less than three.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from reknow.captioning.captioner import Captioner, Shown
from reknow.captioning.pretrained import chosen_device, pretrained, transformers_for
from reknow.data.captions import Caption
from reknow.observation import Spectrum
from reknow.sentences import names_a_color

COUNT = 3
MOST_TOKENS = 160
"""Of an answer: three captions of 20 tokens, in more words, and a heading."""

INSTRUCTION = (
    "Write the description of a person below in three other ways, one in each line and nothing else. Keep every fact "
    "and add none. Say only what describes the person: sex, hair, clothes, what is carried."
)
INFRARED = " Do not name any color."

_MARK = re.compile(r"^\s*(?:\d+\s*[.):]|[-*\u2022])?\s*")
_QUOTES = "\"'\u201c\u201d\u2018\u2019 "


class Paraphrased(Captioner):
    """The captions of another captioner, with paraphrases of a language model.

    Args:
        captioner: makes the captions.
        folder: of the language model, as transformers writes it.

    Raises:
        MissingExtra: `reknow[captions]` is not installed.
        WeightsError: no such folder, or a damaged one.
    """

    def __init__(self, captioner: Captioner, folder: Path) -> None:
        transformers = transformers_for("paraphrases")
        self.captioner, self.device, self.weights = captioner, chosen_device(), Path(folder).name
        self.name, self.batch = captioner.name, captioner.batch
        kinds = transformers.AutoTokenizer, transformers.AutoModelForCausalLM
        self.tokenizer, self.model = pretrained(kinds, folder, None, self.device)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Those of the captioner, and the name of the language model's folder."""
        return {**self.captioner.settings, "paraphraser": self.weights}

    def describe(self, pictures: Sequence[Shown]) -> list[Caption | None]:
        """The captioner's captions; their paraphrases are the language model's alone."""
        captions = self.captioner.describe(pictures)
        told = [row for row, caption in enumerate(captions) if caption is not None]
        texts = [caption.text for caption in captions if caption is not None]
        answers = self._answers(
            [self._prompt(text, pictures[row].spectrum) for row, text in zip(told, texts, strict=True)]
        )
        for row, text, answer in zip(told, texts, answers, strict=True):
            captions[row] = Caption(text, paraphrases_of(answer, text, pictures[row].spectrum))
        return captions

    def _prompt(self, text: str, spectrum: Spectrum) -> str:
        request = instruction(text, spectrum)
        if self.tokenizer.chat_template is None:
            return request
        turns = [{"role": "user", "content": request}]
        return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)

    @torch.inference_mode()
    def _answers(self, prompts: list[str]) -> list[str]:
        if not prompts:
            return []
        tokens = self.tokenizer(
            prompts, return_tensors="pt", padding=True, add_special_tokens=self.tokenizer.chat_template is None
        )
        ids, mask = (tokens[name].to(self.device) for name in ("input_ids", "attention_mask"))
        answers = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=MOST_TOKENS,
            do_sample=False,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        return self.tokenizer.batch_decode(answers[:, ids.shape[1] :], skip_special_tokens=True)


def instruction(text: str, spectrum: Spectrum) -> str:
    """What the language model is asked for."""
    return f"{INSTRUCTION}{'' if spectrum == 'rgb' else INFRARED}\n\nDescription: {text}\n"


def paraphrases_of(answer: str, caption: str, spectrum: Spectrum) -> tuple[str, ...]:
    """The paraphrases in an answer, at most three.

    Args:
        answer: as the model wrote it.
        caption: what it was to say in other words.
        spectrum: of the picture.

    Example:
        >>> paraphrases_of("Here they are:\\n1. A man in red.\\n2. 'Man, red coat'", "a man in a red coat", "rgb")
        ('A man in red.', 'Man, red coat')
        >>> paraphrases_of("1. A man in red.\\n2. A man in a coat", "a man in a coat", "nir")
        ()
    """
    kept: dict[str, str] = {}
    for line in answer.splitlines():
        text = " ".join(_MARK.sub("", line).strip(_QUOTES).split())
        plain = text.rstrip(".").casefold()
        if not plain or text.endswith(":") or plain == caption.rstrip(".").casefold():
            continue
        if spectrum != "rgb" and names_a_color(text):
            continue
        kept.setdefault(plain, text)
    return tuple(kept.values())[:COUNT]
