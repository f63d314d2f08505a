"""What an unsupervised method must not see is gone, and all that it may see is still there."""

from __future__ import annotations

from pathlib import Path

from reknow.data.hidden import without_names
from reknow.data.manifest import Manifest

COLUMNS = {
    "observation": ["0002_c1", "0002_c2", "0007_c1"],
    "identity": ["0002", "0002", "0007"],
    "camera": ["c1", "c2", None],
    "scene": ["night of 0002", "day", "night of 0002"],
    "tracklet": ["0002T1", "0002T2", None],
    "time": [1.0, 2.0, None],
    "split": ["train", "train", "train"],
    "rgb": ["0002_c1.jpg", "0002_c2.jpg", None],
    "tir": [None, "0002_c2_t.jpg", "0007_c1_t.jpg"],
    "crop": ["0 0 8 16", None, None],
}


def manifest() -> Manifest:
    return Manifest.from_columns(
        COLUMNS, root=Path("/data/0002"), name="some", notes=["0002 is lacking"], own={"nickname": ["a", "a", "b"]}
    )


def test_no_name_that_tells_an_identity_is_left() -> None:
    hidden = without_names(manifest())
    said = repr((hidden.table.to_pylist(), hidden.root, hidden.notes))
    for telling in ("0002", "0007", "nickname", "night", ".jpg", "0 0 8 16"):
        assert telling not in said
    assert not hidden.has("identity") and hidden.own_columns == ()


def test_what_may_be_learned_from_is_left() -> None:
    hidden, whole = without_names(manifest()), manifest()
    for name in ("camera", "time", "split"):
        assert hidden.column(name) == whole.column(name)
    assert hidden.column("scene") == ["0", "1", "0"]
    assert hidden.column("tracklet") == ["0", "1", None]
    assert hidden.spectra == ("rgb", "tir")
    for spectrum in ("rgb", "nir", "tir"):
        there = [reference is not None for reference in whole.column(spectrum)]
        assert [reference is not None for reference in hidden.column(spectrum)] == there
    assert (hidden.name, hidden.protocol, len(hidden)) == ("some", "market", 3)
