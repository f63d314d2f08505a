"""Every picture of a data set described once: stopped runs, other captioners, damaged pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from reknow.captioning import Captioner, Shown, caption_pictures, carry_out
from reknow.data.captions import Caption, Captions
from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.errors import DataError


class Brightness(Captioner):
    """Says how bright a picture is, and nothing of a black one; stops after so many."""

    name = "brightness"
    batch = 5

    def __init__(self, stops_after: int | None = None, steps: int = 10) -> None:
        self.described: list[Shown] = []
        self.stops_after, self.steps = stops_after, steps

    @property
    def settings(self) -> dict[str, int]:
        return {"steps": self.steps}

    def describe(self, pictures: Sequence[Shown]) -> list[Caption | None]:
        if self.stops_after is not None and len(self.described) >= self.stops_after:
            raise KeyboardInterrupt
        self.described += pictures
        means = [picture.pixels.mean() for picture in pictures]
        return [Caption(f"{mean:.3f}") if mean else None for mean in means]


def test_every_picture_is_described_once(crops, tmp_path):
    manifest, done = open_dataset(f"folder:{crops}"), []
    outcome = caption_pictures(manifest, Brightness(), tmp_path / "c.json", progress=lambda *at: done.append(at))
    assert (outcome.made, outcome.kept, outcome.silent) == (48, 0, 0)
    assert done[0] == (5, 48) and done[-1] == (48, 48) and len(done) == 10
    written = Captions.read(tmp_path / "c.json")
    assert written == outcome.captions and written.captioner == "brightness" and written.settings == {"steps": 10}
    with Image.open(crops / "person0_c1_2.png") as picture:
        assert written.of_picture["person0_c1_2.png"].text == f"{np.asarray(picture).mean():.3f}"
    assert open_dataset(f"folder:{crops}?captions={tmp_path / 'c.json'}").table.column("caption").null_count == 0


def test_a_stopped_run_keeps_what_it_has_and_the_next_does_the_rest(crops, tmp_path):
    manifest, path = open_dataset(f"folder:{crops}"), tmp_path / "c.json"
    with pytest.raises(KeyboardInterrupt):
        caption_pictures(manifest, Brightness(stops_after=10), path)
    assert len(Captions.read(path).of_picture) == 10
    again = Brightness()
    outcome = caption_pictures(manifest, again, path)
    assert (outcome.made, outcome.kept) == (38, 10) and len(again.described) == 38
    whole = caption_pictures(manifest, Brightness(), tmp_path / "whole.json").captions
    assert Captions.read(path) == whole
    assert caption_pictures(manifest, Brightness(stops_after=0), path).made == 0


def test_a_killed_run_has_what_was_written_a_minute_before(crops, tmp_path, monkeypatch):
    monkeypatch.setattr(carry_out, "SECONDS", 0.0)
    sizes = []
    write = Captions.write
    monkeypatch.setattr(Captions, "write", lambda self, path: (sizes.append(len(self.of_picture)), write(self, path)))
    caption_pictures(open_dataset(f"folder:{crops}"), Brightness(), tmp_path / "c.json")
    assert sizes == [5, 10, 15, 20, 25, 30, 35, 40, 45, 48, 48]


def test_captions_by_hand_of_other_pictures_stay_in_the_file(crops, tmp_path):
    path = tmp_path / "c.json"
    Captions("brightness", {"steps": 10}, {"person0_c0_0.png": Caption("mine"), "else.png": Caption("x")}).write(path)
    outcome = caption_pictures(open_dataset(f"folder:{crops}"), Brightness(), path)
    assert (outcome.made, outcome.kept) == (47, 1)
    said = Captions.read(path).of_picture
    assert said["person0_c0_0.png"].text == "mine" and said["else.png"].text == "x" and len(said) == 49


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (Captions("hand", {"steps": 10}, {}), r"c\.json, 'captioner': 'hand'; expected 'brightness'"),
        (Captions("brightness", {"steps": 3}, {}), r"'steps': 3; expected 10"),
        (Captions("brightness", {"steps": 10, "seed": 1}, {}), r"'seed': 1; expected None"),
    ],
)
def test_another_captioner_adds_nothing_to_a_file(crops, tmp_path, captions, message):
    captions.write(tmp_path / "c.json")
    captioner = Brightness()
    with pytest.raises(DataError, match=message):
        caption_pictures(open_dataset(f"folder:{crops}"), captioner, tmp_path / "c.json")
    assert not captioner.described and Captions.read(tmp_path / "c.json") == captions


def test_a_file_of_something_else_is_not_replaced(crops, tmp_path):
    (tmp_path / "c.json").write_text("mine")
    with pytest.raises(DataError, match="not JSON"):
        caption_pictures(open_dataset(f"folder:{crops}"), Brightness(), tmp_path / "c.json")
    assert (tmp_path / "c.json").read_text() == "mine"


def test_a_damaged_picture_is_named_and_those_before_it_are_kept(crops, tmp_path):
    (crops / "person3_c0_0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"person3_c0_0\.png"):
        caption_pictures(open_dataset(f"folder:{crops}"), Brightness(), tmp_path / "c.json")
    assert len(Captions.read(tmp_path / "c.json").of_picture) == 20


def test_panels_are_described_each_and_silence_is_counted(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, 4:] = 100
    Image.fromarray(pixels).save(tmp_path / "a.png")
    columns = {"rgb": ["a.png"], "nir": ["a.png"], "crop": ["0 0 4 8; 4 0 8 8"]}
    captioner = Brightness()
    outcome = caption_pictures(Manifest.from_columns(columns, root=tmp_path, name="m"), captioner, tmp_path / "c.json")
    assert (outcome.made, outcome.silent) == (1, 1)
    assert [(shown.key, shown.spectrum) for shown in captioner.described] == [
        ("a.png@0 0 4 8", "rgb"), ("a.png@4 0 8 8", "nir")
    ]  # fmt: skip
    assert outcome.captions.of_picture == {"a.png@4 0 8 8": Caption("100.000")}
