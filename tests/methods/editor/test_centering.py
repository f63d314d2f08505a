"""Means are those of their own kind, follow what they see, and never fill in what is absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from reknow.data.batch import Batch
from reknow.methods.editor.centering import Means
from reknow.methods.editor.method import Editor
from reknow.methods.editor.network import EditorNetworkConfig

HERE, GONE = torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)


def test_each_subset_has_its_own_mean() -> None:
    means = Means(4, ("rgb", "tir"))
    both, one = torch.randn(4, 4), torch.randn(4, 4) * torch.tensor([1.0, 1, 0, 0])
    means.update(both, {"rgb": HERE, "tir": HERE})
    means.update(one, {"rgb": HERE, "tir": GONE})
    torch.testing.assert_close(means(both, {"rgb": HERE, "tir": HERE}), both - both.mean(0))
    torch.testing.assert_close(means(one, {"rgb": HERE, "tir": GONE}), one - one.mean(0))


def test_few_observations_count_alike_and_many_are_forgotten() -> None:
    torch.manual_seed(0)
    means, rows = Means(2, ("rgb",)), torch.randn(3000, 2)
    rows[2000:] += 5
    for start in range(0, 40, 4):
        means.update(rows[start : start + 4], {"rgb": HERE})
    torch.testing.assert_close(means.mean[1], rows[:40].mean(0))
    for start in range(40, 3000, 4):
        means.update(rows[start : start + 4], {"rgb": HERE})
    assert (means.mean[1] - rows[2000:].mean(0)).abs().max() < 0.3


def test_a_subset_that_was_never_met_is_centered_by_the_whole() -> None:
    means, whole = Means(4, ("rgb", "tir")), torch.randn(4, 4)
    means.update(whole, {"rgb": HERE, "tir": HERE})
    one = torch.randn(4, 4) * torch.tensor([0.0, 0, 1, 1])
    expected = (one - whole.mean(0)) * torch.tensor([0.0, 0, 1, 1])
    torch.testing.assert_close(means(one, {"rgb": GONE, "tir": HERE}), expected)


def test_before_any_step_nothing_is_taken_off(config: EditorNetworkConfig, batch: Batch) -> None:
    torch.manual_seed(0)
    plain = config.build().eval()
    centered = replace(config, center=True).build().eval()
    missing = centered.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert {name.partition(".")[0] for name in missing} == {"means"}
    with torch.inference_mode():
        expected = plain(batch.images, batch.present, batch.camera)
        torch.testing.assert_close(centered(batch.images, batch.present, batch.camera), expected)


def test_training_fills_the_means_and_vectors_are_then_compared_without_them(
    config: EditorNetworkConfig, batch: Batch, build: Callable[..., Editor]
) -> None:
    torch.manual_seed(0)
    method = Editor(replace(config, center=True).build(), build().labels, build().config).train()
    method.losses(batch)
    assert method.network.means is not None
    assert method.network.means.count.tolist() == [0, 4, 0, 0, 0, 0, 0, 8]
    assert method.network.training
    method.eval()
    with torch.inference_mode():
        seen = method.network.look(batch.images, batch.present, batch.camera)
        method.losses(batch)
        vectors = method.network(batch.images, batch.present, batch.camera)
    expected = seen.descriptor - method.network.means.mean[7]
    torch.testing.assert_close(vectors, expected / expected.norm(dim=1, keepdim=True))
    assert method.network.means.count[7] == 8


def test_the_subsets_of_what_a_batch_has_take_turns() -> None:
    means = Means(6, ("rgb", "nir", "tir"))
    present = {"rgb": HERE, "nir": HERE & torch.tensor([True, True, False, True]), "tir": GONE}
    glances = [means.next_glance(present) for _ in range(4)]
    assert [rows.tolist() for rows, _ in glances] == [[0, 1, 2, 3], [0, 1, 3]] * 2
    assert [bool(left["rgb"].all()) for _, left in glances] == [True, False] * 2
    assert all(not left["tir"].any() for _, left in glances)
    alone, _ = means.next_glance({"rgb": HERE, "nir": GONE, "tir": GONE})
    assert len(alone) == 0


def test_a_glance_teaches_the_mean_of_a_subset_and_nothing_else(
    config: EditorNetworkConfig, batch: Batch, build: Callable[..., Editor]
) -> None:
    without = build().train()
    with_means = Editor(replace(config, center=True).build(), without.labels, without.config).train()
    with_means.load_state_dict(without.state_dict(), strict=False)
    torch.testing.assert_close(with_means.losses(batch), without.losses(batch))
    for _ in range(6):
        with_means.losses(batch)
    means, network = with_means.network.means, with_means.network.eval()
    assert means is not None
    assert means.count.tolist() == [0, 8, 4, 4, 4, 4, 4, 56]
    rows = torch.arange(0, 8, 2)
    present = {name: there[rows] & (name == "nir") for name, there in batch.present.items()}
    with torch.inference_mode():
        images = {name: image[rows] for name, image in batch.images.items()}
        expected = network.look(images, present, batch.camera[rows]).descriptor.mean(0)
    torch.testing.assert_close(means.mean[2], expected)
