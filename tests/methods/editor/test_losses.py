"""The two losses of EDITOR's own, beside their golden cases: missing spectra, and identities in any number."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from reknow.methods.editor.losses import Centers, background_consistency

SPECTRA = ("rgb", "nir", "tir")


def random_tokens(seed: int = 0) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {name: torch.randn(4, 5, 3, generator=random) for name in SPECTRA}


def test_pairs_are_compared_where_both_are_there() -> None:
    tokens, nothing = random_tokens(), dict.fromkeys(SPECTRA, torch.zeros(4, 5, dtype=torch.bool))
    present = {name: torch.ones(4, dtype=torch.bool) for name in SPECTRA}
    present["tir"][1:] = False
    expected = (tokens["rgb"] - tokens["nir"]).square().mean()
    for name in ("rgb", "nir"):
        expected += (tokens[name][0] - tokens["tir"][0]).square().mean()
    torch.testing.assert_close(background_consistency(tokens, nothing, present), expected)


def test_no_background_and_no_pair_cost_nothing() -> None:
    tokens, here = random_tokens(), torch.ones(4, dtype=torch.bool)
    everything = dict.fromkeys(SPECTRA, torch.ones(4, 5, dtype=torch.bool))
    assert background_consistency(tokens, everything, dict.fromkeys(SPECTRA, here)) == 0
    alone = {"rgb": tokens["rgb"].requires_grad_()}
    loss = background_consistency(alone, {"rgb": ~everything["rgb"]}, {"rgb": here})
    loss.backward()
    assert loss == 0
    none_has_two = {"rgb": here, "nir": ~here, "tir": ~here}
    assert background_consistency(random_tokens(), dict.fromkeys(SPECTRA, ~everything["rgb"]), none_has_two) == 0


def test_a_center_begins_at_the_stated_share_of_the_batch_mean() -> None:
    centers = Centers(identities=5, width=3, spectra=("rgb",))
    vectors = normalize(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    labels = torch.tensor([4, 1, 4, 1, 1, 4])
    here = {"rgb": torch.ones(6, dtype=torch.bool)}
    centers.update({"rgb": vectors}, here, labels)
    torch.testing.assert_close(centers.table("rgb")[4], 0.8 * vectors[[0, 2, 5]].mean(0))
    assert not centers.table("rgb")[[0, 2, 3]].any()
    centers.update({"rgb": vectors}, here, labels)
    torch.testing.assert_close(centers.table("rgb")[4], 0.96 * vectors[[0, 2, 5]].mean(0))


def test_an_observation_without_a_spectrum_neither_moves_nor_pays() -> None:
    centers = Centers(identities=2, width=3, spectra=("rgb",))
    labels, here = torch.tensor([0, 1]), {"rgb": torch.tensor([True, False])}
    vectors = {"rgb": torch.eye(3)[:2]}
    centers.update(vectors, here, labels)
    assert not centers.table("rgb")[1].any()
    torch.testing.assert_close(centers(vectors, here, labels), torch.tensor(0.04 / 3))
    nobody = {"rgb": torch.tensor([False, False])}
    before = centers.table("rgb").clone()
    centers.update(vectors, nobody, labels)
    assert torch.equal(centers.table("rgb"), before)
    assert centers(vectors, nobody, labels) == 0
