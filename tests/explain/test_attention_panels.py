"""Panels show where a map is large and where the object ends, and stay apart from each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageColor

from reknow.explain.attention_maps import AttentionMaps
from reknow.explain.attention_panels import attention_panels, edged, heated, labelled
from reknow.explain.colors import BLANK, INK
from reknow.explain.patches import ObjectMasks

DARK = np.array(ImageColor.getrgb(INK))


def blueness(panel: np.ndarray) -> np.ndarray:
    return panel[..., 2].astype(int) - panel[..., 0]


def test_blue_is_strongest_where_the_map_is_largest_and_absent_where_it_is_smallest():
    picture = Image.new("RGB", (40, 80), "#808080")
    for largest in range(4):
        values = np.full(4, 0.1, dtype=np.float32)
        values[largest] = 0.7
        made = blueness(np.asarray(heated(picture, values, (2, 2))))
        middles = [made[20, 10], made[20, 30], made[60, 10], made[60, 30]]
        assert np.argmax(middles) == largest and sorted(middles)[2] < 5 < 100 < max(middles)


def test_a_map_without_any_difference_is_gray():
    made = heated(Image.new("RGB", (40, 80), "red"), np.full(4, 0.25, dtype=np.float32), (2, 2))
    assert not blueness(np.asarray(made)).any()


def test_the_line_is_the_edge_of_the_mask():
    mask = np.zeros((8, 4), dtype=bool)
    mask[2:6, 1:3] = True
    made = np.asarray(edged(Image.new("RGB", (40, 80), "#808080"), mask))
    dark = (made == DARK).all(axis=2)
    rows, columns = np.nonzero(dark)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 59, 10, 29)
    assert dark[40, 10] and dark[40, 29] and not dark[40, 11:29].any()
    assert (made[40, 9] == 255).all() and (made[40, 20] == 128).all()


def test_a_mask_that_fills_the_picture_has_no_edge_in_it():
    picture = Image.new("RGB", (40, 80), "#808080")
    assert np.array_equal(np.asarray(edged(picture, np.ones((8, 4), dtype=bool))), np.asarray(picture))


def test_letters_do_not_change_the_picture_beneath():
    picture = Image.new("RGB", (60, 80), "#808080")
    made = np.asarray(labelled(picture, "43 %"))
    assert (np.asarray(picture) == 128).all() and (made[:40] == 128).all() and (made == DARK).all(axis=2).any()


def test_an_observation_has_its_picture_and_a_panel_for_each_network(attention):
    line = attention_panels(attention(), 0)[""]
    assert list(line) == ["picture", "run", "other"]
    assert {panel.shape for panel in line.values()} == {(320, 160, 3)}
    # The first network attends to the upper right, the second to all patches alike.
    assert blueness(line["run"])[80, 120] > 100 > 0 == blueness(line["run"])[200, 40]
    assert not blueness(line["other"])[100:200, 90:150].any()
    for panel in line.values():
        assert (panel[:100, 80] == DARK).all()


def test_where_nothing_is_known_there_is_neither_line_nor_number(attention):
    for panel in attention_panels(attention(known=False), 0)[""].values():
        assert not (panel == DARK).all(axis=2).any()


def test_a_picture_without_a_map_says_so(attention):
    other = attention_panels(attention(), 1)[""]["other"]
    assert (other[:100] == ImageColor.getrgb(BLANK)).all() and (other != ImageColor.getrgb(BLANK)).any()


def test_a_spectrum_that_is_lacking_is_blank(attention):
    whole = attention()
    two = replace(
        whole,
        pictures=dict.fromkeys(("rgb", "tir"), whole.pictures["rgb"]),
        present={"rgb": whole.present["rgb"], "tir": np.array([False, True])},
        networks={"run": AttentionMaps(kind="rollout", layer="", grid=(2, 2), values={
            "rgb": whole.networks["run"].values["rgb"], "tir": np.array([[0] * 4, [0, 0, 1, 0]], dtype=np.float32)
        })},
        masks=ObjectMasks({"rgb": whole.masks.visible["rgb"], "tir": (None, whole.masks.visible["rgb"][0])},
                          whole.masks.occluded),
    )  # fmt: skip
    lines = attention_panels(two, 0)
    assert list(lines) == ["rgb", "tir"] and list(lines["tir"]) == list(lines["rgb"])
    assert (lines["tir"]["run"] == ImageColor.getrgb(BLANK)).all()
    assert blueness(attention_panels(two, 1)["tir"]["run"])[240, 40] > 100
