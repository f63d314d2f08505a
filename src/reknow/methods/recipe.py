"""Recipe: a complete run, as one frozen value.

A recipe is returned by a function in a method's ``recipes.py``; the command line may replace any field. Which recipes
there are says :mod:`reknow.methods.catalog`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.errors import RecipeError
from reknow.fields import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Seed,
    Share,
    ShareBelowOne,
    check_fields,
)
from reknow.methods.method import MethodConfig
from reknow.models.network import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a batch is drawn: P identities times K pictures.

    Attributes:
        batch_size: pictures per step over all processes.
        instances: K, pictures per identity.
        cross_camera: prefer an identity's pictures from other cameras than the first one drawn.
        statistics_over: pictures that batch norms (and released TCMM's token constraint) take their statistics over,
            whatever the number of processes; None means the whole batch. A step is carried out in parts of this size,
            so it also bounds the memory. A loss that compares pictures of a batch with each other (the triplet of the
            supervised baseline) compares within a part.
    """

    batch_size: PositiveInt = 64
    instances: PositiveInt = 4
    cross_camera: bool = True
    statistics_over: PositiveInt | None = None

    def __post_init__(self) -> None:
        check_fields(self, "sampling")
        if self.batch_size % self.instances:
            whole = max(self.instances, self.batch_size - self.batch_size % self.instances)
            raise RecipeError(
                "sampling.batch_size",
                found=f"{self.batch_size} with {self.instances} instances",
                expected="a multiple of sampling.instances, since a batch holds so many pictures of each identity",
                remedy=f"--sampling.batch-size {whole}, or another number of instances.",
            )
        over = self.statistics_over
        if over is not None and (not 1 < over <= self.batch_size or self.batch_size % over):
            raise RecipeError(
                "sampling.statistics_over",
                found=f"{over} of a batch of {self.batch_size}",
                expected="a divisor above 1 of it",
                remedy="Set --sampling.statistics-over to a divisor of the batch size.",
            )


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """How weights move.

    Attributes:
        kind: stochastic gradient descent, Adam, or Adam with decoupled weight decay.
        lr: learning rate of weights at the schedule's peak.
        bias_lr_factor: multiplies the learning rate of biases (TransReID: 2).
        momentum: of stochastic gradient descent.
        weight_decay: on all parameters, as the papers have it.
        clip: largest norm of the whole gradient; None leaves it alone.
    """

    kind: Literal["sgd", "adam", "adamw"] = "adam"
    lr: PositiveFloat = 3.5e-4
    bias_lr_factor: NonNegativeFloat = 1.0
    momentum: ShareBelowOne = 0.9
    weight_decay: NonNegativeFloat = 5e-4
    clip: PositiveFloat | None = None

    def __post_init__(self) -> None:
        check_fields(self, "optimizer")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate over epochs.

    Attributes:
        kind: constant; ``step``: times `gamma` every `every` epochs; ``cosine``: down to `floor` of the peak.
        warmup: epochs from `warmup_start` of the peak up to the peak.
        every: epochs between two steps.
        gamma: what a step multiplies by.
        floor: where the cosine ends, as a share of the peak.
        warmup_start: where the warm-up begins, as a share of the peak.
    """

    kind: Literal["constant", "step", "cosine"] = "constant"
    warmup: NonNegativeInt = 0
    every: PositiveInt = 20
    gamma: PositiveFloat = 0.1
    floor: Share = 0.002
    warmup_start: Share = 0.01

    def __post_init__(self) -> None:
        check_fields(self, "schedule")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a run depends on.

    Attributes:
        name: method and variant, as the user calls it.
        method: the method's own settings.
        network: from pictures to the retrieval vector.
        data: ``FORMAT:PATH`` of the data set.
        weights: where the network starts: ``shipped`` (the package's own small trunk), ``random``, the path of a
            recognizer's folder or a run, or a file with a trunk's weights (.pth, .safetensors); a bare name is also
            looked for in the folder that the environment variable REKNOW_WEIGHTS names, and what the file does not tell
            may follow (``FILE?stride=12``). Empty where a recipe needs a file that the package may not ship.
        follow_weights: whether a file of weights brings the shape of its network and its normalization along; without
            it, a file of another network is refused.
        preprocessing: picture size and normalization; travels with the recognizer.
        augmentation: what training does to a picture.
        sampling: how batches are drawn.
        optimizer: how weights move.
        schedule: the learning rate over epochs.
        epochs: how many.
        iterations: steps per epoch; None means as many as it takes to draw as many pictures as were planned.
        evaluate_every: epochs between two evaluations; 0 means only before and after.
        checkpoint_every: epochs between two checkpoints; 0 means only at the end, and where the run is stopped.
        seed: of everything that is drawn.
        precision: ``auto`` is bf16 where the processor computes in it, 32 bit elsewhere.
        status: who has seen this recipe's numbers.
        license: of the weights that come out, for their card.
    """

    name: str
    method: MethodConfig
    network: NetworkConfig
    data: str = ""
    weights: str = "shipped"
    follow_weights: bool = False
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    augmentation: Augmentation = field(default_factory=Augmentation)
    sampling: Sampling = Sampling()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    epochs: PositiveInt = 50
    iterations: PositiveInt | None = None
    evaluate_every: NonNegativeInt = 0
    checkpoint_every: NonNegativeInt = 1
    seed: Seed = 1
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    status: str = "not yet reproduced"
    license: str = "unstated"

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is allowed and hardly meant; said when the recipe is carried out."""
        warmup = self.schedule.warmup
        if not 0 < self.epochs <= warmup:
            return ()
        return (
            f"The warm-up (schedule.warmup {warmup}) lasts as long as the run (epochs {self.epochs}), so the learning "
            "rate never comes to its peak; --schedule.warmup shortens it.",
        )

    def evaluates_after(self, epoch: int) -> bool:
        """Whether the test rows are embedded after this epoch, counted from 0: after the last in any case."""
        done = epoch + 1
        return done == self.epochs or bool(self.evaluate_every and done % self.evaluate_every == 0)

    def keeps_after(self, epoch: int) -> bool:
        """Whether a checkpoint is written after this epoch, counted from 0: after the last in any case."""
        done = epoch + 1
        return done == self.epochs or bool(self.checkpoint_every and done % self.checkpoint_every == 0)
