"""Cross-spectrum embedder: each observation's one picture, through its own stem, into one space."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reknow.errors import DataError, RecipeError
from reknow.models.cross_spectrum import CrossSpectrumConfig, single_pictures
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.values import from_plain, to_plain

SPECTRA = ("rgb", "nir", "tir")
TRUNK = TransformerConfig(image_size=(32, 16), width=8, depth=1, heads=2, stems=SPECTRA)
CONFIG = CrossSpectrumConfig(trunk=TRUNK, spectra=SPECTRA)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = CONFIG.build().eval()
    with torch.no_grad():
        for number, stem in enumerate(made.trunk.patch_embed.values()):
            stem.proj.weight.mul_(number + 1)  # stems begin alike; these are told apart
    return made


def mixed() -> tuple[torch.Tensor, Batch]:
    """Pictures, and a batch in which they are rgb, tir, nir and rgb; noise where a spectrum is absent."""
    pictures = torch.randn(4, 3, 32, 16, generator=torch.Generator().manual_seed(1))
    present = {
        "rgb": torch.tensor([True, False, False, True]),
        "nir": torch.tensor([False, False, True, False]),
        "tir": torch.tensor([False, True, False, False]),
    }
    images = {name: torch.where(mask[:, None, None, None], pictures, 9.0) for name, mask in present.items()}
    return pictures, Batch.of(images, present)


def test_each_picture_is_taken_from_its_own_spectrum():
    pictures, batch = mixed()
    taken, spectrum = single_pictures(batch, SPECTRA)
    assert torch.equal(taken, pictures)
    assert spectrum == ["rgb", "tir", "nir", "rgb"]


def test_a_mixed_batch_gives_what_each_spectrum_gives_alone(network):
    pictures, batch = mixed()
    vectors = network(batch)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    for row, spectrum in enumerate(["rgb", "tir", "nir", "rgb"]):
        torch.testing.assert_close(vectors[row], network(Batch.of({spectrum: pictures[row : row + 1]}))[0])
    assert not torch.allclose(vectors[1], network(Batch.of({"rgb": pictures[1:2]}))[0])


def test_one_stem_serves_all_where_the_trunk_has_one():
    network = CrossSpectrumConfig(trunk=replace(TRUNK, stems=())).build().eval()
    pictures = torch.randn(2, 3, 32, 16)
    assert torch.equal(network(Batch.of({"rgb": pictures})), network(Batch.of({"nir": pictures})))


def test_it_is_the_embedder_of_one_spectrum_where_a_batch_has_one():
    torch.manual_seed(0)
    network = CONFIG.build().eval()
    single = EmbedderConfig(trunk=TRUNK).build().eval()
    single.load_state_dict(network.state_dict())
    batch = Batch.of({"rgb": torch.randn(3, 3, 32, 16)})
    assert torch.equal(network(batch), single(batch))


def test_observations_of_no_and_of_several_spectra_are_refused(network):
    _, batch = mixed()
    several = {**batch.present, "nir": torch.tensor([False, True, True, False])}
    with pytest.raises(DataError, match="observation 1 of a batch of 4: pictures in nir, tir"):
        network(Batch.of(batch.images, several))
    none = {name: mask & torch.tensor([True, True, False, True]) for name, mask in batch.present.items()}
    with pytest.raises(DataError, match="observation 2 of a batch of 4: no picture in rgb, nir, tir"):
        network(Batch.of(batch.images, none))
    with pytest.raises(DataError, match="no picture"):
        CrossSpectrumConfig(trunk=replace(TRUNK, stems=()), spectra=("rgb", "nir")).build().eval()(
            Batch.of({"tir": batch.images["tir"]})
        )


@pytest.mark.parametrize(
    ("spectra", "stems", "message"),
    [
        (("rgb",), (), "network.spectra: rgb"),
        (("rgb", "rgb"), (), "network.spectra: rgb, rgb"),
        (("rgb", "tir"), ("rgb", "nir"), "network.trunk.stems: rgb, nir, without tir"),
    ],
)
def test_spectra_that_do_not_fit_are_refused(spectra, stems, message):
    with pytest.raises(RecipeError, match=message):
        CrossSpectrumConfig(trunk=replace(TRUNK, stems=stems), spectra=spectra)


def test_the_config_survives_a_file_and_another_trunk():
    assert from_plain(to_plain(CONFIG), "made") == CONFIG
    other = replace(TRUNK, width=16)
    assert CONFIG.around(other, "cls+patches") == CrossSpectrumConfig(
        trunk=other, feature="cls+patches", spectra=SPECTRA
    )
