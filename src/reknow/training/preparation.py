"""What a run needs before its first step: data, network, method, the rows to score, and where to compute.

Everything here is found out before anything is written, so that what is wrong with data or recipe shows at once.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Shaped
from lightning_fabric import Fabric

from reknow.data.cache import Pictures
from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest, encode
from reknow.errors import DataError, RecipeError
from reknow.methods.method import Method, identity_labels
from reknow.methods.recipe import Recipe
from reknow.methods.sampling import PlannedRows
from reknow.methods.training_set import TrainingSet
from reknow.models.network import Network
from reknow.precision import resolved
from reknow.progress import Display, Progress
from reknow.recognizer import Card, Recognizer, known_cameras
from reknow.recognizer.evaluation import EvaluationResult, EvaluationSplit, evaluation_split
from reknow.training.contract import check_groups
from reknow.training.initialization import Initialized, initialized

# Fabric announces precision and processes in its own words; the display has ours.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Inputs:
    """Data, network and device of a run, before any picture is read.

    Attributes:
        recipe: with the network that the run has, where the recipe follows its weights.
        manifest: the whole data set.
        rows: those to train on.
        scored: queries and gallery to score on; None where the data have none.
        cameras: their names where the network has a table for them, in its order; else none.
        network: with the weights that it starts from.
        weights: what was loaded, resized, ignored and left random.
        fabric: device, precision and processes.
        remarks: what was changed in the recipe, for the user.
    """

    recipe: Recipe
    manifest: Manifest
    rows: Manifest
    scored: EvaluationSplit | None
    cameras: tuple[str, ...]
    network: Network
    weights: tuple[str, ...]
    fabric: Fabric
    remarks: tuple[str, ...]

    def fingerprint(self) -> str:
        """Of all rows, those of another data set that the run is scored on included."""
        other = self.recipe.evaluation_data and self.scored
        return self.manifest.fingerprint() + (f" {other.manifest.fingerprint()}" if other else "")


@dataclass(frozen=True)
class Prepared(Inputs):
    """A run before its first step.

    Attributes:
        training_set: the rows with their pictures, as the method may use them.
        method: on the device; its network is usually that of the inputs, and may be a copy of it (momentum encoder).
        test: the rows to score; None where the data have none.
    """

    training_set: TrainingSet
    method: Method
    test: TestRows | None

    @property
    def notes(self) -> list[str]:
        """Notes on data and recipe for the user."""
        return [
            *self.remarks,
            *self.manifest.notes,
            *self.recipe.notes,
            *self.rows.notes_on(self.method.network.columns),
        ]


@dataclass(frozen=True)
class TestRows:
    """The rows that a run is scored on, with their pictures.

    Attributes:
        split: queries and gallery.
        pictures: of its rows.
        pixels: a hash of each row's pictures, equal where they are.
    """

    split: EvaluationSplit
    pictures: Pictures
    pixels: Shaped[np.ndarray, "rows"]

    def score(
        self, network: Network, recipe: Recipe, card: Card, device: torch.device, progress: Progress
    ) -> EvaluationResult:
        """Score a network as it is; in 32 bit, whatever the run trains in."""
        recognizer = Recognizer(recipe.network, network, recipe.preprocessing, card, device, "32")
        manifest = self.split.manifest
        vectors = recognizer.embed_pictures(
            self.pictures,
            recognizer.camera_codes(manifest),
            annotations=recognizer.annotations(manifest),
            progress=progress,
        )
        return self.split.score(Embeddings(vectors, manifest, pixels=self.pixels))


def inputs_of(recipe: Recipe, resumed: Path | None) -> Inputs:
    """What a recipe names, opened and built.

    Args:
        recipe: what to do.
        resumed: the folder of the run that goes on; None for a new run.

    Raises:
        DataError, EvaluationError, RecipeError, WeightsError: what is wrong with data, recipe or weights.
    """
    manifest = _open_data(recipe, resumed)
    rows = manifest.training()
    if not len(rows):
        raise DataError(manifest.name, found="no row in the split 'train'", remedy="Mark the rows to train on.")
    scored, remarks = EvaluationSplit.of(manifest), ()
    if recipe.evaluation_data:
        scored = evaluation_split(_open_data(recipe, resumed, "evaluation_data"), recipe.evaluation_data)
        recipe, remarks = _without_camera_table(recipe, rows, scored)
    torch.manual_seed(recipe.seed)
    # A resumed run takes its weights from the checkpoint and the shape of its network from its recipe.yaml: the file
    # that it started from may be gone.
    initial = Initialized(recipe, recipe.network.build(), ()) if resumed else initialized(recipe)
    recipe, network = initial.recipe, initial.network
    cameras = _cameras_of(rows, recipe)
    _check_pictures(rows, network)
    return Inputs(recipe, manifest, rows, scored, cameras, network, initial.report, start_fabric(recipe), remarks)


def prepare(inputs: Inputs, display: Display, watch: Callable[[str], Progress]) -> Prepared:
    """Everything that a run needs; nothing is written but the picture cache.

    Args:
        inputs: of the run.
        display: what the user sees.
        watch: shows the progress of work on the training set, by the work's name.

    Raises:
        DataError, RecipeError, ContractError: what is wrong with pictures, recipe or method.
    """
    recipe, rows, network, fabric = inputs.recipe, inputs.rows, inputs.network, inputs.fabric
    training_set = TrainingSet(
        rows,
        lambda: _open_pictures(rows, recipe, display),
        recipe.preprocessing,
        names=recipe.method.supervised,
        annotations=network.annotations(rows.own_cells(network.columns)),
        epochs=recipe.epochs,
        iterations=recipe.iterations if isinstance(recipe.iterations, int) else None,
        seed=recipe.seed,
        device=fabric.device,
        autocast=fabric.autocast,
        watch=watch,
    )
    method = recipe.method.build(network.to(fabric.device).eval(), training_set)
    check_groups(method, method.parameter_groups(recipe.optimizer.bias_lr_factor))
    _check_sampling(recipe, training_set)
    prepared = Prepared(**vars(inputs), training_set=training_set, method=method, test=None)
    for note in prepared.notes:
        display.line(f"note: {note}")
    for line in inputs.weights:
        display.line(line)
    training_set.open()
    if inputs.scored is None:
        return prepared
    pictures = _open_pictures(inputs.scored.manifest, recipe, display)
    return replace(prepared, test=TestRows(inputs.scored, pictures, pictures.hashes()))


def _check_sampling(recipe: Recipe, training_set: TrainingSet) -> None:
    """Draw once where labels are known, so that a rule which these rows cannot serve says so before any work."""
    if recipe.method.supervised:
        planned = PlannedRows(identity_labels(training_set.manifest), training_set.cameras, training_set.present)
        recipe.sampling.draw(planned, np.random.default_rng(recipe.seed), steps=1)


def start_fabric(recipe: Recipe) -> Fabric:
    """One process, or this process of a ``torchrun`` job; the recipe's precision."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # Where auto chooses: on a CPU with AVX-512 BF16 the small network trained 292 pictures a second instead of 223.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = {"32": "32-true", "bf16": "bf16-mixed"}[resolved(device, recipe.precision)]
    strategy: Any = "auto"
    if processes > 1:
        from lightning_fabric.strategies.ddp import DDPStrategy

        # Memories are buffers whose size changes; the loop itself keeps statistics equal. A process's share of a batch
        # need not use every parameter: that of one spectrum leaves the other's stem alone.
        strategy = DDPStrategy(broadcast_buffers=False, find_unused_parameters=True)
        warnings.filterwarnings("ignore", "find_unused_parameters=True was specified")
    fabric = Fabric(devices=local, num_nodes=processes // local, strategy=strategy, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def _open_data(recipe: Recipe, resumed: Path | None, field: Literal["data", "evaluation_data"] = "data") -> Manifest:
    """A data set; where a run is resumed whose data are gone, the message says how to name their new place."""
    try:
        return open_dataset(getattr(recipe, field))
    except DataError as error:
        if resumed is None:
            raise
        raise DataError(
            error.where,
            found=error.found,
            expected=error.expected,
            remedy=f"{error.remedy} Where this run's data moved: reknow train --resume {resumed} "
            f"--{field.replace('_', '-')} FORMAT:PATH",
        ) from error


def _without_camera_table(recipe: Recipe, rows: Manifest, scored: EvaluationSplit) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe for scores on another data set, whose cameras a table of the training cameras does not have."""
    if not known_cameras(recipe.network) or scored.manifest.name == rows.name:
        return recipe, ()
    network: Any = recipe.network  # some frozen dataclass
    without = replace(network, trunk=replace(network.trunk, cameras=0))
    note = f"The network has no table of cameras: {recipe.evaluation_data} has other cameras than {recipe.data}."
    return replace(recipe, network=without), (note,)


def _check_pictures(rows: Manifest, network: Network) -> None:
    """Every training row needs a picture in a spectrum that the network uses."""
    columns = [rows.column(spectrum) for spectrum in network.spectra]
    without = [row for row, pictures in enumerate(zip(*columns, strict=True)) if not any(pictures)]
    if without:
        names = " or ".join(network.spectra)
        raise DataError(
            f"{rows.name}, row {without[0]} (observation '{rows.column('observation')[without[0]]}')",
            found=f"no picture in {names}, and none in {len(without) - 1} more training rows",
            expected="one in every training row, since the network uses no other spectrum",
            remedy="Leave those rows out, or set network.spectrum (network.spectra) to what all of them have.",
        )


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
            expected=f"{len(names)}, or 0 to use no camera",
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
