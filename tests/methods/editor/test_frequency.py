"""Wavelets and their relatives: exact inverses, energy that is kept, and what each mode of selection prefers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reknow.errors import RecipeError
from reknow.methods.editor.frequency import (
    FrequencyConfig,
    Windows,
    cosines,
    detail_energy,
    frequency_patches,
    haar,
    mean_image,
    walsh,
)
from wavelet_mean import inverse_haar, mean_by_wavelets

HERE = torch.ones(2, dtype=torch.bool)
TRANSFORMS = ["haar", "packet", "dct"]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 21), st.integers(1, 21), st.integers(0, 4))
def test_the_inverse_gives_the_images_back_and_energy_is_kept(height: int, width: int, levels: int) -> None:
    images = noise(2, height, width).double()
    low, details = haar(images, levels)
    torch.testing.assert_close(inverse_haar(low, details, (height, width)), images)
    bands = [low, *(band for level in details for band in (level.rows, level.columns, level.both))]
    torch.testing.assert_close(sum(band.square().sum() for band in bands), images.square().sum())


@pytest.mark.parametrize("rows", [walsh(8), cosines(8), cosines(6)])
def test_transforms_of_a_line_are_orthonormal_and_begin_with_the_mean(rows: Tensor) -> None:
    torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), atol=1e-6, rtol=0)
    torch.testing.assert_close(rows[0], torch.full_like(rows[0], len(rows) ** -0.5))


def test_rows_of_the_packet_change_sign_more_and_more_often() -> None:
    rows = walsh(16)
    assert (rows[:, 1:] * rows[:, :-1] < 0).sum(1).tolist() == list(range(16))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(32, 16), (48, 80), (33, 17)]))
def test_the_released_detour_over_wavelets_is_the_plain_mean(seed: int, size: tuple[int, int]) -> None:
    images = [noise(2, 3, *size, seed=seed + shift) for shift in range(3)]
    torch.testing.assert_close(mean_by_wavelets(images), mean_image(images, [HERE] * 3), atol=1e-5, rtol=0)


def test_the_mean_is_over_the_spectra_that_are_there() -> None:
    images = [noise(2, 3, 4, 4, seed=seed) for seed in range(2)]
    mean = mean_image(images, [torch.tensor([True, True]), torch.tensor([True, False])])
    torch.testing.assert_close(mean[0], (images[0][0] + images[1][0]).mean(0) / 2)
    torch.testing.assert_close(mean[1], images[0][1].mean(0))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_without_a_cutoff_the_energy_is_the_variance_whatever_the_transform(transform: str) -> None:
    images = noise(2, 3, 32, 16)
    energy = detail_energy(images, FrequencyConfig(transform=transform, cutoff=0.0), Windows(8, 8))
    patches = Windows(8, 8).cut(images)
    expected = 64 * patches.var((3, 4), correction=0).sum(2)
    torch.testing.assert_close(energy, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_fine_grain_has_high_frequencies_and_a_slow_ramp_has_not(transform: str) -> None:
    images = torch.zeros(1, 3, 16, 32)
    images[..., :16] = torch.linspace(-1, 1, 16)[:, None]
    images[..., 16::2] = 0.5  # columns in turns
    ramp, grain = detail_energy(images, FrequencyConfig(transform=transform), Windows(16, 16))[0].tolist()
    assert grain > 2 * ramp


def test_bright_and_busy_are_different_choices() -> None:
    images = torch.full((2, 3, 16, 8), -0.5)
    images[:, :, :4, :4] = 0.5  # patch 0: bright and flat
    images[:, :, 4:8:2, 4:] = -1.0  # patch 3: dark and striped
    bright = frequency_patches([images], [HERE], FrequencyConfig(), Windows(4, 4), keep=1)
    busy = frequency_patches([images], [HERE], FrequencyConfig(mode="highpass_energy"), Windows(4, 4), keep=1)
    assert bright[0].nonzero()[:, 0].tolist() == [0]
    assert busy[0].nonzero()[:, 0].tolist() == [3]


def test_patches_are_cut_row_by_row_also_where_they_overlap() -> None:
    images = torch.arange(24.0).view(1, 1, 6, 4)
    patches = Windows(edge=4, stride=2).cut(images)
    assert patches.shape == (1, 2, 1, 4, 4)
    assert torch.equal(patches[0, 1, 0], images[0, 0, 2:])


def test_what_cannot_be_halved_or_is_no_share_is_refused() -> None:
    config = FrequencyConfig(mode="highpass_energy", transform="haar")
    with pytest.raises(RecipeError, match="power of two"):
        detail_energy(torch.zeros(1, 3, 12, 12), config, Windows(6, 6))
    with pytest.raises(RecipeError, match="cutoff"):
        FrequencyConfig(cutoff=1.0)
