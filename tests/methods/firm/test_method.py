"""FIRM: phases, clusters that follow from what the network says, and sure pictures that move them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.methods.clustered import Clustering
from reknow.methods.firm.memory import FUSION, INFRARED, RGB, bootstrap
from reknow.methods.firm.method import Described, Firm, FirmConfig
from reknow.methods.firm.network import FirmNetworkConfig
from reknow.methods.method import Moment
from reknow.models.text import TextTowerConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

DIM, OF_EACH, INDIVIDUALS = 16, 5, 4
ROWS = 2 * OF_EACH * INDIVIDUALS
INDIVIDUAL = np.arange(ROWS) // (2 * OF_EACH)
TRUNK = TransformerConfig(image_size=(32, 16), width=DIM, depth=4, heads=2, patch_size=8, stride=8)
NETWORK = FirmNetworkConfig(
    trunk=TRUNK,
    spectra=("rgb", "nir"),
    text=TextTowerConfig(width=8, depth=3, heads=2),
    gated=(1, 2),
    attended=(3, 4),
    aligned=(1, 4),
)
CONFIG = FirmConfig(clustering=Clustering(eps=0.5, min_samples=2, k1=5, k2=1), apart=0.5)


def manifest() -> Manifest:
    """Every other row infrared."""
    columns = {name: [f"{row}.png" if row % 2 == place else None for row in range(ROWS)]
               for place, name in enumerate(("rgb", "nir"))}  # fmt: skip
    return Manifest.from_columns(columns, root=Path(), name="made")


def described(order=range(INDIVIDUALS)) -> dict[str, torch.Tensor]:
    """What the network would say: individuals apart, infrared ones aside, in the order of the visible or another."""
    rows = torch.zeros(ROWS, DIM)
    for row, individual in enumerate(INDIVIDUAL):
        rows[row, individual if row % 2 == 0 else list(order)[individual]] = 1.0
        rows[row, DIM - 1] = 1.0 * (row % 2)
    rows = functional.normalize(rows + 1e-3 * torch.randn(ROWS, DIM, generator=torch.Generator().manual_seed(0)), dim=1)
    texts = torch.zeros(ROWS, 3, DIM)
    texts[torch.arange(ROWS), :, torch.from_numpy(INDIVIDUAL)] = 1.0
    return {"visual": rows, "fusion": rows, "texts": texts, "infrared": torch.arange(ROWS) % 2 == 1}


@pytest.fixture
def made(known_set):
    def build(config=CONFIG, network=NETWORK) -> Firm:
        torch.manual_seed(0)
        return config.build(network.build(), known_set(manifest(), names=False))

    return build


def planned(method, known_set, *says, epochs=2):
    plans = []
    for number, values in enumerate(says):
        training_set = known_set(manifest(), values, names=False)
        training_set.epochs = epochs
        plans.append(method.before_epoch(number, training_set))
    return plans


def batch_of(plan, rows) -> Batch:
    rows = torch.as_tensor(rows)
    pictures = torch.randn(len(rows), 3, 32, 16, generator=torch.Generator().manual_seed(1))
    batch = Batch.of({"rgb": pictures, "nir": pictures}, {"rgb": rows % 2 == 0, "nir": rows % 2 == 1})
    return replace(batch, index=rows, label=torch.from_numpy(plan.labels)[rows])


def moment(epoch: int, phase: str) -> Moment:
    return Moment(epoch=epoch, epochs=2, step=0, steps=4, steps_before=4 * epoch, phase=phase)


def test_spectra_learn_by_themselves_first_and_clusters_are_matched_then(made, known_set):
    method = made()
    apart, matched = planned(method, known_set, described(), described())
    assert (apart.phase, matched.phase) == ("apart", "matched")
    assert len(np.unique(apart.labels)) == 2 * INDIVIDUALS
    assert not set(apart.labels[0::2]) & set(apart.labels[1::2])
    assert np.array_equal(matched.labels, INDIVIDUAL)
    assert matched.diagnostics["matched"] == matched.diagnostics["across"] == INDIVIDUALS
    assert method.memory.valid.all()
    # The network keeps the clusters' centers and the texts of their visible pictures.
    torch.testing.assert_close(method.network.clusters.centers, method.memory.prototypes[:, FUSION])
    torch.testing.assert_close(method.network.clusters.means, torch.eye(DIM)[:INDIVIDUALS, None].expand(-1, 3, -1))


def test_texts_decide_where_pictures_do_not(made, known_set):
    """Infrared clusters that all look alike but for noise are matched by what is said of them."""
    says = described()
    infrared = says["infrared"]
    noise = torch.randn(INDIVIDUALS, DIM, generator=torch.Generator().manual_seed(3))
    says["visual"][infrared] = functional.normalize(noise, dim=1)[INDIVIDUAL[infrared.numpy()]]
    says["fusion"] = says["visual"]
    _, plan = planned(made(), known_set, says, says)
    assert np.array_equal(plan.labels, INDIVIDUAL)


def test_clusters_of_one_pass_over_all_pictures_stay_in_their_spectrum(made, known_set):
    """The paper's form, and why it is not the default (decision 8)."""
    method = made(replace(CONFIG, joint=True, apart=0.0))
    (plan,) = planned(method, known_set, described(), epochs=1)
    assert not method.memory.valid.all(1).any()
    assert len(np.unique(plan.labels)) == 2 * INDIVIDUALS


def test_losses_by_phase(made, known_set):
    method = made(replace(CONFIG, prototype_every=1))
    _, matched = planned(method, known_set, described(), described())
    batch = batch_of(matched, [0, 1, 2, 3, 10, 11, 12, 13])
    terms = method.losses(batch, moment(1, "matched"))
    assert set(terms) == {"contrast", "alignment", "prototypes", "density"}
    sum(terms.values(), start=torch.zeros(())).backward()
    assert method.network.trunk.cls_token.grad.abs().sum() > 0
    # The scales behind which text enters have a gradient at once, what is behind them after the first step.
    assert all(part.scale.grad.abs() > 0 for part in method.network.fusion.attended)


def test_before_clusters_are_matched_a_picture_is_compared_with_its_own_spectrum_alone(made, known_set):
    method = made()
    (plan,) = planned(method, known_set, described(), epochs=2)
    batch = batch_of(plan, [0, 1, 10, 11])
    terms = method.losses(batch, moment(0, "apart"))
    assert set(terms) == {"contrast"}
    before = float(terms["contrast"].detach())
    # Another picture of the infrared clusters changes nothing for a batch of visible ones.
    visible = batch_of(plan, [0, 10])
    alone = float(method.losses(visible, moment(0, "apart"))["contrast"].detach())
    method.memory.prototypes[method.memory.valid[:, INFRARED]] = functional.normalize(torch.ones(3, DIM), dim=1)
    assert float(method.losses(visible, moment(0, "apart"))["contrast"].detach()) == alone
    assert float(method.losses(batch, moment(0, "apart"))["contrast"].detach()) != before


def test_sure_pictures_move_their_clusters_and_no_others(made, known_set):
    method = made(replace(CONFIG, gate_fusion=0.0, gate_own=0.0))
    *_, plan = planned(method, known_set, described(), described())
    batch = batch_of(plan, [0, 1])
    before = method.memory.prototypes.clone()
    method.losses(batch, moment(1, "matched"))
    method.after_step(batch)
    moved = (method.memory.prototypes != before).any(2)
    assert 1 <= moved[:, FUSION].sum() <= 2
    assert moved[:, RGB].sum() == moved[:, INFRARED].sum() == 1
    assert method.memory.counts.sum() == ROWS + 2
    torch.testing.assert_close(method.memory.prototypes.norm(dim=2), torch.ones(INDIVIDUALS, 3))
    closed = made(replace(CONFIG, gate_fusion=1.0))
    *_, plan = planned(closed, known_set, described(), described())
    before = closed.memory.prototypes.clone()
    closed.losses(batch, moment(1, "matched"))
    closed.after_step(batch)
    assert torch.equal(closed.memory.prototypes, before)


def test_clusters_are_made_once_where_the_recipe_says_so(made, known_set):
    method = made(replace(CONFIG, recluster_every=0, apart=0.0, evolve_every=0))
    other = described([1, 0, 3, 2])
    first, second = planned(method, known_set, described(), other)
    assert np.array_equal(first.labels, second.labels)
    again = made(replace(CONFIG, recluster_every=1, apart=0.0, evolve_every=0))
    other["texts"] = torch.zeros_like(other["texts"])
    first, second = planned(again, known_set, described(), other)
    assert not np.array_equal(first.labels, second.labels)


def test_two_clusters_that_are_alike_merge_and_one_of_two_individuals_splits(made, known_set):
    says = described()
    method = made(replace(CONFIG, apart=0.0, evolve_every=1))
    (plan,) = planned(method, known_set, says, epochs=1)
    assert plan.diagnostics["merged"] == plan.diagnostics["born"] == plan.diagnostics["retired"] == 0
    twins = {name: values.clone() for name, values in says.items()}
    labels = torch.from_numpy(INDIVIDUAL.copy())
    labels[[0, 1, 4, 5]] = INDIVIDUALS  # four pictures of the first individual are a cluster of their own
    all_rows = Described(**twins)
    method._set(bootstrap(all_rows.fusion, all_rows.visual, all_rows.infrared, labels), all_rows, labels)
    memory, evolved, numbers = method._evolved(all_rows, labels)
    assert numbers["merged"] == 1 and len(memory) == INDIVIDUALS
    assert np.array_equal(evolved.numpy(), INDIVIDUAL)
    together = labels.where(torch.from_numpy(INDIVIDUAL) > 1, 0)
    _, together = together.unique(return_inverse=True)
    method._set(bootstrap(all_rows.fusion, all_rows.visual, all_rows.infrared, together), all_rows, together)
    memory, evolved, numbers = method._evolved(all_rows, together)
    assert numbers["born"] >= 1
    assert len(set(evolved[INDIVIDUAL == 0].tolist()) & set(evolved[INDIVIDUAL == 1].tolist())) == 0


def test_one_spectrum_alone_is_refused(known_set):
    only = Manifest.from_columns({"rgb": [f"{row}.png" for row in range(6)]}, root=Path(), name="made")
    with pytest.raises(DataError, match=r"6 of rgb.*two spectra"):
        CONFIG.build(NETWORK.build(), known_set(only, names=False))


def test_rates_fall_from_the_last_block_to_the_stem(made):
    method = made(replace(CONFIG, layer_decay=0.5))
    factors = {
        id(parameter): group.lr_factor for group in method.parameter_groups(1.0) for parameter in group.parameters
    }
    trunk = method.network.trunk
    of_blocks = [factors[id(block.norm1.weight)] for block in trunk.blocks]
    assert of_blocks == [0.125, 0.25, 0.5, 1.0]
    assert factors[id(trunk.cls_token)] == 0.0625
    assert factors[id(method.network.fusion.attended[0].scale)] == 10.0
    assert factors[id(method.network.fusion.pooled.project.weight)] == 1.0
    assert len(factors) == sum(parameter.requires_grad for parameter in method.parameters())


def test_without_text_nothing_of_it_is_left(made, known_set):
    method = made(network=replace(NETWORK, text=None))
    says = {**described(), "texts": torch.zeros(ROWS, 0, DIM)}
    *_, plan = planned(method, known_set, says, says)
    assert np.array_equal(plan.labels, INDIVIDUAL)
    terms = method.losses(batch_of(plan, [0, 1, 10, 11]), moment(1, "matched"))
    assert all(torch.isfinite(term) for term in terms.values())
    assert "gamma" not in plan.diagnostics
