"""Means are those of their own kind, of the network as it is, and never fill in what is absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from reknow.methods.editor.method import Editor
from reknow.methods.editor.missing import Means
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch

HERE, GONE = torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)


def test_each_subset_has_its_own_mean() -> None:
    means = Means(4, ("rgb", "tir"))
    both, one = torch.randn(4, 4), torch.randn(4, 4) * torch.tensor([1.0, 1, 0, 0])
    means.add(0b11, both[:1])
    means.add(0b11, both[1:])
    means.add(0b01, one)
    torch.testing.assert_close(means(both, {"rgb": HERE, "tir": HERE}), both - both.mean(0))
    torch.testing.assert_close(means(one, {"rgb": HERE, "tir": GONE}), one - one.mean(0))
    means.reset()
    torch.testing.assert_close(means(one, {"rgb": HERE, "tir": GONE}), one)


def test_a_subset_that_was_never_met_is_centered_by_what_most_have() -> None:
    means, whole = Means(4, ("rgb", "tir")), torch.randn(4, 4)
    means.add(0b11, whole)
    means.add(0b01, whole[:1])
    one = torch.randn(4, 4) * torch.tensor([0.0, 0, 1, 1])
    expected = (one - whole.mean(0)) * torch.tensor([0.0, 0, 1, 1])
    torch.testing.assert_close(means(one, {"rgb": GONE, "tir": HERE}), expected)


def test_the_subsets_are_those_that_observations_have() -> None:
    means = Means(6, ("rgb", "nir", "tir"))
    present = {"rgb": HERE, "nir": HERE & torch.tensor([True, True, False, True]), "tir": GONE}
    found = {subset: (rows.tolist(), left) for subset, rows, left in means.subsets(present)}
    assert {subset: rows for subset, (rows, _) in found.items()} == {1: [0, 1, 2, 3], 2: [0, 1, 3], 3: [0, 1, 3]}
    assert not found[2][1]["rgb"].any()
    assert found[2][1]["nir"].all()


def test_before_anything_is_measured_nothing_is_taken_off(config: EditorNetworkConfig, batch: Batch) -> None:
    torch.manual_seed(0)
    plain = config.build().eval()
    centered = replace(config, center=True).build().eval()
    missing = centered.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert {name.partition(".")[0] for name in missing} == {"means"}
    with torch.inference_mode():
        expected = plain(batch)
        torch.testing.assert_close(centered(batch), expected)


def test_settling_measures_every_subset_and_vectors_are_then_compared_without(
    config: EditorNetworkConfig, batch: Batch, build: Callable[..., Editor], known_set: Callable[..., TrainingSet]
) -> None:
    without = build().eval()
    method = Editor(replace(config, center=True).build(), without.labels, without.config).eval()
    method.load_state_dict(without.state_dict(), strict=False)
    present = {**batch.present, "tir": torch.arange(8) != 3}
    batch = replace(batch, present=present)
    training_set = known_set(8)
    training_set.batches = lambda rows: [batch[:5], batch[5:]]
    with torch.inference_mode():
        for _ in range(2):  # what was measured before is forgotten
            method.before_evaluation(training_set)
        assert method.network.means is not None
        assert method.network.means.count.tolist() == [0, 8, 8, 8, 7, 7, 7, 7]
        for kind in (("nir",), ("rgb", "tir"), ("rgb", "nir", "tir")):
            rows = torch.tensor([0, 1, 2, 4, 5, 6, 7] if "tir" in kind else range(8))
            left = {name: there[rows] & (name in kind) for name, there in present.items()}
            reduced = replace(batch[rows], present=left)
            seen = method.network.outputs(reduced)
            expected = seen.descriptor - seen.descriptor.mean(0)
            found = method.network(reduced)
            torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True), atol=2e-4, rtol=1e-3)
