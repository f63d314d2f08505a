"""The contract: what a method may plan, move and know, and what it is told where it breaks a rule."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from reknow.errors import ContractError
from reknow.methods.method import EpochPlan
from reknow.methods.optimization import Optimizer, ParameterGroup, Schedule, weights_and_biases
from reknow.methods.sampling import BatchRule, PlannedRows
from reknow.methods.training_set import TrainingSet
from reknow.recognizer import load

ALL = np.arange(48)


@dataclass(frozen=True, kw_only=True)
class Lines(BatchRule):
    """Rows in order, as they stand; the rule of nobody, to see that a plan's rule is followed."""

    reverse: bool = False

    def draw(self, planned: PlannedRows, rng: np.random.Generator, steps: int | None) -> list[np.ndarray]:
        assert len(planned.cameras) == len(planned.present["rgb"]) == len(planned)
        order = np.arange(len(planned))[:: -1 if self.reverse else 1]
        return [order[first : first + self.batch_size] for first in range(0, len(order), self.batch_size)]


def forced(rows: np.ndarray, labels: np.ndarray, **fields: object) -> EpochPlan:
    """A plan whose types nobody checked, as outside the tests."""
    plan = EpochPlan(ALL, ALL)
    for name, value in {"rows": rows, "labels": labels, **fields}.items():
        object.__setattr__(plan, name, value)
    return plan


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (lambda *_: (ALL, ALL), "before_epoch: a tuple; expected an EpochPlan"),
        (lambda *_: EpochPlan(ALL + 1, ALL), "row 48; expected rows from 0 to 47"),
        (lambda *_: EpochPlan(ALL - 1, ALL), "row -1; expected rows from 0 to 47"),
        (lambda *_: EpochPlan(ALL, ALL - 1), "label -1; expected labels from 0 up"),
        (lambda *_: EpochPlan(ALL // 2, ALL), "row 0 twice; expected every row once"),
        (lambda *_: forced(ALL[:3], ALL), "3 rows and 48 labels; expected a label for every row"),
        (lambda *_: forced(ALL / 1.0, ALL), r"rows that are of shape \(48,\) and type float64"),
        (lambda *_: EpochPlan(ALL[:0], ALL[:0]), "no row has a label"),
        (
            lambda *_: EpochPlan(ALL, ALL, sampling=_Empty()),
            "_Empty of the package .*, draw: no batch of 48 planned rows",
        ),
        (
            lambda *_: EpochPlan(ALL, ALL, sampling=_Beyond()),
            "position 48 in batch 1 of 1; expected positions from 0 to 47",
        ),
        (lambda *_: EpochPlan(ALL, ALL, sampling=_Draws(made=None)), "draw: a NoneType; expected a list of arrays"),
        (lambda *_: EpochPlan(ALL, ALL, sampling=_Draws(made=[[1, 2]])), "batch 1 of 1 is a list"),
        (lambda *_: EpochPlan(ALL, ALL, sampling=_Draws(made=[ALL[:0]])), "batch 1 of 1 is empty"),
        (lambda *_: EpochPlan(ALL, ALL, sampling=_Draws(made=[ALL / 1.0])), "of type float64|type float64"),
        (lambda *_: EpochPlan(ALL, ALL, sampling=_Draws(made=[ALL])), "has 48 positions; expected at most 8"),
        (lambda *_: forced(ALL, ALL, sampling="half"), "a sampling that is a str; expected a BatchRule"),
        (lambda *_: forced(ALL, ALL, phase=3), "a phase that is a int"),
        (lambda *_: forced(ALL, ALL, notes="one sentence"), "notes that are no tuple of texts"),
        (lambda *_: forced(ALL, ALL, diagnostics={"clusters": "many"}), "the diagnostic 'clusters' is a str"),
        (lambda *_: EpochPlan(ALL, ALL, {"epoch": 1.0}), "the diagnostic 'epoch'; expected another name"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused(bent, plan, message) -> None:
    with pytest.raises(Exception, match=message) as refused:
        bent(plan=plan)
    assert isinstance(refused.value, ContractError) or "no row" in message


@dataclass(frozen=True, kw_only=True)
class _Empty(Lines):
    def draw(self, planned, rng, steps):
        return []


@dataclass(frozen=True, kw_only=True)
class _Beyond(Lines):
    def draw(self, planned, rng, steps):
        return [np.array([1, 48])]


@dataclass(frozen=True, kw_only=True)
class _Draws(Lines):
    batch_size: int = 8
    made: object = None

    def draw(self, planned, rng, steps):
        return self.made


@pytest.mark.parametrize(
    ("bend", "message"),
    [
        (lambda terms, _: terms["near"], "losses: a Tensor; expected scalar terms by name"),
        (lambda terms, _: {}, "losses: no term"),
        (lambda terms, method: {**terms, "rows": method.rows}, r"'rows' is of shape \(48, 16\).*expected a scalar"),
        (lambda terms, _: {**terms, "margin": 0.3}, "'margin' is a float; expected a scalar"),
        (lambda terms, _: {"near": terms["near"].detach()}, "terms without a gradient"),
    ],
    ids=["tensor", "nothing", "vector", "number", "detached"],
)
def test_terms_that_break_a_rule_are_refused(bent, bend, message) -> None:
    with pytest.raises(ContractError, match=rf"Bent of the package .*{message}"):
        bent(bend=bend)


def _worded(group: ParameterGroup) -> ParameterGroup:
    object.__setattr__(group, "phases", "looks")  # as outside the tests, where nothing checks the type
    return group


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (lambda m: [ParameterGroup("a", [m.rows])], "'network.* which learns, in no group"),
        (lambda m: [ParameterGroup("a", [*m.parameters()]), ParameterGroup("b", [m.rows])], "'rows' in two groups"),
        (lambda m: [ParameterGroup("a", [*m.network.parameters()]), ParameterGroup("a", [m.rows])], "two groups named"),
        (lambda m: [ParameterGroup("a", [*m.parameters(), torch.nn.Parameter(torch.ones(1))])], "not the method's"),
        (lambda m: [ParameterGroup("a", [*m.parameters()]), ParameterGroup("b", [])], "'b' without parameters"),
        (lambda m: [_worded(ParameterGroup("a", [*m.parameters()]))], "phases of 'a' are the text 'looks'"),
        (lambda m: [{"params": [*m.parameters()]}], "parameter_groups: a dict; expected a list of ParameterGroup"),
    ],
    ids=["lacking", "twice", "names", "foreign", "empty", "phases", "torch's"],
)
def test_groups_that_break_a_rule_are_refused_before_anything_is_written(bent, tmp_path, groups, message) -> None:
    with pytest.raises(ContractError, match=message):
        bent(groups=lambda method: groups(method))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("run")]


def test_batches_are_drawn_as_the_plan_says_and_else_as_the_recipe_says(bent) -> None:
    def plan(epoch: int, training_set: TrainingSet) -> EpochPlan:
        rule = Lines(batch_size=20, reverse=True) if epoch else Lines(batch_size=24)
        return EpochPlan(ALL, ALL // 2, sampling=rule)

    method, _ = bent({"epochs": 2, "iterations": None}, plan=plan)
    back = [*range(47, -1, -1)]
    assert method.batches == [[*range(24)], [*range(24, 48)], back[:20], back[20:40], back[40:]]
    method, _ = bent({"iterations": 3})
    assert [len(batch) for batch in method.batches] == [8, 8, 8]  # the recipe's own rule


def test_every_step_knows_how_far_the_run_is(bent) -> None:
    method, _ = bent({"epochs": 2, "iterations": 3}, plan=lambda epoch, _: EpochPlan(ALL, ALL // 2, phase=f"p{epoch}"))
    told = [(m.epoch, m.step, m.steps_done, m.phase) for m in method.moments]
    assert told == [(step // 3, step % 3, step, f"p{step // 3}") for step in range(6)]
    assert [round(m.progress, 3) for m in method.moments] == [0.0, 0.167, 0.333, 0.5, 0.667, 0.833]


def test_groups_of_other_phases_stand_still(bent) -> None:
    """As a search does: weights move in one epoch, what chooses between them in the next."""
    moved = []

    def noted(terms, method):
        moved.append((method.rows.detach().clone(), next(method.network.parameters()).detach().clone()))
        return terms

    bent(
        {"epochs": 2, "iterations": 2},
        plan=lambda epoch, _: EpochPlan(ALL, ALL // 2, phase="rows" if epoch else "network"),
        groups=lambda m: [
            ParameterGroup("network", [*m.network.parameters()], phases=("network",)),
            ParameterGroup("rows", [m.rows], optimizer=Optimizer(kind="sgd", lr=0.5), phases=("rows",)),
        ],
        bend=noted,
    )
    (rows0, network0), (rows1, network1), (rows2, network2), (rows3, network3) = moved
    assert torch.equal(rows0, rows1) and torch.equal(rows1, rows2) and not torch.equal(rows2, rows3)
    assert not torch.equal(network0, network1) and torch.equal(network2, network3)


def test_every_group_has_its_own_optimizer_rate_and_decay(bent) -> None:
    """One step of plain descent on `rows`, whose gradient is known, with a decay and a rate of its own."""
    seen = []

    def noted(terms, method):
        seen.append(method.rows.detach().clone())
        return {"sum": method.rows.sum() + 0 * terms["near"]}

    bent(
        {"iterations": 2},
        groups=lambda m: [
            ParameterGroup("network", [*m.network.parameters()]),
            ParameterGroup(
                "rows", [m.rows], lr_factor=0.5, weight_decay=0.1,
                optimizer=Optimizer(kind="sgd", lr=0.2, momentum=0.0), schedule=Schedule(),
            ),
        ],
        bend=noted,
    )  # fmt: skip
    torch.testing.assert_close(seen[1], seen[0] - 0.2 * 0.5 * (1 + 0.1 * seen[0]))


def test_an_unsupervised_method_gets_no_identity_and_the_loop_tells_its_purity(bent, tiny, crops) -> None:
    method, run = bent({"data": rf"folder:{crops}?identity_pattern=(person\d+)"})
    assert method.config.supervised is False
    (epoch,) = run.metrics().epochs
    assert epoch.diagnostics["purity"] == 1.0 and epoch.diagnostics["identities"] == 6.0


@dataclass(frozen=True, kw_only=True)
class _Twice(BatchRule):
    def draw(self, planned, rng, steps):
        return [np.repeat(np.arange(4), 2)]


def test_a_row_drawn_twice_gives_two_views_of_its_picture(bent, tiny) -> None:
    seen = []
    method, _ = bent(
        {"augmentation": replace(tiny.augmentation, flip=0.5, erase=1.0)},
        plan=lambda *_: EpochPlan(ALL[:4], ALL[:4], sampling=_Twice(batch_size=8)),
        look=seen.append,
    )
    (images,) = seen
    assert method.batches == [[0, 0, 1, 1, 2, 2, 3, 3]]
    assert all(not torch.equal(images[2 * row], images[2 * row + 1]) for row in range(4))


def test_what_is_evaluated_and_saved_is_the_methods_network(bent) -> None:
    """A momentum encoder may be a copy of the network that the method was built with."""

    def parted(method):
        method.learner, method.network = method.network, copy.deepcopy(method.network).requires_grad_(False)
        return weights_and_biases(method.named_parameters(), 1.0)

    method, run = bent(groups=lambda method: parted(method) if not hasattr(method, "learner") else [
        *weights_and_biases(method.named_parameters(), 1.0)
    ])  # fmt: skip
    saved = load(run.folder, device="cpu").network.state_dict()
    kept = method.network.state_dict()
    assert all(torch.equal(saved[name], kept[name]) for name in kept)


def test_a_phase_in_which_nothing_moves_is_refused(bent) -> None:
    with pytest.raises(
        ContractError, match="the phase 'lokos', in which no parameter group moves; expected one of looks"
    ):
        bent(
            plan=lambda *_: EpochPlan(ALL, ALL // 2, phase="lokos"),
            groups=lambda method: [ParameterGroup("all", [*method.parameters()], phases=("looks",))],
        )


def test_the_logged_rate_is_that_of_a_group_that_moves(bent) -> None:
    _, run = bent(
        plan=lambda *_: EpochPlan(ALL, ALL // 2, phase="rows"),
        groups=lambda m: [
            ParameterGroup("network", [*m.network.parameters()], phases=("network",)),
            ParameterGroup("rows", [m.rows], optimizer=Optimizer(lr=0.125), schedule=Schedule(), phases=("rows",)),
        ],
    )
    assert {line.learning_rate for line in run.metrics().steps} == {0.125}
