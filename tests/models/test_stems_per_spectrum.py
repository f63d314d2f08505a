"""A stem for each spectrum on one trunk: which pictures go through which, and that the rest is shared."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from reknow.errors import RecipeError
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.values import from_plain, to_plain

VIT = TransformerConfig(image_size=(32, 16), width=16, depth=1, heads=2, patch_size=8, stride=8)
STEM = {"stem": "convolution", "convolutions": ((4, 3, 2), (6, 3, 2))}
CONFIGS = {"vit": VIT, "convolutions": replace(VIT, **STEM), "resnet": ResNetConfig(), "osnet": OSNetConfig()}
PLACES = {"vit": ["patch_embed"], "convolutions": ["patch_embed"], "resnet": ["conv1", "bn1"], "osnet": ["conv1"]}
IMAGES = torch.randn(5, 3, 32, 16, generator=torch.Generator().manual_seed(0))


def built(name: str, seed: int = 0) -> nn.Module:
    """A trunk whose two stems differ."""
    torch.manual_seed(seed)
    trunk = replace(CONFIGS[name], stems=("rgb", "tir")).build().eval()
    with torch.no_grad():
        for place in PLACES[name]:
            for parameter in trunk.get_submodule(f"{place}.tir").parameters():
                parameter.add_(torch.rand_like(parameter))
    return trunk


@pytest.mark.parametrize("name", CONFIGS)
def test_each_picture_goes_through_its_own_stem(name: str) -> None:
    trunk = built(name)
    with torch.inference_mode():
        rgb, tir = (trunk(IMAGES, None, spectrum).cls for spectrum in ("rgb", "tir"))
        mixed = trunk(IMAGES, None, ["rgb", "tir", "tir", "rgb", "tir"]).cls
    assert not torch.allclose(rgb, tir, rtol=1e-3)
    wanted = torch.stack([rgb[0], tir[1], tir[2], rgb[3], tir[4]])
    torch.testing.assert_close(mixed, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_stems_begin_alike_and_all_else_is_shared(name: str) -> None:
    torch.manual_seed(0)
    plain = CONFIGS[name].build().state_dict()
    torch.manual_seed(0)
    trunk = replace(CONFIGS[name], stems=("rgb", "tir")).build()
    state = trunk.state_dict()
    own = [key for key in plain if key.partition(".")[0] in PLACES[name]]
    assert len(state) == len(plain) + len(own)
    for key, tensor in plain.items():
        place, _, rest = key.partition(".")
        for copy in [f"{place}.rgb.{rest}", f"{place}.tir.{rest}"] if key in own else [key]:
            assert torch.equal(state[copy], tensor), copy
    rgb, tir = (trunk.get_submodule(f"{PLACES[name][0]}.{spectrum}") for spectrum in ("rgb", "tir"))
    assert next(rgb.parameters()) is not next(tir.parameters())


def test_norms_of_the_shared_part_see_both_spectra_and_those_of_a_stem_its_own() -> None:
    trunk = replace(ResNetConfig(), stems=("rgb", "tir")).build().train()
    trunk(IMAGES, None, ["rgb", "tir", "tir", "rgb", "rgb"])
    assert trunk.bn1["rgb"].num_batches_tracked == trunk.bn1["tir"].num_batches_tracked == 1
    assert trunk.layer1[0].bn1.num_batches_tracked == 1
    assert not torch.equal(trunk.bn1["rgb"].running_mean, trunk.bn1["tir"].running_mean)


@pytest.mark.parametrize(("spectrum", "found"), [(None, "no stated spectrum"), ("nir", "pictures of 'nir'")])
def test_pictures_without_a_stem_are_refused(spectrum, found: str) -> None:
    with pytest.raises(RecipeError, match=rf"{found}.*each of rgb, tir"):
        built("vit")(IMAGES, None, spectrum)


def test_one_stem_for_all_asks_for_no_spectrum() -> None:
    trunk = VIT.build().eval()
    assert torch.equal(trunk(IMAGES).cls, trunk(IMAGES, None, ["nir", "rgb", "rgb", "tir", "tir"]).cls)


def test_an_embedder_takes_the_stem_of_its_spectrum() -> None:
    config = EmbedderConfig(trunk=replace(VIT, stems=("rgb", "tir")), spectrum="tir")
    assert from_plain(to_plain(config), "recipe.yaml") == config
    network = config.build().eval()
    network.trunk = built("vit")
    images = {"rgb": torch.zeros_like(IMAGES), "tir": IMAGES}
    torch.testing.assert_close(network.tokens(Batch.of(images)).cls, network.trunk(IMAGES, None, "tir").cls)
    with pytest.raises(RecipeError, match=r"'nir' on a trunk with stems for rgb, tir"):
        replace(config, spectrum="nir")


def test_a_resized_trunk_keeps_its_stems() -> None:
    trunk = built("vit").resized((64, 32))
    assert trunk.grid == (8, 4)
    assert trunk(torch.zeros(1, 3, 64, 32), None, "tir").patches.shape == (1, 32, 16)
    trunk.config.build().load_state_dict(trunk.state_dict())


def test_a_spectrum_twice_is_refused() -> None:
    with pytest.raises(RecipeError, match="'rgb' twice"):
        replace(VIT, stems=("rgb", "rgb"))
