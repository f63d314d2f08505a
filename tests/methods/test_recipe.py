"""Recipes are found by where they live, and a misspelt name says the nearest."""

from __future__ import annotations

import inspect
import math
from dataclasses import fields, is_dataclass, replace

import pytest
import yaml

from reknow.errors import RecipeError
from reknow.methods.catalog import recipe_named, recipes
from reknow.methods.cluster_contrast.method import Clustering
from reknow.methods.recipe import Optimizer, Sampling, Schedule
from reknow.methods.tcmm.method import TCMMConfig
from reknow.values import from_plain, to_plain


def test_names_follow_the_folders():
    assert {"cluster_contrast", "cluster_contrast/market1501", "supervised", "supervised/world_source"} <= set(
        recipes()
    )


@pytest.mark.parametrize("name", sorted(recipes()))
def test_a_recipe_knows_its_own_name_and_says_what_it_is_for(name):
    function = recipes()[name]
    assert function().name == name
    assert inspect.getdoc(function)


def test_a_misspelt_name_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'cluster_contrast/market1501'"):
        recipe_named("cluster_contrast/market")


def test_the_network_fits_the_pictures():
    for function in recipes().values():
        recipe = function()
        trunk = recipe.network.trunk
        assert getattr(trunk, "image_size", recipe.preprocessing.size) == recipe.preprocessing.size


def with_leaves(value, change, path=""):
    """(path, the value with that leaf replaced, what replaces it) for every number that `change` has an answer to."""
    for field in fields(value):
        held = getattr(value, field.name)
        name = f"{path}.{field.name}" if path else field.name
        if is_dataclass(held):
            for deeper, make, wrong in with_leaves(held, change, name):
                yield deeper, lambda field=field, make=make: replace(value, **{field.name: make()}), wrong
        for wrong in change(held):
            yield name, lambda field=field, wrong=wrong: replace(value, **{field.name: wrong}), wrong


def nonsense(held):
    """What no field that holds this may hold: below every bound, or not finite. (Other types: tests/test_fields.py.)"""
    if isinstance(held, int) and not isinstance(held, bool):
        return [-1, -(10**30)]
    if isinstance(held, float):
        return [math.nan, math.inf, -math.inf]
    if isinstance(held, tuple) and held and isinstance(held[0], float):
        return [(math.nan, *held[1:]), (*held[1:], math.inf)]
    return [(0, *held[1:])] if isinstance(held, tuple) and held and isinstance(held[0], int) else []


@pytest.mark.parametrize("name", ["supervised", "cluster_contrast", "tcmm", "editor", "editor/rgbnt201"])
def test_no_number_of_a_recipe_can_be_nonsense(name):
    tried = set()
    for path, make, wrong in with_leaves(recipe_named(name), nonsense):
        with pytest.raises(RecipeError) as caught:
            make()
        assert caught.value.where == path, (path, wrong, caught.value)
        tried.add(path)
    assert {"epochs", "seed", "optimizer.lr", "sampling.batch_size", "preprocessing.size", "augmentation.pad"} <= tried
    assert len(tried) > 30


@pytest.mark.parametrize(
    ("part", "field", "value", "says"),
    [
        (Optimizer, "lr", 0.0, "above 0"),
        (Optimizer, "momentum", 1.0, "below 1"),
        (Optimizer, "clip", 0.0, "above 0"),
        (Optimizer, "weight_decay", -1e-4, "0 or more"),
        (Schedule, "every", 0, "1 or more"),
        (Schedule, "floor", 1.1, "at most 1"),
        (Schedule, "gamma", 1.5, "above 0 and at most 1"),
        (Sampling, "instances", 0, "1 or more"),
        (Clustering, "eps", 0.0, "a number above 0 and below 1, or 'auto'"),
        (Clustering, "min_samples", 0, "1 or more"),
    ],
)
def test_a_value_beyond_its_bounds_says_what_may_stand_there(part, field, value, says):
    with pytest.raises(RecipeError) as caught:
        part(**{field: value})
    assert caught.value.where.endswith(f".{field}")
    assert says in caught.value.expected
    assert field.replace("_", "-") in caught.value.remedy


@pytest.mark.parametrize(
    ("part", "fields_", "where"),
    [
        (Schedule, {"kind": "cosine", "milestones": (3, 5)}, "schedule.milestones"),
        (Schedule, {"kind": "step", "hold": 0.5}, "schedule.hold"),
        (Schedule, {"kind": "cosine", "hold": 1.0}, "schedule.hold"),
        (Schedule, {"kind": "step", "milestones": (5, 3)}, "schedule.milestones"),
        (Clustering, {"k1": 4, "k2": 6}, "method.clustering.k2"),
        (TCMMConfig, {"refresh_outliers": True, "capacity": 5}, "method.refresh_outliers"),
        (TCMMConfig, {"instance_weight": 0.0, "refresh_outliers": True}, "method.refresh_outliers"),
        (TCMMConfig, {"instance_weight": 0.0, "capacity": 5}, "method.capacity"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(part, fields_, where):
    with pytest.raises(RecipeError) as caught:
        part(**fields_)
    assert caught.value.where == where
    assert caught.value.remedy


@pytest.mark.parametrize("seed", [-1, 2**63, 10**21 - 1])
def test_a_seed_that_numpy_or_torch_would_not_take_is_refused(seed, tiny):
    with pytest.raises(RecipeError, match=r"seed: .*0 or more and at most 9223372036854775807"):
        replace(tiny, seed=seed)
    assert replace(tiny, seed=2**63 - 1).seed > 0


def test_a_batch_is_whole_identities_and_whole_parts():
    with pytest.raises(RecipeError, match=r"sampling.batch_size: 50 with 8 instances.*--sampling.batch-size 48"):
        Sampling(batch_size=50, instances=8)
    with pytest.raises(RecipeError, match=r"sampling.batch_size: 2 with 4 instances.*--sampling.batch-size 4"):
        Sampling(batch_size=2, instances=4)
    for over in (1, 3, 128):
        with pytest.raises(RecipeError, match=rf"sampling.statistics_over: {over} of a batch of 64"):
            Sampling(batch_size=64, instances=4, statistics_over=over)
    assert Sampling(batch_size=64, instances=4, statistics_over=64).statistics_over == 64


def test_a_recipe_that_was_edited_by_hand_names_its_file(tiny):
    plain = to_plain(tiny)
    plain["optimizer"]["lr"] = -1.0
    with pytest.raises(RecipeError, match=r"^run/recipe.yaml, optimizer.lr: -1.0; expected a number above 0"):
        from_plain(yaml.safe_load(yaml.safe_dump(plain)), "run/recipe.yaml")


def test_a_warm_up_that_the_run_does_not_outlast_is_said(tiny):
    assert replace(tiny, epochs=2, schedule=Schedule(warmup=1)).notes == ()
    (note,) = replace(tiny, epochs=2, schedule=Schedule(warmup=2)).notes
    assert "schedule.warmup 2" in note and "epochs 2" in note and "--schedule.warmup" in note


def test_a_cosine_of_one_turn_is_said(tiny):
    cosine = Schedule(kind="cosine", floor=0.01, warmup=1)
    assert replace(tiny, epochs=2, schedule=cosine).notes == ()
    (note,) = replace(tiny, epochs=1, schedule=cosine).notes
    assert "one of its epochs" in note and "0.01 of its peak" in note and "--schedule.kind constant" in note


def test_a_milestone_past_the_end_is_refused(tiny):
    drops = Schedule(kind="step", milestones=(2, 5))
    assert replace(tiny, epochs=6, schedule=drops).notes == ()
    with pytest.raises(RecipeError, match=r"schedule.milestones: 5 in a run of 5 epochs.*--schedule.milestones 2"):
        replace(tiny, epochs=5, schedule=drops)
    with pytest.raises(RecipeError, match=r"5 in a run of 2 epochs.*kind constant and --schedule.milestones with no"):
        replace(tiny, epochs=2, schedule=drops)
    in_steps = replace(drops, counts="steps")
    assert replace(tiny, epochs=2, iterations=None, schedule=in_steps).notes == ()
    with pytest.raises(RecipeError, match=r"5 in a run of 4 steps"):
        replace(tiny, epochs=2, iterations=2, schedule=in_steps)


def test_an_epoch_of_all_counts_the_rows_that_it_leaves_out_up_to_three_passes(tiny):
    every = replace(tiny, iterations="all")
    for rows, planned, steps in ((2350, 2350, 37), (2350, 926, 37), (2350, 320, 15), (10, 10, 1), (9, 0, 1)):
        assert every.steps_of_epoch(rows, planned, 64) == steps
    assert replace(tiny, iterations=5).steps_of_epoch(2350, 926, 64) == 5
    assert replace(tiny, iterations=None).steps_of_epoch(2350, 926, 64) is None


def test_checkpoints_come_as_often_as_asked_and_in_any_case_at_the_end(tiny):
    for every, kept in ((1, [0, 1, 2, 3, 4]), (2, [1, 3, 4]), (9, [4]), (0, [4])):
        recipe = replace(tiny, epochs=5, checkpoint_every=every)
        assert [epoch for epoch in range(5) if recipe.keeps_after(epoch)] == kept
