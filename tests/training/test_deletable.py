"""Parts of the loop that a run would not miss at once: each of these tests fails where its part is taken out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reknow.methods.optimization import Optimizer, ParameterGroup, Schedule
from reknow.progress import Display
from reknow.training import loop, run
from reknow.training.train import train

PLAIN = Optimizer(kind="sgd", lr=0.1, momentum=0.0, weight_decay=0.0)


@pytest.fixture
def moved(bent):
    """How far one step moves `rows`, by an optimizer, where the gradient is given."""

    def distance(optimizer: Optimizer, gradient: float) -> torch.Tensor:
        seen = []

        def noted(terms, method):
            seen.append(method.rows.detach().clone())
            return {"pull": gradient * method.rows.sum() + 0 * terms["near"]}

        def groups(method):
            network = ParameterGroup("network", [*method.network.parameters()], optimizer=replace(PLAIN, lr=1e-12))
            return [network, ParameterGroup("rows", [method.rows])]

        bent({"iterations": 2, "optimizer": optimizer, "schedule": Schedule()}, bend=noted, groups=groups)
        return seen[1] - seen[0]

    return distance


def test_gradients_are_clipped_to_the_norm_that_the_recipe_says(moved) -> None:
    free, clipped = moved(PLAIN, 3.0), moved(replace(PLAIN, clip=0.5), 3.0)
    assert free.norm() == pytest.approx(0.1 * 3.0 * free.numel() ** 0.5, rel=1e-5)
    assert clipped.norm() == pytest.approx(0.1 * 0.5, rel=1e-4)
    torch.testing.assert_close(
        moved(replace(PLAIN, clip=1e6), 3.0), free
    )  # a bound that is not reached changes nothing


def test_weights_decay_as_the_recipe_says(moved) -> None:
    without, with_decay = moved(PLAIN, 0.0), moved(replace(PLAIN, weight_decay=0.2), 0.0)
    assert not without.any()
    torch.testing.assert_close(with_decay, torch.full_like(with_decay, -0.1 * 0.2 / 16**0.5))


def test_checkpoints_are_written_as_often_as_the_recipe_says(crops, tiny, tmp_path, monkeypatch) -> None:
    saved, save = [], run.Run.save

    def keep(self, state) -> None:
        saved.append(state["position"]["epoch"])
        save(self, state)

    monkeypatch.setattr(run.Run, "save", keep)
    for every, expected in ((1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (0, [5])):
        saved.clear()
        recipe = replace(tiny, data=f"folder:{crops}", epochs=5, iterations=1, checkpoint_every=every)
        train(recipe, tmp_path / f"every{every}", display=Display(quiet=True))
        assert saved == expected


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_the_optimizers_state_is_resumed(crops, tiny, tmp_path, monkeypatch, kind) -> None:
    """What Adam and momentum know of earlier steps decides the next one; without it a resumed run takes another way."""
    recipe = replace(tiny, data=f"folder:{crops}", epochs=2, iterations=3, optimizer=Optimizer(kind=kind, lr=1e-2))

    def weights(name: str) -> dict[str, torch.Tensor]:
        return torch.load(tmp_path / name / "checkpoints" / "last.pt", weights_only=True)["method"]

    def broken(name: str) -> None:
        step = loop.Trainer._step

        def interrupted(self, *arguments):
            terms = step(self, *arguments)
            self.stopping = (self.position.epoch, self.position.step) == (1, 0)
            return terms

        with monkeypatch.context() as patch:
            patch.setattr(loop.Trainer, "_step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train(recipe, tmp_path / name, display=Display(quiet=True))

    train(recipe, tmp_path / "whole", display=Display(quiet=True))
    broken("resumed")
    train(recipe, tmp_path / "resumed", resume=True, display=Display(quiet=True))
    broken("forgetful")
    monkeypatch.setattr(loop.Optimizers, "load_state_dict", lambda self, states: None)
    train(recipe, tmp_path / "forgetful", resume=True, display=Display(quiet=True))
    name = "network.trunk.blocks.0.attn.qkv.weight"
    assert torch.equal(weights("whole")[name], weights("resumed")[name])
    assert not torch.equal(weights("whole")[name], weights("forgetful")[name])


def test_without_clusters_the_last_good_labels_are_trained_on(crops, tiny, tmp_path, monkeypatch) -> None:
    from reknow.clustering.dbscan import PseudoLabels
    from reknow.methods import clustered as module

    answers = [range(48), [-1] * 48]  # every row a cluster, then no cluster at all

    def found(embeddings, **settings):
        import numpy as np

        labels = np.array([row // 8 if row >= 0 else -1 for row in answers.pop(0)])
        return PseudoLabels(labels, int(labels.max()) + 1, int((labels < 0).sum()), eps=0.6)

    monkeypatch.setattr(module, "pseudo_labels", found)
    recipe = replace(tiny, data=f"folder:{crops}", epochs=2, iterations=2)
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    first, second = outcome.run.metrics().epochs
    assert (first.diagnostics["clusters"], second.diagnostics["clusters"]) == (6.0, 0.0)
    assert "This epoch trains on the last good clusters." in second.notes
    assert not answers
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)["method"]["last_labels"]
    assert kept.tolist() == [row // 8 for row in range(48)]
