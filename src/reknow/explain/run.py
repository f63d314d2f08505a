"""A run, explained: its network before training and after, on the same pictures."""

from __future__ import annotations

import torch

from reknow.data.formats import open_dataset
from reknow.errors import ReknowError, RunError
from reknow.explain.explanation import Explanation
from reknow.explain.observations import Looking, Progress, explain
from reknow.methods.recipe import Recipe
from reknow.recognizer import Card, Recognizer, load
from reknow.training.initialization import initialized
from reknow.training.run import Run

SHOWN = 6
"""Observations that a sheet and a report show: what fits on a screen."""


def explain_run(
    run: Run, data: str | None = None, *, shown: int = SHOWN, progress: Progress | None = None
) -> Explanation:
    """What a finished run's method selects with the network that it started from, and with the trained one.

    Args:
        run: a finished run of a method that selects patches.
        data: ``FORMAT:PATH`` of the pictures; by default the run's own data.
        shown: observations that will be looked at one by one.
        progress: called with (observations done, observations in all), once for each network.

    Raises:
        RunError: the run's method selects no patches.
        RecognizerError: the run is not finished.
        DataError: data that cannot be read.
    """
    recipe = run.recipe()
    if not recipe.method.selects_patches(recipe.network):
        raise RunError(
            run.folder,
            found=f"a run of {recipe.name}, which selects no patches as it is configured",
            expected="a run of a method that does",
            remedy="Name such a run, or train one, for example: reknow train tcmm --data FORMAT:PATH",
        )
    recognizers = {"after": load(run.folder)}
    notes: tuple[str, ...] = ()
    try:
        recognizers = {"before": at_start(recipe), **recognizers}
    except ReknowError as error:  # the file that the run started from may be gone: the other half still tells
        notes = (f"Before training is not shown, since the start cannot be loaded: {error}",)
    manifest = open_dataset(data or recipe.data)
    return explain(recipe.method, Looking(recognizers, manifest, shown, notes, progress))


def kept_numbers(
    run: Run, data: str | None = None, *, shown: int = SHOWN, progress: Progress | None = None
) -> dict[str, float]:
    """The shares of :func:`explain_run` as one flat table, in percent; arguments and errors as there.

    Returns:
        ``precision``, ``recall``, ``precision_small``, ``precision_spatial_nir`` and so on; beside each, what chance
        would reach, as ``precision_by_chance``; and all of these of the network that the run started from, as
        ``start_precision``. Empty where nobody knows what the pixels show.
    """
    return explain_run(run, data, shown=shown, progress=progress).numbers()


def at_start(recipe: Recipe) -> Recognizer:
    """The network that a run of this recipe starts from, as a recognizer.

    Raises:
        RecipeError, WeightsError, RecognizerError: the weights are not there any more.
    """
    with torch.random.fork_rng(devices=[]):  # random weights are those of the run only from its seed
        torch.manual_seed(recipe.seed)
        start = initialized(recipe)
    return Recognizer(
        start.recipe.network, start.network, start.recipe.preprocessing, Card(name=f"{recipe.name}, start")
    )
