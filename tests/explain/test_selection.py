"""What EDITOR keeps on a data set, what is known of it, and how it is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.explain.panels import PALENESS
from reknow.explain.sample import Looking
from reknow.explain.selection import PANEL, explain_selection
from reknow.recognizer import Card, Recognizer

WORLD = "world:target?train_identities=2&test_identities=2&spectra=rgb,nir,tir"
COLUMNS = ["picture", "rollout", "spatial", "frequency", "kept", "dropped"]
BLUE, ORANGE = (0x2A, 0x5B, 0xD7), (0xA4, 0x5A, 0x00)


@pytest.fixture
def looking(editor):
    """Untrained networks before the data."""

    def made(manifest: Manifest, *moments: str, **shape) -> Looking:
        network = replace(editor.network, **shape)
        recognizer = Recognizer(network, network.build(), editor.preprocessing, Card(name="made"), "cpu")
        return Looking(dict.fromkeys(moments or ("after",), recognizer), manifest, shown=2)

    return made


def test_on_the_world_precision_and_recall_are_measured(looking):
    found = explain_selection(looking(open_dataset(WORLD), "before", "after"))
    numbers = found.numbers()
    for name in ("precision", "recall", "precision_small", "recall_high_clutter", "precision_spatial_nir"):
        assert 0 <= numbers[name] <= 100 and numbers[name] == numbers[f"start_{name}"]
        assert f"{name}_by_chance" in numbers
    assert {share.change.mean for share in found.shares if share.change and share.known} == {0.0}
    assert found.facts()["shares"]["precision"]["after"]["mean"] == numbers["precision"]
    assert found.counts["frequency"] == 2 and found.counts["spatial"] <= 2
    assert found.counts["patches"] == 8 and found.counts["spectra"] == ["rgb", "nir", "tir"]
    assert {share.name for share in found.leading} >= {"precision", "recall_spatial_tir", "recall_frequency"}


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"rule": "everything"}, 8),
        ({"head_keep": 0}, 2),
        ({"masks": "per_spectrum", "head_keep": 0}, 2),
        ({"rule": "random", "head_keep": 0}, 2),
    ],
    ids=["everything", "pixels alone", "per spectrum", "random"],
)
def test_every_rule_is_explained(looking, editor, changes, kept):
    selection = replace(editor.network.selection, **changes)
    found = explain_selection(looking(open_dataset(WORLD), selection=selection))
    assert found.counts["kept"] == kept
    assert list(found.panels(0)) == ["rgb", "nir", "tir"]
    assert not any(name.startswith("precision_spatial") for name in found.numbers())
    assert all(share.known for share in found.leading) and found.numbers()["precision"] >= 0


def test_missing_spectra_and_other_data_are_no_obstacle(looking, crops, tmp_path):
    whole = open_dataset(WORLD)
    rows = {"rgb": [whole.column("rgb")[0], None], "tir": [None, whole.column("tir")[1]]}
    found = explain_selection(looking(Manifest.from_columns(rows, root=tmp_path, name="made")))
    present = {name: there[np.argsort(found.names)].tolist() for name, there in found.present.items()}
    assert present == {"rgb": [True, False], "nir": [False, False], "tir": [False, True]}
    assert found.object_share is not None and not found.object_share["nir"].any()
    assert "precision" in found.numbers() and "precision_nir" not in found.numbers()
    own = explain_selection(looking(open_dataset(f"folder:{crops}")))
    assert own.object_share is None and own.numbers() == {} and len(own.panels(0)) == 3
    assert "outline" not in own.about


def test_one_spectrum_alone_is_measured_without_repeating_itself(looking):
    found = explain_selection(looking(open_dataset(WORLD), spectra=("tir",)))
    assert list(found.panels(0)) == ["tir"]
    assert not any("tir" in share.name for share in found.shares)


def where(panel: np.ndarray, color: tuple[int, int, int]) -> set[int]:
    """Which of the 2 x 2 patches of a panel hold pixels of a color."""
    rows, columns = np.nonzero((panel == color).all(axis=2))
    return set((rows // (PANEL // 2) * 2 + columns // (PANEL // 4)).tolist())


def patches_that_are(panel: np.ndarray, value: int) -> set[int]:
    """Which of the 2 x 2 patches of a panel have this gray away from lines and marks, in their lower left corner."""
    corners = [(PANEL // 2 * (row + 1) - 12, PANEL // 4 * column + 8) for row in range(2) for column in range(2)]
    return {patch for patch, (row, column) in enumerate(corners) if abs(int(panel[row, column, 0]) - value) <= 1}


def test_columns_say_what_was_asked_for_kept_and_dropped(selection):
    drawn = selection(known=True).panels(0)
    assert list(drawn) == ["rgb", "nir"]
    assert list(drawn["rgb"]) == [*COLUMNS, "kept before"]
    pale = round(100 + PALENESS * 155)
    for spectrum, attended in (("rgb", {0}), ("nir", {2})):
        line = drawn[spectrum]
        assert where(line["spatial"], BLUE) == attended == patches_that_are(line["spatial"], 100)
        assert where(line["frequency"], ORANGE) == {1} == patches_that_are(line["frequency"], 100)
        assert where(line["kept"], BLUE) == attended and where(line["kept"], ORANGE) == {1}
        assert patches_that_are(line["kept"], 100) == {0, 1, 2} and patches_that_are(line["kept"], pale) == {3}
        assert patches_that_are(line["dropped"], 100) == {3}
        assert patches_that_are(line["kept before"], 100) == {3}
        assert patches_that_are(line["rollout"], 100) == {0} and patches_that_are(line["rollout"], pale) == {3}
    assert not np.array_equal(drawn["rgb"]["picture"], drawn["nir"]["picture"])  # each outlined by its own mask


def test_a_spectrum_that_is_missing_is_blank_and_says_so(selection):
    panels = selection(known=True).panels(1)["nir"]
    assert panels["picture"].min() < 160
    assert {len(np.unique(panel.reshape(-1, 3), axis=0)) for title, panel in panels.items() if title != "picture"} == {
        1
    }
    assert len({panel.shape for panel in panels.values()}) == 1


def test_without_a_start_there_is_no_column_for_it(selection):
    assert list(selection(known=False, before=False).panels(0)["rgb"]) == COLUMNS
