"""TCMM as a whole: its terms, its base, its epochs with and without outliers, its size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from reknow.clustering.dbscan import PseudoLabels
from reknow.errors import RecipeError
from reknow.losses.bottleneck import Bottleneck
from reknow.methods.cluster_contrast.method import ClusterContrastConfig, Clustering
from reknow.methods.tcmm.method import TCMMConfig
from reknow.methods.tcmm.recipes import PASS_NETWORK, market1501, msmt17
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

TRUNK = TransformerConfig(image_size=(32, 16), width=16, depth=1, heads=2, patch_size=8, stride=8, extra_tokens=3)
NETWORK = EmbedderConfig(trunk=TRUNK, feature="cls+extra")
CLUSTERING = Clustering(eps=0.6, min_samples=2, k1=6, k2=2)
CONFIG = TCMMConfig(clustering=CLUSTERING, alpha=0.25)
CLUSTERED = [row // 4 for row in range(16)]


def embedded(labels, seed=0):
    """Unit rows that lie close together where labels agree; each outlier (-1) lies alone."""
    random = torch.Generator().manual_seed(seed)
    centers = torch.randn(40, 32, generator=random)
    place = [label if label >= 0 else 20 + row for row, label in enumerate(labels)]
    return normalize(centers[place] + 0.05 * torch.randn(len(labels), 32, generator=random), dim=1)


@pytest.fixture
def method(known_set):
    """Makes a method from its config."""

    def made(config=CONFIG, rows=16):
        torch.manual_seed(0)
        return config.build(NETWORK.build(), known_set(rows))

    return made


def batch_of(rows, labels):
    pictures = torch.randn(len(rows), 3, 32, 16, generator=torch.Generator().manual_seed(1))
    there = torch.ones(len(rows), dtype=torch.bool)
    index = torch.tensor(rows)
    return Batch({"rgb": pictures}, {"rgb": there}, index, torch.tensor(labels)[index], torch.full_like(index, -1))


@pytest.fixture
def step(known_set, moment):
    """Carries a method through one step in which these labels are found."""

    def made(tcmm, labels, rows=(0, 1, 4, 5)):
        # What clustering finds is not in question here, so it finds these labels.
        found = np.asarray(labels)
        tcmm.clustering = lambda *_: PseudoLabels(found, int(found.max()) + 1, int((found < 0).sum()), eps=0.6)
        plan = tcmm.before_epoch(0, known_set(len(labels), embedded(labels)))
        found = np.full(len(labels), -1)
        found[plan.rows] = plan.labels
        batch = batch_of(list(rows), found.tolist())
        terms = tcmm.losses(batch, moment)
        torch.stack(list(terms.values())).sum().backward()
        tcmm.after_step(batch)
        return plan, terms

    return made


def test_three_losses_of_weight_one(method, step):
    _, terms = step(method(), CLUSTERED)
    assert list(terms) == ["prototype", "token", "instance"]
    doubled = step(method(replace(CONFIG, token_weight=2.0, instance_weight=3.0)), CLUSTERED)[1]
    torch.testing.assert_close(doubled["token"], 2 * terms["token"])
    torch.testing.assert_close(doubled["instance"], 3 * terms["instance"])


@pytest.mark.parametrize("config", [CONFIG, ClusterContrastConfig(clustering=CLUSTERING)])
def test_the_bottleneck_bound_is_one_term_more_with_clusters_as_classes(method, step, config):
    plain = step(method(config), CLUSTERED)[1]
    bounded = method(replace(config, bottleneck_weight=2.0, bottleneck_beta=5.0))
    terms = step(bounded, CLUSTERED)[1]
    assert list(terms) == [*plain, "bottleneck"]
    for name, term in plain.items():
        torch.testing.assert_close(terms[name], term)
    expected = Bottleneck(32, beta=5.0)
    expected.rebuild(embedded(CLUSTERED), torch.tensor(CLUSTERED), classes=4)
    torch.testing.assert_close(bounded.bottleneck.conditional, expected.conditional)
    embeddings = bounded.embed(batch_of([0, 1, 4, 5], CLUSTERED))
    torch.testing.assert_close(terms["bottleneck"], 2 * expected(embeddings, torch.tensor([0, 0, 1, 1])))
    with_outliers = [-1, *CLUSTERED[1:]]
    assert step(bounded, with_outliers, rows=(1, 2, 4, 5))[1]["bottleneck"].isfinite()


def test_a_part_alone_is_the_same_loss_without_prototypes(method, step):
    whole = step(method(), CLUSTERED)[1]
    for part in ("token", "instance"):
        others = {f"{name}_weight": 0.0 for name in ("prototype", "token", "instance") if name != part}
        alone = step(method(replace(CONFIG, **others)), CLUSTERED)[1]
        assert list(alone) == [part]
        torch.testing.assert_close(alone[part], whole[part])
    with pytest.raises(RecipeError, match="nothing is learned otherwise"):
        replace(CONFIG, prototype_weight=0.0, token_weight=0.0, instance_weight=0.0)
    with pytest.raises(RecipeError, match="nothing is learned otherwise"):
        replace(CONFIG, prototype_weight=0.0, token_weight=0.0, weigh_by_agreement=True)


def test_the_memory_counts_as_far_as_two_halves_agree(method, step, monkeypatch):
    plain, weighed = method(), method(replace(CONFIG, weigh_by_agreement=True))
    expected = step(plain, CLUSTERED)[1]["instance"]
    for agreement, factor in ((0.25, 0.25), (-0.1, 0.0), (None, 0.0)):
        labels = np.asarray(CLUSTERED)
        found = PseudoLabels(labels, int(labels.max()) + 1, 0, eps=0.6, agreement=agreement)
        halved = []
        weighed.clustering = lambda *given, found=found, halved=halved: halved.append(given[2]) or found
        weighed.planned(embedded(CLUSTERED), np.full(len(labels), -1))
        assert halved == [True] and weighed.agreement == factor
    assert plain.agreement == 1 and expected > 0


def test_without_its_parts_it_is_cluster_contrast_with_the_hard_update(method, step):
    bare = method(replace(CONFIG, token_weight=0.0, instance_weight=0.0))
    base = method(ClusterContrastConfig(clustering=CLUSTERING, momentum=0.2, update="hard"))
    first, second = step(bare, CLUSTERED)[1], step(base, CLUSTERED)[1]
    assert list(first) == list(second) == ["prototype"]
    assert torch.equal(first["prototype"], second["prototype"])
    assert torch.equal(bare.memory.prototypes, base.memory.prototypes)


def test_both_memories_follow_the_step_and_outliers_stay(method, step):
    tcmm, labels = method(), [*CLUSTERED[:14], -1, -1]
    plan, _ = step(tcmm, labels)
    assert plan.diagnostics["outliers"] == 2
    assert not {14, 15} & set(plan.rows.tolist())
    moved = (tcmm.instances.vectors != embedded(labels)).any(1).nonzero()[:, 0].tolist()
    assert moved == [0, 1, 4, 5]
    torch.testing.assert_close(tcmm.memory.prototypes.norm(dim=1), torch.ones(4))


def test_an_epoch_without_outliers_and_one_of_nothing_else(method, step):
    assert step(method(), CLUSTERED)[0].diagnostics["outliers"] == 0
    tcmm = method()
    plan, terms = step(tcmm, [-1] * 16)
    assert any("its own cluster" in note for note in plan.notes)
    assert tcmm.instances.labels.tolist() == list(range(16))
    assert all(torch.isfinite(term) for term in terms.values())


def test_a_step_in_parts_moves_the_memories_as_a_whole_one(method, known_set, moment):
    whole, parted = method().eval(), method().eval()
    for tcmm in (whole, parted):
        tcmm.before_epoch(0, known_set(16, embedded(CLUSTERED)))
    batch = batch_of([0, 1, 4, 5, 0, 8], CLUSTERED)
    whole.losses(batch, moment)
    parted.losses(batch[:2], moment)
    parted.losses(batch[2:], moment)
    for tcmm in (whole, parted):
        tcmm.after_step(batch)
    torch.testing.assert_close(whole.memory.prototypes, parted.memory.prototypes)
    torch.testing.assert_close(whole.instances.vectors, parted.instances.vectors)


def test_a_bounded_memory_holds_as_many_rows_as_it_may(method, step):
    tcmm = method(replace(CONFIG, capacity=5))
    _, terms = step(tcmm, CLUSTERED)
    assert tcmm.instances.memory.vectors.shape == (5, 32)
    assert torch.isfinite(terms["instance"])
    assert method(replace(CONFIG, capacity=500)).instances.memory.vectors.shape == (16, 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"alpha": 0.1}, "'alpha'"), ({"negatives": 0}, r"method\.negatives"), ({"capacity": 0}, r"method\.capacity")],
)
def test_settings_that_mean_nothing_are_refused_before_anything_runs(change, message, method):
    with pytest.raises(RecipeError, match=message):
        method(replace(CONFIG, **change))


def test_the_paper_s_network_has_the_paper_s_size():
    network = PASS_NETWORK.build()
    assert network.dim == 768
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(21.64e6, abs=0.005e6)
    assert not network.neck.bias.requires_grad
    assert not network.trunk.register_tokens.any()


def test_recipes_hold_the_released_values():
    recipe = market1501()
    assert recipe.sampling.batch_size == 512 and recipe.sampling.statistics_over == 128
    assert recipe.status == "not yet reproduced"
    assert recipe.method.clustering.eps == 0.6 and msmt17().method.clustering.eps == 0.7
    assert recipe.method.update == "hard" and recipe.method.momentum == 0.2
