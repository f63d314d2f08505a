"""Recipe: a complete run, as one frozen value.

A recipe is returned by a function in a method's ``recipes.py``; the command line may replace any field.
:mod:`reknow.methods.catalog` lists the recipes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.errors import RecipeError
from reknow.fields import NonNegativeInt, PositiveInt, Seed, check_fields
from reknow.methods.method import MethodConfig
from reknow.methods.optimization import Optimizer, Schedule
from reknow.methods.sampling import BatchRule, Sampling
from reknow.models.network import NetworkConfig
from reknow.precision import Precision

MOST_PASSES = 3
"""How often an epoch of ``iterations`` all draws a picture at most, on average: where nine in ten are outliers, the
others would be drawn ten times."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a run depends on.

    Attributes:
        name: name of the recipe, METHOD or METHOD/VARIANT.
        method: settings of the method.
        network: shape of the network that makes embeddings of pictures.
        data: data set to train on, as FORMAT:PATH.
        evaluation_data: another data set to score on, as FORMAT:PATH; empty scores on the queries and gallery of the
            data set to train on. The cameras of another data set are unknown, so the network then has no table of
            cameras.
        weights: initial weights of the network: shipped (the package's own small trunk), random, the folder of a run or
            a recognizer, or a file with a trunk's weights (.pth, .safetensors). A file name without a folder is also
            searched for in the folder that the environment variable REKNOW_WEIGHTS names. Options of the file follow a
            question mark, such as FILE?stride=12. Empty where a recipe needs a file that the package may not contain.
        follow_weights: whether the network takes its shape and its normalization from the file of weights; without it,
            a file of another network is refused.
        preprocessing: picture size and normalization; saved with the recognizer.
        augmentation: random changes of training pictures.
        sampling: how batches are drawn.
        optimizer: optimizer of the weights.
        schedule: learning rate over the run.
        epochs: number of epochs.
        iterations: steps per epoch; None leaves the number to the sampling, by default the training pictures of the
            epoch divided by the batch size; all counts those too that the epoch leaves out, such as outliers, but lets
            no picture be drawn more than three times on average.
        evaluate_every: epochs between two evaluations; 0 evaluates only before and after training.
        checkpoint_every: epochs between two checkpoints; 0 writes one only at the end, and when the run is stopped.
        seed: seed of all random numbers.
        precision: number format of training; auto is bf16 where the processor computes in it, 32 bit elsewhere.
        status: whether the numbers of this recipe have been reproduced.
        license: license of the trained weights, for their card.
    """

    name: str
    method: MethodConfig
    network: NetworkConfig
    data: str = ""
    evaluation_data: str = ""
    weights: str = "shipped"
    follow_weights: bool = False
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    augmentation: Augmentation = field(default_factory=Augmentation)
    sampling: BatchRule = field(default_factory=Sampling)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    epochs: PositiveInt = 50
    iterations: PositiveInt | Literal["all"] | None = None
    evaluate_every: NonNegativeInt = 0
    checkpoint_every: NonNegativeInt = 1
    seed: Seed = 1
    precision: Precision = "auto"
    status: str = "not yet reproduced"
    license: str = "unstated"

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_milestones()

    @property
    def scored_data(self) -> str:
        """The data set that the run is scored on, as FORMAT:PATH."""
        return self.evaluation_data or self.data

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about settings that are allowed and probably not meant; printed when the recipe is run."""
        schedule, turns = self.schedule, self._turns
        if turns is None:
            return ()
        if turns == 1 and schedule.kind == "cosine":
            return (
                f"The cosine (schedule.kind) of a run of one of its {schedule.counts} is at its end from the start, so "
                f"the learning rate is {schedule.floor:g} of its peak; --schedule.kind constant leaves it at the peak.",
            )
        if turns <= schedule.warmup:
            return (
                f"The warm-up (schedule.warmup {schedule.warmup}) lasts as long as the run ({schedule.counts} {turns}),"
                " so the learning rate never comes to its peak; --schedule.warmup shortens it.",
            )
        return ()

    @property
    def _turns(self) -> int | None:
        """Epochs or steps of the run, as its schedule counts; None where the sampling decides how many steps."""
        if self.schedule.counts == "epochs":
            return self.epochs
        return self.epochs * self.iterations if isinstance(self.iterations, int) else None

    def steps_of_epoch(self, rows: int, planned: int, batch_size: int) -> int | None:
        """Steps of an epoch; None where the sampling decides.

        Args:
            rows: of the training set.
            planned: of them, those that the epoch trains on.
            batch_size: pictures per step.

        Example:
            >>> from reknow.methods.catalog import recipe_named
            >>> recipe_named("cluster_contrast").steps_of_epoch(rows=2350, planned=1400, batch_size=64)
            37
        """
        if self.iterations != "all":
            return self.iterations
        return max(1, round(min(rows, MOST_PASSES * planned) / batch_size))

    def _check_milestones(self) -> None:
        milestones, turns = self.schedule.milestones, self._turns
        if turns is None or not milestones or milestones[-1] < turns:
            return
        within = " ".join(str(turn) for turn in milestones if turn < turns)
        raise RecipeError(
            "schedule.milestones",
            found=f"{milestones[-1]} in a run of {turns} {self.schedule.counts}, which are counted from 0",
            expected=f"at most {turns - 1}",
            remedy=f"Write --schedule.milestones {within}, or train longer."
            if within
            else "Write --schedule.kind constant and --schedule.milestones with no number after it, or train longer.",
        )

    def evaluates_after(self, epoch: int) -> bool:
        """Whether the test rows are embedded after this epoch, counted from 0: after the last in any case."""
        done = epoch + 1
        return done == self.epochs or bool(self.evaluate_every and done % self.evaluate_every == 0)

    def keeps_after(self, epoch: int) -> bool:
        """Whether a checkpoint is written after this epoch, counted from 0: after the last in any case."""
        done = epoch + 1
        return done == self.epochs or bool(self.checkpoint_every and done % self.checkpoint_every == 0)
