"""Which file is meant, and what its user tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reknow.errors import WeightsError
from reknow.models.weights import FileOptions, Source, resolve


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("", FileOptions()),
        ("?stride=12", FileOptions(stride=12)),
        ("?size=256x128&stride=12", FileOptions(size=(256, 128), stride=12)),
        (
            "?heads=16&neck=behind&normalization=imagenet",
            FileOptions(heads=16, neck="behind", normalization="imagenet"),
        ),
        ("?cameras=c1,c2, c3", FileOptions(cameras=("c1", "c2", "c3"))),
    ],
)
def test_what_is_told(tmp_path, options, told):
    (tmp_path / "w.pth").touch()
    assert resolve(f"{tmp_path / 'w.pth'}{options}") == Source(tmp_path / "w.pth", told)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("?strid=12", r"option 'strid': unknown option\. Did you mean 'stride'\?"),
        ("?stride=0", "option 'stride': '0'; expected pixels"),
        ("?stride=-4", "option 'stride': '-4'"),
        ("?stride=12.5", "option 'stride': '12.5'"),
        ("?size=256", "option 'size': '256'; expected height x width"),
        ("?size=256x128x3", "option 'size'"),
        ("?size=x128", "option 'size'"),
        ("?cameras=c1,,c2", "where a name is empty"),
        ("?cameras=c1,c2,c1", "'c1' stands twice"),
        ("?neck=after", "option 'neck': 'after'; expected before or behind"),
        ("?stride=12&stride=16", "option 'stride' twice"),
        ("?stride", "'stride'; expected option=value"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path, options, message):
    (tmp_path / "w.pth").touch()
    with pytest.raises(WeightsError, match=message):
        resolve(f"{tmp_path / 'w.pth'}{options}")


def test_a_question_mark_may_belong_to_the_name(tmp_path):
    (tmp_path / "what?.pth").touch()
    assert resolve(f"{tmp_path / 'what?.pth'}") == Source(tmp_path / "what?.pth")
    assert resolve(f"{tmp_path / 'what?.pth'}?stride=12") == Source(tmp_path / "what?.pth", FileOptions(stride=12))


def test_options_without_a_file_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"absent\.pth: no such file"):
        resolve(f"{tmp_path / 'absent.pth'}?stride=12")
    with pytest.raises(WeightsError, match="a folder, which has no options"):
        resolve(f"{tmp_path}?stride=12")


def test_resolve_takes_the_path_then_the_folder(tmp_path, monkeypatch):
    folder, here = tmp_path / "folder", tmp_path / "here"
    for place in (folder, here):
        place.mkdir()
        (place / "both.pth").touch()
    (folder / "one.pth").touch()
    monkeypatch.chdir(here)
    monkeypatch.delenv("REKNOW_WEIGHTS", raising=False)
    assert resolve("one.pth") is None
    monkeypatch.setenv("REKNOW_WEIGHTS", str(folder))
    assert resolve("one.pth") == Source(folder / "one.pth")
    assert resolve("one.pth?heads=2") == Source(folder / "one.pth", FileOptions(heads=2))
    assert resolve("both.pth") == Source(Path("both.pth"))
    assert resolve(str(folder / "one.pth")) == Source(folder / "one.pth")
    assert resolve("absent.pth") is None
    assert resolve("") is None
    assert resolve(".") is None  # a folder is no file
