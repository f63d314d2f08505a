"""Position tables: the published readings, what is told, what a recipe says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from reknow.errors import WeightsError
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import FileOptions
from reknow.models.weights.grids import PUBLISHED, Grid, Table, read_table

NOTHING = FileOptions()


def table(rows, patch=16, before=1, overlapping=True):
    return Table(Path("w.pth"), rows, before, patch, overlapping)


@pytest.mark.parametrize(
    ("rows", "patch", "size", "stride", "lay"),
    [
        (129, 16, (256, 128), 16, (16, 8)),
        (211, 16, (256, 128), 12, (21, 10)),
        (193, 16, (384, 128), 16, (24, 8)),
        (311, 16, (384, 128), 12, (31, 10)),
        (289, 16, (384, 192), 16, (24, 12)),
        (466, 16, (384, 192), 12, (31, 15)),
        (257, 16, (256, 256), 16, (16, 16)),
        (442, 16, (256, 256), 12, (21, 21)),
        (197, 16, (224, 224), 16, (14, 14)),
        (577, 16, (384, 384), 16, (24, 24)),
        (257, 14, (224, 224), 14, (16, 16)),
        (577, 14, (336, 336), 14, (24, 24)),
        (1370, 14, (518, 518), 14, (37, 37)),
        (50, 32, (224, 224), 32, (7, 7)),
        (785, 8, (224, 224), 8, (28, 28)),
        (513, 8, (256, 128), 8, (32, 16)),
        (129, 8, (128, 64), 8, (16, 8)),
    ],
)
def test_a_published_table_is_read_as_it_is_used_and_said(rows, patch, size, stride, lay):
    grid, note = read_table(table(rows, patch), NOTHING, NOTHING)
    assert (grid.size, grid.stride, grid.shape, grid.cls_row) == (size, stride, lay, True)
    said = f"read as {lay[0]} x {lay[1]}: pictures of {size[0]} x {size[1]}, stride {stride}; otherwise name w.pth?"
    assert said in note


def test_a_table_for_patches_alone():
    for rows, size, stride in ((128, (256, 128), 16), (210, (256, 128), 12), (196, (224, 224), 16)):
        grid, note = read_table(table(rows), NOTHING, NOTHING)
        assert (grid.size, grid.stride, grid.cls_row) == (size, stride, False)
        assert "none for CLS" in note


def test_no_published_table_has_two_readings():
    """Neither as many patches as another of its patch size, nor one more, which a table without CLS would be."""
    for choices in PUBLISHED.values():
        counts = [
            Grid(size, stride, patch).patches
            for patch, known in PUBLISHED.items()
            if known is choices
            for stride, sizes in choices
            for size in sizes
        ]
        assert len({*counts, *(count + 1 for count in counts)}) == 2 * len(counts)


def test_grids_are_those_of_the_trunk():
    for patch, choices in PUBLISHED.items():
        for stride, sizes in choices:
            for size in sizes:
                shape = TransformerConfig(image_size=size, width=8, depth=1, heads=1, patch_size=patch, stride=stride)
                assert Grid(size, stride, patch).shape == shape.build().grid


@pytest.mark.parametrize(
    ("rows", "told", "size", "stride"),
    [
        (211, FileOptions(size=(336, 160)), (336, 160), 16),
        (211, FileOptions(size=(256, 128)), (256, 128), 12),
        (211, FileOptions(size=(256, 128), stride=12), (256, 128), 12),
        (129, FileOptions(size=(128, 256)), (128, 256), 16),
        (311, FileOptions(stride=12), (384, 128), 12),
        (9, FileOptions(size=(32, 64)), (32, 64), 16),
        (11, FileOptions(size=(64, 32)), (64, 32), 12),
        (8, FileOptions(size=(32, 64)), (32, 64), 16),
    ],
)
def test_what_is_told_counts_first(rows, told, size, stride):
    grid, note = read_table(table(rows), told, FileOptions(size=(256, 128), stride=16))
    assert (grid.size, grid.stride) == (size, stride)
    assert note.endswith(f"stride {stride}; as told")


@pytest.mark.parametrize(
    ("sought", "told", "message"),
    [
        (table(211), FileOptions(stride=16), r"211 rows \(210 patches of 16 pixels\), which 'stride=16' does not give"),
        (table(211), FileOptions(size=(256, 128), stride=16), "'size=256x128&stride=16' does not give"),
        (table(211), FileOptions(size=(8, 8)), "'size=8x8' does not give"),
        (table(100), NOTHING, r"which no published network has.*Name them: w\.pth\?size=HEIGHTxWIDTH&stride=PIXELS"),
        (table(101, patch=10), NOTHING, "which no published network has"),
        (table(211, overlapping=False), FileOptions(size=(256, 128)), "does not give"),
        (table(131, before=4), NOTHING, r"131 rows \(127 patches"),
    ],
)
def test_what_nothing_explains_is_asked_for(sought, told, message):
    with pytest.raises(WeightsError, match=message):
        read_table(sought, told, NOTHING)


def test_a_small_picture_cut_alike_by_several_strides_is_asked_for_its_stride():
    with pytest.raises(WeightsError, match=r"fit 27 x 27 at stride 8 or .*Name them: w\.pth\?stride=PIXELS"):
        read_table(table(10, patch=10), FileOptions(size=(27, 27)), NOTHING)


def test_the_recipe_s_pictures_explain_what_is_not_published():
    grid, note = read_table(table(19), NOTHING, FileOptions(size=(96, 48)))
    assert (grid.size, grid.stride) == ((96, 48), 16)
    assert note.endswith("as the recipe's own")
    grid, _ = read_table(table(211), NOTHING, FileOptions(size=(336, 160), stride=16))
    assert grid.size == (256, 128)  # what is published comes first


def test_tokens_before_the_patches_are_not_counted():
    assert read_table(table(128 + 5, before=5), NOTHING, NOTHING)[0].size == (256, 128)
