"""Sizes: how large a study's world is and how long its runs are, at three scales.

The trunk is the shipped one at every size, since clusters need weights to start from and the package has no others;
networks that were searched start from random weights, with labels.
On two cores it trains 370 pictures a second and embeds 770 (128 x 64 pixels); a person of the world has about 14. An
epoch embeds every picture once and trains about as many. So a run of `FEW_ROWS["laptop"]` takes about two and a half
minutes, which is 15 runs in an hour, and one of `MANY_ROWS["laptop"]` about one and a quarter, which is 39.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

from reknow.methods.recipe import Recipe

Scale = Literal["quick", "laptop", "gpu"]

PICTURES_OF_A_PERSON = 14
"""On average; 30 at most: six cameras, five shots."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of a study's runs.

    Attributes:
        train_identities: people of the world to train on.
        test_identities: other people, to test with.
        epochs: of every run.
        batch_size: pictures per step.
    """

    train_identities: int
    test_identities: int
    epochs: int
    batch_size: int = 64

    def on_world(self, recipe: Recipe, *options: str) -> Recipe:
        """The recipe on a world of this size; the seed decides which world.

        Args:
            recipe: any.
            options: of the world, such as ``spectra=rgb,nir,tir``.
        """
        sampling = replace(recipe.sampling, batch_size=self.batch_size)
        return replace(recipe, data=self.world(*options), epochs=self.epochs, sampling=sampling)

    def world(self, *options: str, domain: str = "target") -> str:
        """A world of this size, as ``FORMAT:PATH``."""
        people = (f"train_identities={self.train_identities}", f"test_identities={self.test_identities}")
        return f"world:{domain}?{'&'.join((*people, *options))}"


FEW_ROWS: Mapping[Scale, Size] = {
    "quick": Size(train_identities=60, test_identities=60, epochs=6),
    "laptop": Size(train_identities=150, test_identities=100, epochs=16),
    "gpu": Size(train_identities=1000, test_identities=400, epochs=30, batch_size=128),
}
"""For studies of up to five rows."""

MANY_ROWS: Mapping[Scale, Size] = {
    "quick": Size(train_identities=60, test_identities=60, epochs=6),
    "laptop": Size(train_identities=100, test_identities=100, epochs=12),
    "gpu": Size(train_identities=500, test_identities=400, epochs=30, batch_size=128),
}
"""For sweeps of up to thirteen rows."""

HARD_ROWS: Mapping[Scale, Size] = {
    "quick": Size(train_identities=60, test_identities=60, epochs=4),
    "laptop": Size(train_identities=160, test_identities=100, epochs=12),
    "gpu": Size(train_identities=1000, test_identities=400, epochs=30, batch_size=128),
}
"""For studies on the hard world, whose people have 10 pictures each."""

HARD_ROWS_WITH_LABELS: Mapping[Scale, Size] = {
    "quick": HARD_ROWS["quick"],
    "laptop": Size(train_identities=160, test_identities=100, epochs=10),
    "gpu": HARD_ROWS["gpu"],
}
"""For methods that learn from labels there: they need fewer epochs, and three losses make theirs longer."""

FROM_RANDOM_WEIGHTS: Mapping[Scale, Size] = {
    "quick": Size(train_identities=40, test_identities=40, epochs=3, batch_size=32),
    "laptop": Size(train_identities=150, test_identities=100, epochs=40, batch_size=32),
    "gpu": Size(train_identities=1000, test_identities=400, epochs=80),
}
"""For small convolutional networks that no weights are there for, and that need more epochs for it."""

THREE_SPECTRA: Mapping[Scale, Size] = {
    "quick": Size(train_identities=20, test_identities=20, epochs=3, batch_size=32),
    "laptop": Size(train_identities=80, test_identities=50, epochs=8, batch_size=32),
    "gpu": Size(train_identities=500, test_identities=400, epochs=30, batch_size=128),
}
"""For a study in which every observation is three pictures, of about a dozen rows: 100 observations a second."""

THREE_SPECTRA_SWEPT: Mapping[Scale, Size] = {
    "quick": THREE_SPECTRA["quick"],
    "laptop": Size(train_identities=60, test_identities=40, epochs=8, batch_size=32),
    "gpu": Size(train_identities=300, test_identities=200, epochs=30, batch_size=128),
}
"""For the sweeps beside it."""


def scale_here(quick: bool = False) -> Scale:
    """The scale for this machine."""
    if quick:
        return "quick"
    return "gpu" if torch.cuda.is_available() else "laptop"
