"""Stems: the grid they promise is the one they make, and what IBN takes out of a picture."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.models.stems import ConvolutionStem, InstanceBatchNorm, PatchStem


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(8, 40), st.integers(8, 40))
def test_patch_stem_makes_the_grid_that_it_promises(patch: int, stride: int, height: int, width: int) -> None:
    stem = PatchStem(2, patch, stride)
    rows, columns = stem.grid((height, width))
    assert stem(torch.zeros(1, 3, height, width)).shape == (1, rows * columns, 2)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([3, 5, 7]), st.sampled_from([1, 2])), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(1, 4),
)
def test_convolution_stem_makes_the_grid_that_it_promises(
    layers: list[tuple[int, int]], rows: int, columns: int
) -> None:
    stride = 8
    stem = ConvolutionStem(2, stride, tuple((4, kernel, step) for kernel, step in layers)).eval()
    assert stem.grid((rows * stride, columns * stride)) == (rows, columns)
    assert stem(torch.zeros(1, 3, rows * stride, columns * stride)).shape == (1, rows * columns, 2)


def test_patches_go_row_by_row() -> None:
    stem = PatchStem(1, 4, 4)
    torch.nn.init.ones_(stem.proj.weight)
    torch.nn.init.zeros_(stem.proj.bias)
    image = torch.zeros(1, 3, 8, 12)
    image[:, :, 4:, :4] = 1  # second row, first column of a 2 x 3 grid
    assert stem(image)[0, :, 0].nonzero().item() == 3


def test_instance_half_forgets_contrast_and_batch_half_keeps_it() -> None:
    norm = InstanceBatchNorm(5).train()
    maps = torch.randn(4, 5, 6, 6)
    norm(maps)
    norm.eval()
    before, after = norm(maps), norm(3 * maps + 1)
    torch.testing.assert_close(before[:, :2], after[:, :2], rtol=1e-3, atol=1e-3)
    # The mean, not the smallest of 432 differences, which is now and then below 0.001.
    assert (before[:, 2:] - after[:, 2:]).abs().mean() > 0.5


def test_ibn_everywhere_but_last() -> None:
    stem = ConvolutionStem(8, 16, ((64, 7, 2), (64, 3, 1), (64, 3, 1)))
    kinds = [type(layer).__name__ for layer in stem.conv]
    assert kinds == ["Conv2d", "InstanceBatchNorm", "ReLU"] * 2 + ["Conv2d", "BatchNorm2d", "ReLU"]
    assert stem.proj.kernel_size == (8, 8)
