"""From a recipe to a finished run folder: prepare, score, train, score again, save."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from reknow.data.embeddings import Embeddings
from reknow.errors import RecipeError
from reknow.evaluation.scores import RankingScores
from reknow.machine import peak_memory_gb
from reknow.methods.recipe import Recipe
from reknow.progress import Display, Progress
from reknow.recognizer import Card, Recognizer
from reknow.recognizer.evaluation import EvaluationResult, PercentScores, in_percent
from reknow.training.checkpoint import RunStart
from reknow.training.loop import Trainer
from reknow.training.preparation import Prepared, inputs_of, prepare
from reknow.training.records import EvaluationLine, Summary
from reknow.training.run import Run


@dataclass(frozen=True)
class Outcome:
    """What a run leaves behind, beside its folder.

    Attributes:
        run: the folder.
        recipe: as resolved.
        summary: the content of ``summary.json``.
        before: scores of the test rows before training; None where the data cannot tell.
        after: the same rows after training.
        training: the training rows, embedded by the trained network.
        main_process: whether this process is the one that writes and prints.
    """

    run: Run
    recipe: Recipe
    summary: Summary
    before: RankingScores | None
    after: EvaluationResult | None
    training: Embeddings
    main_process: bool = True


def train(recipe: Recipe, folder: Path, *, resume: bool = False, display: Display | None = None) -> Outcome:
    """Carry out a recipe.

    Args:
        recipe: what to do; its ``data`` must name a data set.
        folder: the run's folder; must be new, unless resumed.
        resume: continue the run in `folder` from its checkpoint, or, where it stopped before its first one, from the
            beginning. The run's own recipe counts; of `recipe` only the places of the data do, which may have moved.
        display: what the user sees.

    Raises:
        DataError, RecipeError, WeightsError, RunError: what is wrong with data, recipe, weights or folder. It shows
            before anything is written.
    """
    if not recipe.data:
        raise RecipeError(
            f"recipe '{recipe.name}', field 'data'", found="empty", remedy="Name the data: --data FORMAT:PATH"
        )
    earlier = Run.open(folder) if resume else None
    if earlier is not None:
        recipe = replace(earlier.recipe(), data=recipe.data, evaluation_data=recipe.evaluation_data)
        resume = earlier.checkpoint_file.is_file()
    trainer: Trainer | None = None

    def watch(title: str) -> Progress:
        """Progress of work on the training set; once training goes on, Ctrl-C stops there."""
        return shown.bar(title) if trainer is None else trainer.watch(title)

    inputs = inputs_of(recipe, folder if resume else None)
    with display or Display(quiet=not inputs.fabric.is_global_zero) as shown:
        prepared = prepare(inputs, shown, watch)
        run = earlier or _create_run(folder, prepared)
        trainer = _trainer(prepared, run, shown)
        if resume:
            trainer.resume()
        elif earlier is not None and prepared.fabric.is_global_zero:
            run.begin_again()
        if earlier is not None:
            _keep_place(run, prepared, shown)
        scores = _Scores(prepared, trainer, run, shown)
        if not resume and (untrained := scores.score_and_log(-1, "before training")) is not None:
            trainer.start = replace(trainer.start, scores=untrained.scores)
        latest: EvaluationResult | None = None
        if (finished := trainer.finished_unscored) is not None:  # it stopped between a checkpoint and its evaluation
            latest = scores.score_and_log(finished, f"after epoch {finished + 1}")
        for epoch in trainer.fit():
            if prepared.recipe.evaluates_after(epoch):
                latest = scores.score_and_log(epoch, f"after epoch {epoch + 1}")
        if latest is None:
            latest = scores.score()
        training = Embeddings(trainer.embed().numpy(), prepared.rows)
        summary = _summary(prepared, trainer, latest)
        if prepared.fabric.is_global_zero:
            _save_recognizer(run, prepared, trainer.start.weights, summary)
            run.summarize(summary)
            method = prepared.method.eval()
            with torch.no_grad():
                run.keep_diagnostics(method.diagnostics(), type(method).__module__)
                for file in run.keep_files(method.files(), type(method).__module__):
                    shown.line(f"written: {file}")
        prepared.fabric.barrier()
    main = prepared.fabric.is_global_zero
    return Outcome(run, prepared.recipe, summary, trainer.start.scores, latest, training, main)


class _Scores:
    """Scores of the run's test rows by the network as it is, logged and shown."""

    def __init__(self, prepared: Prepared, trainer: Trainer, run: Run, display: Display) -> None:
        self.prepared = prepared
        self.trainer = trainer
        self.run = run
        self.display = display

    def score(self) -> EvaluationResult | None:
        """None where the data have no rows to score."""
        prepared = self.prepared
        if prepared.test is None:
            return None
        card = Card(name=prepared.recipe.name, dataset=prepared.manifest.name, cameras=prepared.cameras)
        progress = self.display.bar("embedding test rows")
        return prepared.test.score(prepared.method.network, prepared.recipe, card, prepared.fabric.device, progress)

    def score_and_log(self, epoch: int, when: str) -> EvaluationResult | None:
        """The same, as a line of the log and one on the screen."""
        result = self.score()
        if result is not None and self.prepared.fabric.is_global_zero:
            numbers = result.in_percent().as_json()
            del numbers["protocol"]
            self.run.log(EvaluationLine(epoch, numbers))
            scores = result.scores
            line = f"mAP {100 * scores.mAP:.1f}, rank-1 {100 * float(scores.cmc[0]):.1f} ({scores.protocol})"
            self.display.line(f"{when}: {line}")
        return result


def _create_run(folder: Path, prepared: Prepared) -> Run:
    """The run's new folder; the main process alone creates it."""
    if prepared.fabric.is_global_zero:
        Run.create(folder, prepared.recipe)
    prepared.fabric.barrier()
    return Run.open(folder)


def _trainer(prepared: Prepared, run: Run, display: Display) -> Trainer:
    start = RunStart.of(prepared.recipe, prepared.fingerprint(), prepared.weights)
    return Trainer(
        prepared.recipe,
        prepared.method,
        prepared.training_set,
        prepared.rows.codes("identity"),
        run,
        prepared.fabric,
        display,
        start,
    )


def _keep_place(run: Run, prepared: Prepared, display: Display) -> None:
    """Where the data of a resumed run moved, its recipe names the new place from now on."""
    before, recipe = run.recipe(), prepared.recipe
    if not prepared.fabric.is_global_zero:
        return
    if before.data != recipe.data:
        display.line(f"note: the same rows as in {before.data}; {run.folder / 'recipe.yaml'} now names {recipe.data}")
    if (before.data, before.evaluation_data) != (recipe.data, recipe.evaluation_data):
        run.keep_recipe(recipe)


def _summary(prepared: Prepared, trainer: Trainer, after: EvaluationResult | None) -> Summary:
    notes = [*prepared.notes, *trainer.position.notes]
    if after is None:
        why = "No query and gallery in the data" if prepared.manifest.has("identity") else "No identities in the data"
        notes.append(f"{why}, so there are no scores; inspect the groups.")
    else:
        notes += [*after.notes, *after.scores.notes]
    before, seconds, recipe = trainer.start.scores, trainer.position.seconds, prepared.recipe
    return Summary(
        recipe=recipe.name,
        method=type(recipe.method).__name__.removesuffix("Config"),
        dataset=recipe.scored_data,
        seed=recipe.seed,
        scores=None if after is None else after.in_percent(),
        intervals={} if after is None else in_percent(after.intervals),
        start=None if before is None else PercentScores.of(before),
        score_size=recipe.preprocessing.size,
        seconds=round(seconds, 1),
        images_per_second=round(trainer.position.pictures / max(seconds, 1e-9), 1),
        peak_memory_gb=round(peak_memory_gb(), 2),
        notes=tuple(dict.fromkeys(notes)),
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def _save_recognizer(run: Run, prepared: Prepared, started_from: tuple[str, ...], summary: Summary) -> None:
    """The trained network with its card; a resumed run that had finished keeps the one it has."""
    if (run.folder / "recognizer").exists():
        return
    recipe, rows, network = prepared.recipe, prepared.rows, prepared.method.network
    identities = rows.codes("identity")
    scores = {} if summary.scores is None else summary.scores.as_json()
    card = Card(
        name=recipe.name,
        trained_on=recipe.data,
        data_fingerprint=rows.fingerprint(),
        dataset=rows.name,
        cameras=prepared.cameras,
        identities=len(np.unique(identities[identities >= 0])),
        license=recipe.license,
        spectra=network.spectra,
        started_from=started_from,
        scores={
            f"{name} ({recipe.scored_data}, {scores['protocol']})": round(scores[name], 2)
            for name in ("mAP", "rank1", "mINP")
            if scores.get(name) is not None
        },
    )
    # On the network's own device: the method still draws its diagnostics with it.
    recognizer = Recognizer(recipe.network, network, recipe.preprocessing, card, prepared.fabric.device)
    recognizer.save(run.folder / "recognizer")
