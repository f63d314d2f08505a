"""From a recipe to a finished run folder: data, network, evaluation before and after, recognizer."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from reknow.data.cache import Pictures
from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest, encode
from reknow.errors import DataError, RecipeError
from reknow.evaluation.scores import RankingScores
from reknow.machine import peak_memory_gb
from reknow.methods.recipe import Recipe
from reknow.methods.training_set import TrainingSet
from reknow.models.network import Network
from reknow.progress import Display
from reknow.recognizer import Card, Recognizer, known_cameras
from reknow.recognizer.evaluation import EvaluationResult, EvaluationSplit, in_percent, numbers_of
from reknow.training.beginning import Beginning
from reknow.training.contract import check_groups
from reknow.training.fabric import start_fabric
from reknow.training.loop import Trainer
from reknow.training.run import Run
from reknow.training.start import Start, start_of


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
        main_process: whether this process is the one that writes and speaks.
    """

    run: Run
    recipe: Recipe
    summary: dict[str, Any]
    before: RankingScores | None
    after: EvaluationResult | None
    training: Embeddings
    main_process: bool = True


def train(recipe: Recipe, folder: Path, *, resume: bool = False, display: Display | None = None) -> Outcome:
    """Carry out a recipe.

    Args:
        recipe: what to do; its ``data`` must name a data set.
        folder: the run's folder; must be new, unless resumed.
        resume: continue the run in `folder` from its checkpoint. The run's own recipe counts; of `recipe` only the
            place of the data does, which may have moved.
        display: what the user sees.

    Raises:
        DataError, RecipeError, RunError: see there. What is wrong with data or recipe shows before anything is written.
    """
    if not recipe.data:
        raise RecipeError(
            f"recipe '{recipe.name}', field 'data'", found="empty", remedy="Name the data: --data FORMAT:PATH"
        )
    if resume:
        recipe = replace(Run.open(folder).recipe(), data=recipe.data)
    manifest = _open_data(recipe, folder if resume else None)
    rows = manifest.training()
    if not len(rows):
        raise DataError(manifest.name, found="no row in the split 'train'", remedy="Mark the rows to train on.")
    torch.manual_seed(recipe.seed)
    # A checkpoint holds every weight, and the recipe of a run that began the shape of its network: what it started from
    # may be gone.
    start = Start(recipe, recipe.network.build(), ()) if resume else start_of(recipe)
    recipe, network = start.recipe, start.network
    cameras = _cameras_of(rows, recipe)
    _refuse_unseen(rows, network)
    fabric = start_fabric(recipe)
    trainer: Trainer | None = None
    with display or Display(quiet=not fabric.is_global_zero) as shown:
        training_set = TrainingSet(
            rows,
            lambda: _open_pictures(rows, recipe, shown),
            recipe.preprocessing,
            names=recipe.method.supervised,
            annotations=network.annotations(rows.own_cells(network.columns)),
            epochs=recipe.epochs,
            iterations=recipe.iterations,
            seed=recipe.seed,
            device=fabric.device,
            autocast=fabric.autocast,
            watch=lambda title: shown.bar(title) if trainer is None else trainer.watch(title),
        )
        method = recipe.method.build(network.to(fabric.device).eval(), training_set)
        check_groups(method, method.parameter_groups(recipe.optimizer.bias_lr_factor))
        network = method.network  # as a rule the same; a momentum encoder may be a copy of it
        for note in (*manifest.notes, *recipe.notes, *rows.notes_on(network.columns)):
            shown.line(f"note: {note}")
        for line in start.report:
            shown.line(line)
        training_set.open()
        split = EvaluationSplit.of(manifest)
        test_pictures = None if split is None else _open_pictures(split.manifest, recipe, shown)
        test_pixels = None if test_pictures is None else test_pictures.hashes()
        # Only now is anything written: whatever is wrong with data or recipe has shown itself.
        run = _open_run(folder, recipe, resume, fabric)
        beginning = Beginning(manifest.fingerprint(), start.report)
        trainer = Trainer(recipe, method, training_set, rows.codes("identity"), run, fabric, shown, beginning)

        def assess() -> EvaluationResult | None:
            if split is None or test_pictures is None:
                return None
            card = Card(name=recipe.name, dataset=manifest.name, cameras=cameras)
            # Whatever a run trains in, its scores are made in 32 bit.
            recognizer = Recognizer(recipe.network, network, recipe.preprocessing, card, fabric.device, "32")
            vectors = recognizer.embed_pictures(
                test_pictures,
                recognizer.camera_codes(split.manifest),
                annotations=recognizer.annotations(split.manifest),
                progress=shown.bar("embedding test rows"),
            )
            return split.score(Embeddings(vectors, split.manifest, pixels=test_pixels))

        if resume:
            trainer.resume()
            _keep_place(run, recipe, shown, writes=fabric.is_global_zero)
        elif (untrained := assess()) is not None:
            trainer.beginning = replace(beginning, scores=untrained.scores)
            if fabric.is_global_zero:
                run.log("evaluation", epoch=-1, **_percent(untrained))
                shown.line(f"before training: {_words(untrained)}")
        latest: EvaluationResult | None = None
        for epoch in trainer.fit():
            if recipe.evaluates_after(epoch):
                latest = assess()
                if latest is not None and fabric.is_global_zero:
                    run.log("evaluation", epoch=epoch, **_percent(latest))
                    shown.line(f"after epoch {epoch + 1}: {_words(latest)}")
        if latest is None:
            latest = assess()
        training = Embeddings(trainer.embed().numpy(), rows)
        summary = _summary(recipe, manifest, trainer, latest)
        if fabric.is_global_zero:
            _finish(run, recipe, rows, network, trainer.beginning.report, summary, cameras)
            with torch.no_grad():
                run.keep_diagnostics(method.eval().diagnostics(), type(method).__module__)
        fabric.barrier()
    return Outcome(run, recipe, summary, trainer.beginning.scores, latest, training, fabric.is_global_zero)


def _open_data(recipe: Recipe, resumed: Path | None) -> Manifest:
    """The data set; where a run is resumed whose data are gone, the message says how to name their new place."""
    try:
        return open_dataset(recipe.data)
    except DataError as error:
        if resumed is None:
            raise
        raise DataError(
            error.where,
            found=error.found,
            expected=error.expected,
            remedy=f"{error.remedy} Where this run's data moved: reknow train --resume {resumed} --data FORMAT:PATH",
        ) from error


def _keep_place(run: Run, recipe: Recipe, display: Display, *, writes: bool) -> None:
    """Where the data of a resumed run moved, its recipe names the new place from now on."""
    before = run.recipe().data
    if writes and before != recipe.data:
        run.keep_recipe(recipe)
        display.line(f"note: the same rows as in {before}; {run.folder / 'recipe.yaml'} now names {recipe.data}")


def _refuse_unseen(rows: Manifest, network: Network) -> None:
    """Every training row needs a picture that the network looks at."""
    columns = [rows.column(spectrum) for spectrum in network.spectra]
    blind = [row for row, pictures in enumerate(zip(*columns, strict=True)) if not any(pictures)]
    if blind:
        names = " or ".join(network.spectra)
        raise DataError(
            f"{rows.name}, row {blind[0]} (observation '{rows.column('observation')[blind[0]]}')",
            found=f"no picture in {names}, and none in {len(blind) - 1} more training rows",
            expected="one in every training row, since the network looks at no other spectrum",
            remedy="Leave those rows out, or set network.spectrum (network.spectra) to what all of them have.",
        )


def _open_run(folder: Path, recipe: Recipe, resume: bool, fabric: Fabric) -> Run:
    """The run's folder; the main process alone creates it."""
    if resume:
        return Run.open(folder)
    if fabric.is_global_zero:
        Run.create(folder, recipe)
    fabric.barrier()
    return Run.open(folder)


def _cameras_of(rows: Manifest, recipe: Recipe) -> tuple[str, ...]:
    """The names of the training cameras where the network has a table for them, in its order; else none.

    Raises:
        RecipeError: more cameras than the table has rows.
    """
    _, names = encode(rows.column("camera"))
    room = known_cameras(recipe.network)
    if room and len(names) > room:
        raise RecipeError(
            f"recipe '{recipe.name}', field 'network.trunk.cameras'",
            found=f"{room}, for {len(names)} cameras in the training rows of {rows.name}",
            expected=f"{len(names)}, or 0 to look at no camera",
            remedy=f"--network.trunk.cameras {len(names)}",
        )
    return tuple(names) if room else ()


def _open_pictures(rows: Manifest, recipe: Recipe, display: Display) -> Pictures:
    return Pictures.open(
        rows,
        recipe.preprocessing.size,
        interpolation=recipe.preprocessing.interpolation,
        progress=display.bar(f"reading {len(rows):,} pictures"),
    )


def _percent(result: EvaluationResult) -> dict[str, Any]:
    return {name: value for name, value in result.numbers().items() if not isinstance(value, str)}


def _words(result: EvaluationResult) -> str:
    numbers = result.scores
    return f"mAP {100 * numbers.mAP:.1f}, rank-1 {100 * float(numbers.cmc[0]):.1f} ({numbers.protocol})"


def _summary(recipe: Recipe, manifest: Manifest, trainer: Trainer, after: EvaluationResult | None) -> dict[str, Any]:
    """The content of ``summary.json``: percentages, or null where the data cannot tell."""
    unknown: dict[str, Any] = dict.fromkeys(("mAP", "rank1", "rank5", "rank10", "mINP"))
    unread = manifest.training().notes_on(trainer.method.network.columns)
    notes = [*manifest.notes, *recipe.notes, *unread, *trainer.position.notes]
    if after is None:
        why = "No query and gallery in the data" if manifest.has("identity") else "No identities in the data"
        notes.append(f"{why}, so there are no scores; look at the groups.")
    else:
        notes += [*after.notes, *after.scores.notes]
    before, seconds = trainer.beginning.scores, trainer.position.seconds
    return {
        "recipe": recipe.name,
        "method": type(recipe.method).__name__.removesuffix("Config"),
        "dataset": recipe.data,
        "seed": recipe.seed,
        **(unknown if after is None else after.numbers()),
        "intervals": {} if after is None else in_percent(after.intervals),
        "start": unknown if before is None else numbers_of(before),
        "score_precision": "32",
        "score_size": list(recipe.preprocessing.size),
        "seconds": round(seconds, 1),
        "images_per_second": round(trainer.position.pictures / max(seconds, 1e-9), 1),
        "peak_memory_gb": round(peak_memory_gb(), 2),
        "notes": list(dict.fromkeys(notes)),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _finish(
    run: Run,
    recipe: Recipe,
    rows: Manifest,
    network: Network,
    started_from: tuple[str, ...],
    summary: dict[str, Any],
    cameras: tuple[str, ...],
) -> None:
    identities = rows.codes("identity")
    card = Card(
        name=recipe.name,
        trained_on=recipe.data,
        data_fingerprint=rows.fingerprint(),
        dataset=rows.name,
        cameras=cameras,
        identities=len(np.unique(identities[identities >= 0])),
        license=recipe.license,
        spectra=network.spectra,
        started_from=started_from,
        scores={
            f"{name} ({recipe.data}, {summary['protocol']})": round(summary[name], 2)
            for name in ("mAP", "rank1", "mINP")
            if summary.get(name) is not None
        },
    )
    recognizer = Recognizer(recipe.network, network, recipe.preprocessing, card, "cpu")
    if not (run.folder / "recognizer").exists():
        recognizer.save(run.folder / "recognizer")
    run.summarize(summary)
