"""Explain a run: which patches its method selects, with the network before training and after it, on the same pictures.

The observations are a random sample (:mod:`reknow.explain.sample`). Networks run as in evaluation: eval mode, no
augmentation, cameras by name where the recognizer knows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from reknow.data.cache import Pictures
from reknow.data.formats import open_dataset
from reknow.data.loading import EVALUATION_BATCH_SIZE, evaluation_batches
from reknow.data.manifest import Manifest
from reknow.errors import ReknowError, RunError
from reknow.explain.explanation import Explanation
from reknow.explain.patches import is_known, truth_of
from reknow.explain.precision_recall import measured
from reknow.explain.sample import OBSERVATIONS_SHOWN, sampled
from reknow.methods.method import MethodConfig
from reknow.methods.recipe import Recipe
from reknow.methods.selected import SelectedPatches, joined
from reknow.observation import Spectrum
from reknow.progress import Progress
from reknow.recognizer import Card, Recognizer, load
from reknow.training.initialization import initialized
from reknow.training.run import Run


def explain_run(
    run: Run, data: str | None = None, *, shown: int = OBSERVATIONS_SHOWN, progress: Progress | None = None
) -> Explanation:
    """What a finished run's method selects with the network that it started from, and with the trained one.

    Args:
        run: a finished run of a method that selects patches.
        data: ``FORMAT:PATH`` of the pictures; by default the run's own data.
        shown: observations that will be drawn; see :class:`Inputs`.
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
        recognizers = {"before": recognizer_at_start(recipe), **recognizers}
    except ReknowError as error:  # the file that the run started from may be gone; the trained network is still there
        notes = (f"Before training is not shown, since the start cannot be loaded: {error}",)
    manifest = open_dataset(data or recipe.data)
    return explain(recipe.method, Inputs(recognizers, manifest, shown, notes, progress))


def recognizer_at_start(recipe: Recipe) -> Recognizer:
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


@dataclass(frozen=True)
class Inputs:
    """Networks, and the data that they select patches in.

    Attributes:
        recognizers: "before" and "after" training, of one preprocessing; "after" must be there.
        manifest: any data set; its test rows are used, without these its training rows.
        shown: observations that will be drawn; at least so many are in the result, if there are.
        notes: sentences for the user that go into the explanation.
        progress: called with (observations done, observations in all), once for each network.
    """

    recognizers: Mapping[str, Recognizer]
    manifest: Manifest
    shown: int
    notes: tuple[str, ...] = ()
    progress: Progress | None = None

    def sample(self) -> Manifest:
        """Some of the rows; see :func:`~reknow.explain.sample.sampled`."""
        return sampled(self.manifest, self.recognizers["after"].network.spectra, self.shown)

    def one_batch(self, sample: Manifest) -> Manifest:
        """The first batch of a sample in which nothing can be measured.

        A whole batch, since TCMM as released normalizes over a batch.
        """
        return sample.select(np.arange(min(max(self.shown, EVALUATION_BATCH_SIZE), len(sample))))

    @torch.inference_mode()
    def selected(self, sample: Manifest, pictures: Pictures, method: MethodConfig) -> dict[str, SelectedPatches]:
        """What a method selects with each network.

        Args:
            sample: the observations.
            pictures: of these observations.
            method: of the run.

        Raises:
            RunError: the method's ``selects_patches`` is true, and it returns nothing or not the patches of the batch.
        """
        rows = np.arange(len(pictures))
        selections: dict[str, SelectedPatches] = {}
        for moment, recognizer in self.recognizers.items():
            batches, done = [], 0
            cameras, annotations = recognizer.camera_codes(sample), recognizer.annotations(sample)
            for batch in evaluation_batches(
                pictures, rows, cameras, recognizer.preprocessing, recognizer.device, annotations
            ):
                with recognizer.precision():
                    selected = method.selected_patches(recognizer.network, batch)
                if selected is None or len(selected) != len(batch):
                    raise _unsound(method, selected, len(batch))
                batches.append(selected)
                done += len(batch)
                if self.progress is not None:
                    self.progress(done, len(pictures))
            selections[moment] = joined(batches)
        return selections


def explain(method: MethodConfig, inputs: Inputs) -> Explanation:
    """Let networks select patches, and measure these where it is known what each pixel shows.

    Args:
        method: that selects patches.
        inputs: the networks and the data.

    Raises:
        DataError: see :func:`~reknow.explain.sample.sampled`, and :class:`~reknow.methods.selected.SelectedPatches`.
        RunError: see :meth:`Inputs.selected`.
    """
    sample, recognizer = inputs.sample(), inputs.recognizers["after"]
    known = is_known(sample, recognizer.network.spectra)
    sample = sample if known else inputs.one_batch(sample)
    pictures = recognizer.pictures_of(sample)
    selected = inputs.selected(sample, pictures, method)
    after, nowhere = selected["after"], np.zeros(len(sample), dtype=bool)
    present: dict[Spectrum, np.ndarray] = {name: pictures.present.get(name, nowhere) for name in after.spectra}
    truth = truth_of(sample, after.spectra, after.grid) if known else None
    blank = np.zeros_like(next(iter(pictures.images.values())))
    return Explanation(
        names=tuple(sample.column("observation")),
        pictures={name: np.asarray(pictures.images.get(name, blank)) for name in after.spectra},
        present=present,
        selected=selected,
        object_share=None if truth is None else truth.object_share,
        shares=() if truth is None else measured(selected, truth.object_share, present, truth.groups()),
        notes=inputs.notes,
    )


def _unsound(method: MethodConfig, selected: SelectedPatches | None, observations: int) -> RunError:
    return RunError(
        f"{type(method).__module__}.{type(method).__name__}.selected_patches",
        found="nothing" if selected is None else f"patches of {len(selected)} observations",
        expected=f"patches of the batch's {observations} observations, since selects_patches is true",
        remedy="Correct the method, or report it to its authors.",
    )
