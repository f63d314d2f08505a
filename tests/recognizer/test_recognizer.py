"""The recognizer as users call it: pictures in any form, in any number, with or without cameras; in two precisions."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import reknow
from reknow.data import loading
from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.data.transforms import Preprocessing
from reknow.errors import DataError, RecognizerError, ReknowError
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.precision import computes_in_bf16, computing
from reknow.recognizer import Card, Recognizer
from reknow.recognizer import recognizer as recognizer_module

HEIGHT, WIDTH = 32, 16


def recognizer_with(**trunk: Any) -> Recognizer:
    torch.manual_seed(0)
    shape = TransformerConfig(
        **{"image_size": (HEIGHT, WIDTH), "width": 16, "depth": 1, "heads": 2, "patch_size": 8, "stride": 8, **trunk}
    )
    config = EmbedderConfig(trunk=shape)
    preprocessing = Preprocessing(size=(HEIGHT, WIDTH))
    return Recognizer(config, config.build(), preprocessing, Card(name="tiny"), "cpu", "32")


@pytest.fixture(scope="module")
def tiny() -> Recognizer:
    return recognizer_with()


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> int:
    """Batches of 4, so that a handful of pictures are several batches."""
    for module in (recognizer_module, loading):
        monkeypatch.setattr(module, "EVALUATION_BATCH_SIZE", 4)
    return 4


def arrays(count: int, height: int = 40, width: int = 20) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def as_tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1) / 255


# --- Forms ------------------------------------------------------------------------------------------------------------


def test_one_picture_in_every_form_is_one_row(tiny: Recognizer, tmp_path: Path) -> None:
    picture = arrays(1)[0]
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    forms = [path, str(path), Image.open(path), Image.fromarray(picture), picture, as_tensor(picture)]
    for form in forms:
        assert np.array_equal(tiny.embed(form), tiny.embed([picture])), type(form)
    mixed = tiny.embed(forms)
    assert mixed.shape == (len(forms), tiny.dim)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(mixed, np.repeat(mixed[:1], len(forms), axis=0), atol=1e-6)


def test_batches_are_pictures_side_by_side(tiny: Recognizer) -> None:
    pictures = arrays(5)
    expected = tiny.embed(pictures)
    assert np.array_equal(tiny.embed(np.stack(pictures)), expected)
    assert np.array_equal(tiny.embed(torch.stack([as_tensor(picture) for picture in pictures])), expected)
    assert np.array_equal(tiny.embed(tuple(pictures)), expected)
    assert np.array_equal(tiny.embed(picture for picture in pictures), expected)


def test_half_precision_and_gradients_are_tensors_too(tiny: Recognizer) -> None:
    picture = as_tensor(arrays(1)[0])
    assert np.array_equal(tiny.embed(picture.double().requires_grad_()), tiny.embed(picture))
    assert tiny.embed(picture.bfloat16()).shape == (1, tiny.dim)


@pytest.mark.parametrize("nothing", [[], (), iter([]), np.zeros((0, 8, 8, 3), np.uint8), torch.zeros(0, 3, 8, 8)])
def test_no_picture_is_no_row(tiny: Recognizer, nothing: Any) -> None:
    assert tiny.embed(nothing).shape == (0, tiny.dim)
    assert tiny.embed([], camera=[]).shape == (0, tiny.dim)


def test_a_manifest(tiny: Recognizer, crops: Path) -> None:
    manifest = open_dataset(f"folder:{crops}")
    by_path = tiny.embed([crops / name for name in manifest.column("rgb")])
    assert np.array_equal(tiny.embed(manifest), by_path)
    assert np.array_equal(tiny.embed_manifest(manifest).vectors, by_path)
    assert tiny.embed_manifest(manifest).measures is None
    measured = tiny.embed_manifest(manifest, measures=True).measures
    assert measured is not None and (measured.size == [16, 32]).all()
    assert tiny.embed(manifest.select([])).shape == (0, tiny.dim)


def test_a_file_and_the_same_file_opened_give_the_same_pixels(tiny: Recognizer, tmp_path: Path) -> None:
    """Transparency, 16-bit gray and the camera's orientation follow the rules of files, whoever opened them."""
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (40, 20, 4), dtype=np.uint8)).save(tmp_path / "transparent.png")
    Image.fromarray(rng.integers(0, 65_536, (40, 20), dtype=np.uint16)).save(tmp_path / "gray.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(arrays(1)[0]).save(tmp_path / "turned.jpg", exif=turned)
    paths = sorted(tmp_path.iterdir())
    assert np.array_equal(tiny.embed([Image.open(path) for path in paths]), tiny.embed(paths))
    assert np.array_equal(tiny.embed(Image.open(path) for path in paths), tiny.embed(paths))


# --- Many pictures ----------------------------------------------------------------------------------------------------


def test_rows_keep_their_order_over_batches(tiny: Recognizer, few_at_once: int) -> None:
    # Later pictures are smaller, so that threads finish them first.
    pictures = [arrays(1, 200 - 10 * number, 100)[0] for number in range(11)]
    one_by_one = np.concatenate([tiny.embed(picture) for picture in pictures])
    np.testing.assert_allclose(tiny.embed(pictures), one_by_one, atol=1e-6)


def test_a_generator_is_not_emptied_before_the_network_begins(
    tiny: Recognizer, few_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, ahead = 0, []

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        for picture in arrays(40):
            taken += 1
            yield picture

    embedded = 0
    original = Recognizer.embed_pictures

    def watched(self: Recognizer, pictures: Any, *rest: Any, **named: Any) -> np.ndarray:
        nonlocal embedded
        ahead.append(taken - embedded)
        embedded += len(pictures)
        return original(self, pictures, *rest, **named)

    monkeypatch.setattr(Recognizer, "embed_pictures", watched)
    assert tiny.embed(endless()).shape == (40, tiny.dim)
    assert len(ahead) == 10
    assert max(ahead) <= 2 * few_at_once  # one batch for the network, the next in the threads' hands
    assert ahead[0] > few_at_once


def test_reading_goes_on_while_the_network_computes(
    tiny: Recognizer, few_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, second = [], threading.Event()
    original = Preprocessing.resize

    def resize(self: Preprocessing, picture: np.ndarray) -> np.ndarray:
        read.append(threading.current_thread())
        if len(read) == 2 * few_at_once:
            second.set()
        return original(self, picture)

    def network(*_: object) -> torch.Tensor:
        assert second.wait(10), "the second batch is not read while the network has the first"
        return torch.ones(few_at_once, tiny.dim)

    monkeypatch.setattr(Preprocessing, "resize", resize)
    monkeypatch.setattr(tiny.network, "forward", network)
    tiny.embed(arrays(8))
    assert threading.main_thread() not in read


def test_what_a_generator_uses_again_was_copied(tiny: Recognizer, few_at_once: int, tmp_path: Path) -> None:
    pictures = arrays(6)

    def one_buffer() -> Iterator[np.ndarray]:
        buffer = np.empty_like(pictures[0])
        for picture in pictures:
            buffer[:] = picture
            yield buffer

    def one_tensor() -> Iterator[torch.Tensor]:
        for picture, tensor in zip(pictures, [torch.empty(3, 40, 20)] * 6, strict=True):
            yield tensor.copy_(as_tensor(picture))

    assert np.array_equal(tiny.embed(one_buffer()), tiny.embed(pictures))
    assert np.array_equal(tiny.embed(one_tensor()), tiny.embed(pictures))
    first, *others = [Image.fromarray(picture) for picture in pictures]
    first.save(tmp_path / "frames.tiff", save_all=True, append_images=others)
    with Image.open(tmp_path / "frames.tiff") as frames:
        assert np.array_equal(tiny.embed(ImageSequence.Iterator(frames)), tiny.embed(pictures))


def test_one_opened_file_many_times(tiny: Recognizer, tmp_path: Path) -> None:
    Image.fromarray(arrays(1, 400, 200)[0]).save(tmp_path / "a.png")
    rows = tiny.embed([Image.open(tmp_path / "a.png")] * 20)
    np.testing.assert_allclose(rows, np.repeat(tiny.embed(tmp_path / "a.png"), 20, axis=0), atol=1e-6)


def test_no_thread_is_left(tiny: Recognizer) -> None:
    before = threading.active_count()
    tiny.embed(arrays(3))
    with pytest.raises(RecognizerError):
        tiny.embed([*arrays(3), np.zeros(3)])
    assert threading.active_count() == before


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.png"
    Image.fromarray(arrays(1)[0]).save(path)
    return path


@pytest.mark.parametrize("broken", ["missing.png", "folder", "empty.png", "text.png", "truncated.png"])
def test_a_broken_file_is_named(tiny: Recognizer, good: Path, broken: str) -> None:
    folder = good.parent
    (folder / "folder").mkdir()
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "truncated.png").write_bytes(good.read_bytes()[:-200])
    with pytest.raises(DataError, match=broken) as caught:
        tiny.embed([good] * 5 + [folder / broken])
    assert str(folder / broken) == caught.value.where
    assert caught.value.remedy


def test_a_broken_pillow_image_has_its_number(tiny: Recognizer, good: Path) -> None:
    (good.parent / "truncated.png").write_bytes(good.read_bytes()[:-200])
    for pictures in (list, iter):
        says = pytest.raises(DataError, match="picture 1: a damaged or truncated")
        with Image.open(good.parent / "truncated.png") as truncated, says:
            tiny.embed(pictures([good, truncated]))


# As in a program without a type checker; ours would refuse what is no picture before the recognizer sees it.
unchecked_embed = inspect.unwrap(Recognizer.embed)

NAN = torch.full((3, 8, 8), torch.nan)


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (np.zeros((8, 8, 3), np.float32), "ndarray float32 (8, 8, 3)"),
        (np.zeros((8, 8, 3), np.int64), "ndarray int64 (8, 8, 3)"),
        (np.zeros((8, 8), np.uint8), "PIL.Image.fromarray"),
        (np.zeros((8, 8, 4), np.uint8), "ndarray uint8 (8, 8, 4)"),
        (np.zeros((3, 8, 8), np.uint8), "ndarray uint8 (3, 8, 8)"),
        (np.zeros((0, 8, 3), np.uint8), "(0, 8, 3)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "Integers of 0 to 255: picture / 255"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "Tensor torch.int64 (3, 8, 8)"),
        (torch.zeros(8, 8, 3), "picture.permute(2, 0, 1)"),
        (torch.zeros(3, 0, 8), "(3, 0, 8)"),
        (torch.zeros(2, 3, 8, 8), "Tensor torch.float32 (2, 3, 8, 8)"),
        (torch.full((3, 8, 8), 200.0), "values from 200 to 200"),
        (torch.linspace(-1, 1, 192).view(3, 8, 8), "values from -1 to 1"),
        (NAN, "pixels that are NaN"),
        (torch.where(torch.eye(8) > 0, NAN, 0.5), "pixels that are NaN"),
        (torch.full((3, 8, 8), torch.inf), "inf"),
        (b"bytes of a file", "bytes"),
        (None, "NoneType"),
        (7, "int"),
    ],
)
def test_what_is_no_picture_has_its_number_and_a_remedy(tiny: Recognizer, picture: Any, says: str) -> None:
    for pictures in (list, iter):
        with pytest.raises(RecognizerError) as caught:
            unchecked_embed(tiny, pictures([*arrays(2), picture]))
        assert caught.value.where == "picture 2"
        assert says in str(caught.value)
        assert caught.value.remedy


@pytest.mark.parametrize("images", [b"bytes of a file", {"a.png": 1}, np.zeros((8, 8)), torch.zeros(4), None, 7])
def test_what_holds_no_pictures_is_refused_as_a_whole(tiny: Recognizer, images: Any) -> None:
    with pytest.raises(RecognizerError, match=f"picture 0: {type(images).__name__}"):
        unchecked_embed(tiny, images)


def test_rounding_errors_of_a_tensor_are_none(tiny: Recognizer) -> None:
    picture = as_tensor(arrays(1)[0])
    assert np.array_equal(tiny.embed(picture * 1.000001), tiny.embed(picture))


# --- Cameras ----------------------------------------------------------------------------------------------------------


def test_unknown_camera_is_the_mean_of_the_table_and_known_ones_differ() -> None:
    knows = recognizer_with(cameras=3)
    pictures = arrays(2)
    unknown = knows.embed(pictures)
    assert np.array_equal(unknown, knows.embed(pictures, camera=[-1, -1]))
    assert np.array_equal(unknown[1], knows.embed(pictures, camera=np.array([0, -1]))[1])
    assert np.abs(unknown[0] - knows.embed(pictures, camera=[0, -1])[0]).max() > 1e-4
    assert knows.network.trunk.sie_embed is not None
    with torch.no_grad():  # a table of equal rows is its own mean
        knows.network.trunk.sie_embed[:] = knows.network.trunk.sie_embed.mean(0)
    np.testing.assert_allclose(knows.embed(pictures, camera=[0, 2]), unknown, atol=1e-6)


def test_cameras_go_with_their_pictures_over_batches(few_at_once: int) -> None:
    knows = recognizer_with(cameras=3)
    pictures, cameras = arrays(1) * 9, [0, 1, 2, -1, 2, 2, 0, 1, -1]
    expected = knows.embed(pictures[:4], camera=[0, 1, 2, -1])[cameras]
    np.testing.assert_allclose(knows.embed(iter(pictures), camera=cameras), expected, atol=1e-6)


def test_a_network_without_table_ignores_cameras(tiny: Recognizer) -> None:
    assert np.array_equal(tiny.embed(arrays(2), camera=[5, -1]), tiny.embed(arrays(2)))


@pytest.mark.parametrize("pictures", [list, iter])
@pytest.mark.parametrize("number", [0, 3, 7])
def test_another_number_of_cameras_is_refused(tiny: Recognizer, few_at_once: int, pictures: Any, number: int) -> None:
    with pytest.raises(RecognizerError, match=rf"camera: {number} camera codes; expected [46]"):
        tiny.embed(pictures(arrays(6)), camera=[0] * number)


def test_another_number_of_cameras_than_rows(tiny: Recognizer, crops: Path) -> None:
    manifest: Manifest = open_dataset(f"folder:{crops}")
    with pytest.raises(RecognizerError, match="2 camera codes; expected 48"):
        tiny.embed(manifest, camera=[0, 1])


@pytest.mark.parametrize("codes", [np.array([0.5, 1.0]), np.array(["c1", "c2"]), np.zeros((2, 1), np.int64)])
def test_camera_codes_are_whole_numbers(tiny: Recognizer, codes: np.ndarray) -> None:
    with pytest.raises(RecognizerError, match="one whole number per picture"):
        tiny.embed(arrays(2), camera=codes)


# --- Precision --------------------------------------------------------------------------------------------------------


def test_precision_is_the_users_choice() -> None:
    pictures = arrays(4, 128, 64)
    in_32, in_bf16 = (reknow.load(device="cpu", precision=choice).embed(pictures) for choice in ("32", "bf16"))
    difference = np.abs(in_32 - in_bf16).max()
    assert 1e-6 < difference < 0.02
    np.testing.assert_allclose(np.linalg.norm(in_bf16, axis=1), 1, atol=1e-5)
    automatic = reknow.load(device="cpu").embed(pictures)
    assert np.array_equal(automatic, in_bf16 if computes_in_bf16(torch.device("cpu")) else in_32)


def test_automatic_precision_is_what_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for there in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda there=there: there)
        with computing(torch.device("cpu"), "auto"):
            assert torch.is_autocast_enabled("cpu") is there
    assert not computes_in_bf16(torch.device("meta"))


def test_a_precision_that_does_not_exist() -> None:
    with pytest.raises(ReknowError, match=r"precision: 'bf61'\. Did you mean 'bf16'"):
        computing(torch.device("cpu"), "bf61")


def trained_elsewhere(name: str, cameras: tuple[str, ...]) -> Recognizer:
    knows = recognizer_with(cameras=3)
    knows.card = replace(knows.card, dataset=name, cameras=cameras)
    return knows


def test_a_manifest_s_cameras_are_known_by_name_where_it_is_the_training_data(crops: Path) -> None:
    manifest: Manifest = open_dataset(f"folder:{crops}?camera=_c(\\d)_")
    names = sorted(set(manifest.column("camera")))
    knows = trained_elsewhere(manifest.name, (names[1], "elsewhere", names[0]))
    codes = knows.camera_codes(manifest)
    assert [codes[manifest.column("camera").index(name)] for name in names[:2]] == [2, 0]
    by_name = knows.embed_manifest(manifest).vectors
    np.testing.assert_array_equal(by_name, knows.embed_pictures(knows.pictures_of(manifest), codes))
    assert np.abs(by_name - knows.embed_pictures(knows.pictures_of(manifest))).max() > 1e-4


def test_a_camera_that_training_did_not_see_is_unknown(crops: Path) -> None:
    manifest: Manifest = open_dataset(f"folder:{crops}?camera=_c(\\d)_")
    knows = trained_elsewhere(manifest.name, (manifest.column("camera")[0],))
    assert set(knows.camera_codes(manifest).tolist()) == {0, -1}


def test_cameras_of_other_data_are_others_whatever_their_names(crops: Path) -> None:
    manifest: Manifest = open_dataset(f"folder:{crops}?camera=_c(\\d)_")
    knows = trained_elsewhere("another set", tuple(sorted(set(manifest.column("camera")))))
    assert set(knows.camera_codes(manifest).tolist()) == {-1}


def test_scores_are_made_in_32_bit_unless_another_precision_was_asked_for():
    assert reknow.load().for_scores().computes_in == "32"
    assert reknow.load(precision="bf16").for_scores().computes_in == "bf16"
    assert reknow.load(precision="32").for_scores().computes_in == "32"


def test_a_network_of_zeros_is_refused(tmp_path):
    recognizer = reknow.load(device="cpu")
    with torch.no_grad():
        for parameter in recognizer.network.parameters():
            parameter.zero_()
        for name, buffer in recognizer.network.named_buffers():
            if "running_mean" in name:
                buffer.zero_()
    Image.fromarray(np.zeros((128, 64, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(RecognizerError, match="makes only zeros of every picture"):
        recognizer.embed_manifest(Manifest.from_columns({"rgb": ["a.png"]}, root=tmp_path, name="made"))
