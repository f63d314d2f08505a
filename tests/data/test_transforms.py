"""Transforms: against torchvision and numpy, the compiled form against the plain one, and laws of what is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from reknow.data import compiled_augmentation
from reknow.data.augmentation import apply_draws, apply_draws_plainly
from reknow.data.transforms import Augmentation, Draws, Preprocessing, draw
from reknow.errors import RecipeError
from reknow.methods.editor.recipes import rgbnt201

PLAIN = Augmentation(flip=0.0, pad=0, erase=0.0)
IDENTITY = Preprocessing(
    size=(12, 8), mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255)
)  # keeps 0..255 as they are


def pictures(count: int = 3, height: int = 12, width: int = 8, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def draws(count: int, **changed: object) -> Draws:
    nothing = Draws(
        flip=np.zeros(count, dtype=bool),
        shift=np.zeros((count, 2), dtype=np.int64),
        inverse=None,
        color=None,
        erase=np.zeros((count, 4), dtype=np.int64),
        noise=None,
    )
    return replace(nothing, **changed)  # type: ignore[arg-type]


def augment(
    images: torch.Tensor, preprocessing: Preprocessing, augmentation: Augmentation, rng: np.random.Generator
) -> torch.Tensor:
    """One batch of pictures, augmented with newly drawn numbers."""
    height, width = images.shape[1:3]
    return apply_draws(images, preprocessing, augmentation, draw(len(images), (height, width), augmentation, rng))


def both_ways(images: torch.Tensor, augmentation: Augmentation, drawn: Draws) -> torch.Tensor:
    """The compiled result in 0..255, after it was found equal to the plain one."""
    compiled = apply_draws(images, IDENTITY, augmentation, drawn)
    torch.testing.assert_close(compiled, apply_draws_plainly(images, IDENTITY, augmentation, drawn), atol=2e-2, rtol=0)
    return compiled


def as_values(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
def test_resize_equals_torchvision_on_pil_pictures(interpolation):
    picture = pictures(1, 37, 21)[0].numpy()
    preprocessing = Preprocessing(size=(16, 24), interpolation=interpolation)
    expected = functional.resize(Image.fromarray(picture), [16, 24], InterpolationMode(interpolation))
    np.testing.assert_array_equal(preprocessing.resize(picture), np.asarray(expected))


def test_resize_leaves_a_picture_of_the_right_size_alone():
    picture = pictures(1)[0].numpy()
    np.testing.assert_array_equal(Preprocessing(size=(12, 8)).resize(picture), picture)


def test_normalize_equals_torchvision_in_both_layouts():
    images = pictures()
    preprocessing = Preprocessing(size=(12, 8), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    expected = functional.normalize(
        functional.to_dtype(images.permute(0, 3, 1, 2), torch.float32, scale=True),
        list(preprocessing.mean),
        list(preprocessing.std),
    )
    for layout in (images, images.permute(0, 3, 1, 2)):
        before = layout.clone()
        normalized = preprocessing.normalize(layout)
        torch.testing.assert_close(normalized, expected, atol=1e-5, rtol=0)
        assert normalized.is_contiguous()
        assert torch.equal(layout, before)


def test_augmentation_with_everything_off_is_normalization():
    images, preprocessing = pictures(), Preprocessing(size=(12, 8))
    augmented = augment(images, preprocessing, PLAIN, np.random.default_rng(0))
    assert torch.equal(augmented, preprocessing.normalize(images))


AUGMENTATIONS = st.builds(
    Augmentation,
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    pad=st.integers(0, 12),
    erase=st.sampled_from([0.0, 0.5, 1.0]),
    erase_value=st.sampled_from([(0.485, 0.456, 0.406), "noise"]),
    rotate=st.sampled_from([0.0, 15.0, 180.0]),
    shear=st.sampled_from([0.0, 20.0]),
    scale=st.sampled_from([(1.0, 1.0), (0.5, 1.5)]),
    fill=st.sampled_from([0, 114, 255]),
    brightness=st.sampled_from([0.0, 0.4]),
    contrast=st.sampled_from([0.0, 0.4]),
    saturation=st.sampled_from([0.0, 0.4]),
    grayscale=st.sampled_from([0.0, 0.5]),
    channel_exchange=st.sampled_from([0.0, 0.5]),
)


@settings(max_examples=40, deadline=None)
@given(augmentation=AUGMENTATIONS, count=st.integers(0, 3), height=st.integers(1, 12), width=st.integers(1, 12))
def test_compiled_form_equals_the_plain_form(augmentation, count, height, width):
    images = pictures(count, height, width)
    drawn = draw(count, (height, width), augmentation, np.random.default_rng(1))
    compiled = apply_draws(images, Preprocessing(), augmentation, drawn)
    plain = apply_draws_plainly(images, Preprocessing(), augmentation, drawn)
    # The two round positions differently: some 1e-5 of a pixel, times the difference between neighbors.
    torch.testing.assert_close(compiled, plain, atol=1e-3 if drawn.inverse is not None else 1e-5, rtol=0)


@pytest.mark.parametrize("columns", range(-4, 5))
def test_a_crop_beside_a_narrow_picture_stays_within_its_row(columns):
    """As Python, which checks every index, unlike the compiled kernel."""
    picture, target = np.full((2, 3, 3), 7, np.uint8), np.full((3, 2, 3), -1, np.float32)
    kernel = compiled_augmentation._copy.py_func
    kernel(picture, target, False, np.array([0, columns]), 9)
    inside = [0 <= column + columns < 3 for column in range(3)]
    np.testing.assert_array_equal(target, np.broadcast_to(np.where(inside, 7, 9), target.shape))


def test_flip_mirrors_columns():
    images = pictures()
    flipped = both_ways(images, PLAIN, draws(3, flip=np.array([True, False, True])))
    torch.testing.assert_close(
        flipped, torch.stack([as_values(images)[0].flip(2), as_values(images)[1], as_values(images)[2].flip(2)])
    )


@pytest.mark.parametrize("fill", [0, 200])
def test_shift_is_a_crop_of_the_padded_mirror_image(fill):
    images = pictures()
    shift, flip = np.array([[-3, 2], [4, -5], [1, 1]]), np.array([False, True, True])
    cropped = both_ways(images, replace(PLAIN, fill=fill), draws(3, shift=shift, flip=flip))
    for picture, (down, right), mirrored, result in zip(images.numpy(), shift, flip, cropped, strict=True):
        picture = picture[:, ::-1] if mirrored else picture
        padded = np.pad(picture, ((10, 10), (10, 10), (0, 0)), constant_values=fill)
        expected = padded[10 + down : 22 + down, 10 + right : 18 + right]
        np.testing.assert_allclose(result.permute(1, 2, 0), expected, atol=1e-4)


def test_rotation_by_a_right_angle_turns_pixels():
    images = pictures(1, 9, 9)
    quarter = draw(1, (9, 9), replace(PLAIN, rotate=1e-9), np.random.default_rng(0))
    assert quarter.inverse is not None
    np.testing.assert_allclose(quarter.inverse, np.eye(2)[None], atol=1e-6)
    turned = both_ways(images, PLAIN, draws(1, inverse=np.array([[[0, 1], [-1, 0]]], dtype=np.float32)))
    np.testing.assert_allclose(turned[0].permute(1, 2, 0), np.rot90(images[0].numpy(), 1), atol=1e-3)


def test_affine_outside_is_fill_and_center_stays():
    images = pictures(1, 9, 9)
    augmentation = replace(PLAIN, fill=255, rotate=45.0)
    half = np.array([[[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]]], dtype=np.float32)
    turned = both_ways(images, augmentation, draws(1, inverse=half))[0]
    assert (turned[:, [0, 0, -1, -1], [0, -1, 0, -1]] > 254.9).all()
    np.testing.assert_allclose(turned[:, 4, 4], images[0, 4, 4].float(), atol=1e-2)


def test_affine_draws_keep_within_their_limits():
    augmentation = replace(PLAIN, rotate=10.0, shear=5.0, scale=(0.8, 1.25))
    inverse = draw(500, (12, 8), augmentation, np.random.default_rng(0)).inverse
    assert inverse is not None
    forward = np.linalg.inv(inverse)  # rows and columns: scale * rotation * shear along the rows
    scale = np.sqrt(np.linalg.det(forward))
    angle = np.rad2deg(np.arctan2(forward[:, 0, 1], forward[:, 1, 1]))
    assert 0.8 - 1e-3 <= scale.min() < 0.82
    assert 1.23 < scale.max() <= 1.25 + 1e-3
    assert 9 < np.abs(angle).max() <= 10 + 1e-3
    assert angle.min() < -9


def test_grayscale_leaves_no_color():
    images = pictures()
    augmented = augment(images, IDENTITY, replace(PLAIN, grayscale=1.0), np.random.default_rng(0))
    torch.testing.assert_close(augmented[:, 0], augmented[:, 1])
    torch.testing.assert_close(augmented[:, 0], augmented[:, 2])


def test_channel_exchange_shows_one_channel_in_all_three():
    images = pictures(60)
    shown = augment(images, IDENTITY, replace(PLAIN, channel_exchange=0.5), np.random.default_rng(0))
    values = as_values(images)
    which = [
        next((channel for channel in range(3) if torch.allclose(new, old[channel].expand(3, -1, -1), atol=1e-2)), -1)
        for new, old in zip(shown, values, strict=True)
    ]
    counts = [which.count(channel) for channel in (-1, 0, 1, 2)]
    assert 20 <= counts[0] <= 40
    assert min(counts[1:]) >= 4
    kept = [row for row, channel in enumerate(which) if channel == -1]
    torch.testing.assert_close(shown[kept], values[kept], atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("position", "reference"),
    [(0, functional.adjust_brightness), (1, functional.adjust_contrast), (2, functional.adjust_saturation)],
)
@pytest.mark.parametrize("factor", [0.6, 1.4])
def test_one_photometric_change_equals_torchvision(position, reference, factor):
    images = pictures()
    factors = np.ones((3, 3), dtype=np.float32)
    factors[:, position] = factor
    changed = both_ways(images, PLAIN, draws(3, color=factors))
    expected = reference(as_values(images) / 255, factor) * 255
    torch.testing.assert_close(changed, expected, atol=0.05, rtol=0)  # torchvision's gray weights have four digits


def test_photometric_factors_keep_within_their_limits():
    color = draw(500, (4, 4), replace(PLAIN, brightness=0.2, contrast=1.5), np.random.default_rng(0)).color
    assert color is not None
    assert 0.8 <= color[:, 0].min() < 0.81 < 1.19 < color[:, 0].max() <= 1.2
    assert 0 <= color[:, 1].min() < 0.05 < 2.4 < color[:, 1].max() <= 2.5
    assert (color[:, 2] == 1).all()


def test_erasing_writes_its_value_after_normalization_and_nothing_else():
    images = pictures()
    erase = np.array([[2, 1, 5, 4], [0, 0, 0, 0], [0, 0, 11, 7]])
    erased = apply_draws(images, Preprocessing(size=(12, 8)), PLAIN, draws(3, erase=erase))
    expected = Preprocessing(size=(12, 8)).normalize(images)
    value = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    expected[0, :, 2:7, 1:5] = value
    expected[2, :, 0:11, 0:7] = value
    assert torch.equal(erased, expected)
    assert torch.equal(apply_draws_plainly(images, Preprocessing(size=(12, 8)), PLAIN, draws(3, erase=erase)), expected)


def erased_sizes_one_by_one(
    count: int, height: int, width: int, log_uniform: bool = False, largest: float = 0.4, tries: int = 100
) -> np.ndarray:
    """The algorithm as the original loop: try up to 100 times, take the first rectangle that fits."""
    rng = np.random.default_rng(7)
    sizes = []
    for _ in range(count):
        for _ in range(tries):
            area, aspect = rng.uniform(0.02, largest) * height * width, rng.uniform(0.3, 1 / 0.3)
            if log_uniform:
                aspect = np.exp(rng.uniform(np.log(0.3), np.log(1 / 0.3)))
            tall, wide = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if tall < height and wide < width:
                sizes.append((tall, wide))
                break
    return np.array(sizes)


def test_erased_rectangles_are_those_of_the_original_loop():
    rectangles = draw(4000, (256, 128), Augmentation(), np.random.default_rng(0)).erase
    top, left, tall, wide = rectangles[rectangles[:, 2] > 0].T
    assert len(top) / 4000 == pytest.approx(0.5, abs=0.04)
    assert (top + tall <= 256).all() and (left + wide <= 128).all()
    assert top.min() == 0 and (top + tall).max() == 256
    area, aspect = tall * wide / (256 * 128), tall / wide
    assert area.min() > 0.018 and area.max() < 0.41 and aspect.min() > 0.28 and aspect.max() < 3.6
    expected = erased_sizes_one_by_one(2000, 256, 128)
    deciles = np.linspace(0.1, 0.9, 9)
    for drawn, original in ((tall, expected[:, 0]), (wide, expected[:, 1])):
        np.testing.assert_allclose(np.quantile(drawn, deciles), np.quantile(original, deciles), rtol=0.08)


def test_rectangles_of_transreid_are_tall_less_often():
    augmentation = rgbnt201().augmentation
    assert augmentation.erase_tries == 10
    rectangles = draw(20000, (256, 128), augmentation, np.random.default_rng(0)).erase
    _, _, tall, wide = rectangles[rectangles[:, 2] > 0].T
    assert len(tall) / 20000 == pytest.approx(0.5, abs=0.02)
    expected = erased_sizes_one_by_one(8000, 256, 128, log_uniform=True, largest=1 / 3, tries=10)
    deciles = np.linspace(0.1, 0.9, 9)
    for drawn, original in ((tall, expected[:, 0]), (wide, expected[:, 1])):
        np.testing.assert_allclose(np.quantile(drawn, deciles), np.quantile(original, deciles), rtol=0.05, atol=1)
    assert (tall > wide).mean() == pytest.approx(0.56, abs=0.02)
    _, _, tall, wide = draw(20000, (256, 128), Augmentation(erase=1.0), np.random.default_rng(0)).erase.T
    assert (tall > wide).mean() == pytest.approx(0.80, abs=0.02)


def test_with_few_tries_a_picture_stays_whole_more_often():
    hard = Augmentation(erase=1.0, erase_area=(0.9, 0.99))
    once, often = (
        draw(2000, (64, 64), replace(hard, erase_tries=tries), np.random.default_rng(0)).erase[:, 2].astype(bool).mean()
        for tries in (1, 100)
    )
    assert once < 0.5 < often


def test_a_picture_too_small_for_any_rectangle_stays_whole():
    assert not draw(20, (1, 1), Augmentation(erase=1.0), np.random.default_rng(0)).erase.any()


def test_noise_is_standard_normal_per_pixel():
    images = torch.zeros(40, 32, 16, 3, dtype=torch.uint8)
    augmentation = Augmentation(flip=0.0, pad=0, erase=1.0, erase_value="noise")
    noisy = augment(images, Preprocessing(size=(32, 16)), augmentation, np.random.default_rng(0))
    erased = noisy[noisy != -1]
    assert len(erased) > 5000
    assert abs(float(erased.mean())) < 0.05
    assert float(erased.std()) == pytest.approx(1, abs=0.05)
    assert len(erased.unique()) > 0.99 * len(erased)


def test_probabilities_and_offsets_are_the_ones_asked_for():
    drawn = draw(4000, (12, 8), Augmentation(flip=0.25, pad=2), np.random.default_rng(0))
    assert drawn.flip.mean() == pytest.approx(0.25, abs=0.03)
    assert sorted(np.unique(drawn.shift)) == [-2, -1, 0, 1, 2]
    assert np.bincount(drawn.shift[:, 0] + 2).min() > 700


def test_same_generator_same_pictures():
    images, preprocessing = pictures(16), Preprocessing(size=(12, 8))
    first, again, other = (augment(images, preprocessing, Augmentation(), np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip": 1.5},
        {"pad": -1},
        {"erase": -0.1},
        {"erase_area": (0.4, 0.02)},
        {"erase_aspect": 0.0},
        {"erase_tries": 0},
        {"erase_tries": 10**9},
        {"scale": (0.0, 1.0)},
        {"fill": 256},
        {"shear": 90.0},
    ],
)
def test_impossible_augmentations_name_the_field(wrong):
    with pytest.raises(RecipeError, match=f"augmentation.{next(iter(wrong))}"):
        Augmentation(**wrong)


@pytest.mark.parametrize("wrong", [{"size": (0, 8)}, {"std": (0.5, 0.0, 0.5)}])
def test_impossible_preprocessing_names_the_field(wrong):
    with pytest.raises(RecipeError, match=f"preprocessing.{next(iter(wrong))}"):
        Preprocessing(**wrong)
