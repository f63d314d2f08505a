"""A file of weights as a recognizer: its own network, its own normalization, its own neck."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import reknow
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
