"""A file of weights as a recognizer: its own network, its own normalization, its own neck."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import reknow
from reknow.data import loading
from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest
from reknow.errors import RecognizerError, WeightsError
from reknow.models.osnet import OSNetConfig
from reknow.models.transformer import TransformerConfig

TRUNK = TransformerConfig(image_size=(32, 16), width=64, depth=1, heads=1, patch_size=8, stride=8, extra_tokens=2)


@pytest.fixture
def osnet(tmp_path):
    torch.manual_seed(0)
    trunk = OSNetConfig(width=0.25).build().eval()
    torch.save(trunk.state_dict(), tmp_path / "osnet.pth")
    return trunk


def test_osnet_embeds_as_its_own_network_does(osnet, tmp_path):
    recognizer = reknow.load(tmp_path / "osnet.pth", precision="32")
    picture = np.random.default_rng(0).integers(0, 256, (256, 128, 3), dtype=np.uint8)
    with torch.inference_mode():
        images = recognizer.preprocessing.normalize(torch.from_numpy(picture)[None])
        expected = torch.nn.functional.normalize(osnet.project(osnet(images).cls), dim=1).numpy()
    np.testing.assert_allclose(recognizer.embed(picture), expected, atol=1e-6)
    assert recognizer.preprocessing.std == (0.229, 0.224, 0.225)
    assert "OSNet" in recognizer.card.name


def test_a_transformer_keeps_its_own_picture_size(tmp_path):
    torch.save(TRUNK.build().state_dict(), tmp_path / "vit.pth")
    recognizer = reknow.load(f"{tmp_path / 'vit.pth'}?size=32x16&heads=1")
    assert recognizer.preprocessing.size == (32, 16)
    assert recognizer.dim == 128


def test_a_bare_name_is_looked_for_in_the_folder_of_weights(osnet, tmp_path, monkeypatch):
    monkeypatch.setenv("REKNOW_WEIGHTS", str(tmp_path))
    assert reknow.load("osnet.pth").dim == 512


def test_what_is_neither_is_refused(tmp_path):
    (tmp_path / "words.txt").write_text("no weights")
    with pytest.raises(WeightsError, match=r"words\.txt"):
        reknow.load(tmp_path / "words.txt")
    with pytest.raises(RecognizerError, match="nowhere"):
        reknow.load(tmp_path / "nowhere")


def saved(tmp_path, shape, prefix="base.", neck=True):
    """A file as TransReID's authors write it, and the trunk in it."""
    torch.manual_seed(0)
    trunk = shape.build().eval()
    state = {f"{prefix}{name}": tensor for name, tensor in trunk.state_dict().items()}
    if neck:
        batch_norm = torch.nn.BatchNorm1d(trunk.dim)
        batch_norm.running_mean.normal_()
        batch_norm.running_var.uniform_(0.5, 2)
        state |= {f"bottleneck.{name}": tensor for name, tensor in batch_norm.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    return trunk, str(tmp_path / "w.pth")


SMALL = TransformerConfig(image_size=(32, 16), width=64, depth=1, heads=1, patch_size=8, stride=8, cameras=2)
TOLD = "?size=32x16&heads=1"


def embedded(recognizer, trunk, camera=None, neck=None):
    """One picture by the recognizer, and by the trunk alone."""
    picture = np.random.default_rng(0).integers(0, 256, (32, 16, 3), dtype=np.uint8)
    codes = None if camera is None else torch.tensor([camera])
    with torch.inference_mode():
        feature = trunk(recognizer.preprocessing.normalize(torch.from_numpy(picture)[None]), codes).cls
        expected = torch.nn.functional.normalize(feature if neck is None else neck(feature), dim=1).numpy()
    return recognizer.embed(picture, camera=None if camera is None else [camera]), expected


def test_transreid_is_compared_before_its_neck_and_the_card_says_so(tmp_path):
    trunk, path = saved(tmp_path, SMALL)
    recognizer = reknow.load(path + TOLD, precision="32")
    np.testing.assert_allclose(*embedded(recognizer, trunk), atol=1e-6)
    said = " ".join(recognizer.card.started_from)
    assert "compared: the feature 'cls' before its batch-norm neck, of pictures of 32 x 16" in said
    assert "read as 4 x 2" in said


def test_the_other_side_of_the_neck_can_be_told(tmp_path):
    trunk, path = saved(tmp_path, SMALL)
    recognizer = reknow.load(f"{path}{TOLD}&neck=behind", precision="32")
    neck = recognizer.network.neck
    assert neck.running_mean.abs().max() > 0.1
    np.testing.assert_allclose(*embedded(recognizer, trunk, neck=neck), atol=1e-6)
    assert "behind its batch-norm neck" in " ".join(recognizer.card.started_from)


def test_a_camera_table_is_kept_with_its_mean_for_unknown_cameras(tmp_path):
    trunk, path = saved(tmp_path, SMALL)
    recognizer = reknow.load(path + TOLD, precision="32")
    assert (recognizer.cameras, recognizer.card.cameras) == (2, ())
    assert "camera table of 2 rows kept" in " ".join(recognizer.card.started_from)
    vectors = []
    for camera in (None, 0, 1):
        found, expected = embedded(recognizer, trunk, camera)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        vectors.append(found)
    assert np.abs(vectors[1] - vectors[2]).max() > 1e-3
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_named_cameras_are_found_in_every_data_set(tmp_path):
    _, path = saved(tmp_path, SMALL)
    recognizer = reknow.load(f"{path}{TOLD}&cameras=c2,c1")
    columns = {"rgb": ["a.jpg", "b.jpg", "c.jpg"], "camera": ["c1", "c2", "c9"]}
    for name in ("one", "another"):
        manifest = Manifest.from_columns(columns, root=tmp_path, name=name)
        assert recognizer.camera_codes(manifest).tolist() == [1, 0, -1]
    assert "kept" not in " ".join(recognizer.card.started_from)
    recognizer.save(tmp_path / "saved")  # and in what is saved
    assert reknow.load(tmp_path / "saved").camera_codes(manifest).tolist() == [1, 0, -1]


def test_stride_12_embeds_as_it_was_trained(tmp_path):
    shape = TransformerConfig(image_size=(256, 128), width=192, depth=1, heads=3, stride=12)
    trunk, path = saved(tmp_path, shape)
    recognizer = reknow.load(path, precision="32")
    assert (recognizer.preprocessing.size, recognizer.config.trunk) == ((256, 128), shape)
    picture = np.random.default_rng(0).integers(0, 256, (256, 128, 3), dtype=np.uint8)
    with torch.inference_mode():
        feature = trunk(recognizer.preprocessing.normalize(torch.from_numpy(picture)[None])).cls
    np.testing.assert_allclose(recognizer.embed(picture), torch.nn.functional.normalize(feature).numpy(), atol=1e-6)


def test_torchvision_s_resnet_pools_by_the_mean_at_its_own_stride(tmp_path):
    from torchvision.models import resnet50

    torch.manual_seed(0)
    whole = resnet50(weights=None).eval()
    torch.save(whole.state_dict(), tmp_path / "r50.pth")
    whole.fc = torch.nn.Identity()
    recognizer = reknow.load(f"{tmp_path / 'r50.pth'}?size=64x32", precision="32")
    picture = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        feature = whole(recognizer.preprocessing.normalize(torch.from_numpy(picture)[None]))
    np.testing.assert_allclose(recognizer.embed(picture), torch.nn.functional.normalize(feature).numpy(), atol=1e-5)


def test_pictures_that_the_network_makes_nan_of_are_named(osnet, tmp_path, monkeypatch):
    recognizer = reknow.load(tmp_path / "osnet.pth", precision="32")
    for module in (reknow.recognizer.recognizer, loading):
        monkeypatch.setattr(module, "EVALUATION_BATCH_SIZE", 2)
    whole, forward = np.zeros((5, 256, 128, 3), np.uint8), recognizer.network.forward

    def spoiled(batch):
        vectors = forward(batch)
        white = batch.images["rgb"].flatten(1).amin(1) > 0
        return torch.where(white[:, None], torch.nan, vectors)

    monkeypatch.setattr(recognizer.network, "forward", spoiled)
    assert recognizer.embed(whole).shape == (5, 512)
    whole[3] = 255
    with pytest.raises(RecognizerError, match=r"picture 3, counted from 0: the network makes NaN"):
        recognizer.embed(whole)
    with pytest.raises(RecognizerError, match="picture 3, counted from 0"):
        recognizer.embed_pictures(Pictures.from_arrays({"rgb": whole}))
