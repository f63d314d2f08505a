"""The network of several spectra: subsets of them, cameras, sizes, and the published number of parameters."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch

from reknow.errors import DataError, RecipeError
from reknow.methods.editor.checkpoint import UNUSED_CLASSES
from reknow.methods.editor.missing import completed, drop_spectra
from reknow.methods.editor.network import EditorNetwork, EditorNetworkConfig
from reknow.methods.editor.recipes import rgbnt100
from reknow.methods.editor.selection import SelectionConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.values import from_plain, to_plain

SPECTRA = ("rgb", "nir", "tir")
SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(SPECTRA, size)]


@pytest.fixture
def network(config: EditorNetworkConfig) -> EditorNetwork:
    torch.manual_seed(0)
    return config.build().eval()


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_every_subset_has_an_embedding(network: EditorNetwork, batch: Batch, subset: tuple[str, ...]) -> None:
    """Named as absent, or not given at all, or given as noise and named as absent: it is the same."""
    present = {name: torch.full((8,), name in subset) for name in SPECTRA}
    found = network(replace(batch, present=present))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(8))
    for name, part in zip(SPECTRA, found.chunk(3, dim=1), strict=True):
        assert bool(part.any(1).all()) == (name in subset)
    given = {name: batch.images[name] for name in subset}
    torch.testing.assert_close(network(Batch.of(given, camera=batch.camera)), found)
    changed = {name: image if name in subset else image + 100 for name, image in batch.images.items()}
    torch.testing.assert_close(network(replace(batch, images=changed, present=present)), found)


def test_an_observation_does_not_see_what_others_lack(network: EditorNetwork, batch: Batch) -> None:
    present = {name: there.clone() for name, there in batch.present.items()}
    present["nir"][3], present["rgb"][6] = False, False
    found, whole = (network(replace(batch, present=there)) for there in (present, batch.present))
    rest = [0, 1, 2, 4, 5, 7]
    torch.testing.assert_close(found[rest], whole[rest])
    assert not torch.allclose(found[3], whole[3])


def test_an_observation_without_any_spectrum_is_refused(network: EditorNetwork, batch: Batch) -> None:
    nothing = {name: torch.arange(8) > 0 for name in SPECTRA}
    with pytest.raises(DataError, match="1 observations of a batch have none of them"):
        network(replace(batch, present=nothing))
    with pytest.raises(DataError, match="only tir"):
        colors = replace(network.config, spectra=("rgb", "nir")).build()
        colors(Batch.of({"tir": batch.images["rgb"]}))


def test_cameras_count_and_an_unknown_one_is_the_mean(network: EditorNetwork, batch: Batch) -> None:
    nobody = torch.full((8,), -1)
    with_cameras, without = network(batch), network(replace(batch, camera=nobody))
    assert not torch.allclose(with_cameras[0], without[0])
    torch.testing.assert_close(with_cameras[6:], without[6:])  # -1, and 9, which was not trained with
    torch.testing.assert_close(without, network(Batch.of(batch.images)))


def test_other_selections_and_the_baseline_run(config: EditorNetworkConfig, batch: Batch) -> None:
    for selection in (
        SelectionConfig(rule="everything"),
        SelectionConfig(rule="random", head_keep=1, frequency_keep=1),
        SelectionConfig(head_keep=0, frequency_keep=2),
        SelectionConfig(head_keep=1, frequency_keep=0, masks="per_spectrum"),
    ):
        network = replace(config, selection=selection).build().eval()
        assert torch.equal(network(batch), network(batch))
    baseline = replace(config, aggregate=False).build().eval()
    seen = baseline.outputs(batch)
    assert torch.equal(seen.descriptor, torch.cat([seen.cls[name] for name in SPECTRA], dim=1))


def test_the_released_size_to_the_last_parameter() -> None:
    """118,547,944 for 50 identities, 8 cameras, BL; the released trunk has a classifier more, which nothing reads."""
    recipe = rgbnt100()
    with torch.device("meta"):
        network = recipe.network.build()
        heads = sum((dim + dim + 50 * dim) for dim in (network.dim, network.trunk.dim))
    count = sum(parameter.numel() for parameter in network.parameters()) + heads
    assert count + (768 + 1) * UNUSED_CLASSES == 118_547_944
    assert network.dim == 2304


@pytest.mark.parametrize("size", [(256, 128), (128, 256)])
def test_people_and_vehicles_have_128_patches(size: tuple[int, int]) -> None:
    config = TransformerConfig(image_size=size, width=8, depth=1, heads=2)
    rows, columns = EditorNetworkConfig(trunk=config).build().trunk.grid
    assert rows * columns == 128


def test_more_than_there_are_cannot_be_kept(config: EditorNetworkConfig) -> None:
    with pytest.raises(RecipeError, match="at most 8"):
        replace(config, selection=SelectionConfig(head_keep=9)).build()
    with pytest.raises(RecipeError, match="each of them once"):
        replace(config, spectra=("rgb", "rgb"))


def test_another_trunk_must_have_attention(config: EditorNetworkConfig) -> None:
    larger = replace(config.trunk, depth=3)
    assert config.around(larger, "cls") == replace(config, trunk=larger)
    with pytest.raises(RecipeError, match="a transformer"):
        config.around(OSNetConfig(), "projected")


def test_the_shape_survives_its_file(config: EditorNetworkConfig) -> None:
    assert from_plain(to_plain(config), "a file") == config


def test_dropping_leaves_every_observation_something() -> None:
    torch.manual_seed(0)
    present = {name: torch.ones(500, dtype=torch.bool) for name in SPECTRA}
    present["tir"][::2] = False
    left = drop_spectra(present, probability=0.5)
    count = torch.stack(list(left.values())).sum(0)
    assert count.min() == 1 and count.max() == 3
    assert not (left["tir"] & ~present["tir"]).any()
    assert all(torch.equal(left[name], present[name]) for name in SPECTRA) is False
    assert all(torch.equal(drop_spectra(present, 0.0)[name], present[name]) for name in SPECTRA)


def test_completion_keeps_the_networks_order(batch: Batch) -> None:
    whole = completed(Batch.of({"tir": batch.images["tir"]}), ("nir", "tir"))
    assert list(whole.images) == list(whole.present) == ["nir", "tir"]
    assert not whole.present["nir"].any() and whole.present["tir"].all()
    assert not whole.images["nir"].any()


def test_vectors_have_length_one_in_bf16_too(config: EditorNetworkConfig, batch: Batch) -> None:
    torch.manual_seed(0)  # with random weights, attention is too even for a choice that survives rounding
    network = replace(config, selection=SelectionConfig(rule="everything")).build().eval()
    assert network.aggregation is not None
    for reduce in network.aggregation.reduce.values():
        torch.nn.init.constant_(reduce.bias, 3.0)  # descriptors share most of their length, as trained ones do
    with torch.inference_mode():
        exact = network(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(batch)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.norm(dim=1), torch.ones(8), atol=1e-6, rtol=0)
    torch.testing.assert_close(rounded, exact, atol=0.01, rtol=0)
