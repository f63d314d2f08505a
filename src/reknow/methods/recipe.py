"""Recipe: a complete run, as one frozen value.

A recipe is returned by a function in a method's ``recipes.py``; the command line may replace any field. Which recipes
there are says :mod:`reknow.methods.catalog`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.fields import NonNegativeInt, PositiveInt, Seed, check_fields
from reknow.methods.method import MethodConfig
from reknow.methods.optimization import Optimizer, Schedule
from reknow.methods.sampling import BatchRule, Sampling
from reknow.models.network import NetworkConfig
from reknow.precision import Precision


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
        schedule: the learning rate over the run.
        epochs: how many.
        iterations: steps per epoch; None leaves it to the sampling, by default as many as it takes to draw as many
            pictures as were planned.
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
    sampling: BatchRule = field(default_factory=Sampling)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    epochs: PositiveInt = 50
    iterations: PositiveInt | None = None
    evaluate_every: NonNegativeInt = 0
    checkpoint_every: NonNegativeInt = 1
    seed: Seed = 1
    precision: Precision = "auto"
    status: str = "not yet reproduced"
    license: str = "unstated"

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is allowed and hardly meant; said when the recipe is carried out."""
        schedule, counts = self.schedule, self.schedule.counts
        turns = self.epochs if counts == "epochs" else self.epochs * (self.iterations or 0)
        notes = []
        if 0 < turns <= schedule.warmup:
            notes.append(
                f"The warm-up (schedule.warmup {schedule.warmup}) lasts as long as the run ({counts} {turns}), so the "
                "learning rate never comes to its peak; --schedule.warmup shortens it."
            )
        if turns and (late := [turn for turn in schedule.milestones if turn >= turns]):
            notes.append(f"The run ({counts} {turns}) ends before the milestone {late[0]} of its schedule.")
        return tuple(notes)

    def evaluates_after(self, epoch: int) -> bool:
        """Whether the test rows are embedded after this epoch, counted from 0: after the last in any case."""
        done = epoch + 1
        return done == self.epochs or bool(self.evaluate_every and done % self.evaluate_every == 0)

    def keeps_after(self, epoch: int) -> bool:
        """Whether a checkpoint is written after this epoch, counted from 0: after the last in any case."""
        done = epoch + 1
        return done == self.epochs or bool(self.checkpoint_every and done % self.checkpoint_every == 0)
