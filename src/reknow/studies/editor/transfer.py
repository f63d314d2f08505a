"""``editor-transfer``: what does EDITOR carry over to other objects, other light and another domain?

Vehicles elsewhere are to vehicles what MSVR310 is to RGBNT100: other cameras, places and light. Each row trains on one
world and is tested on all of them, with other identities; nothing is adapted. Pictures of another shape are resized to
the network's own. Rows are compared on people by day, whatever they trained on; the shipped trunk that all start from
was trained on people of the source domain, in color.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reknow.methods.editor import recipes as editor
from reknow.progress import Display
from reknow.recognizer import load
from reknow.recognizer.evaluation import evaluate_recognizer
from reknow.studies.editor.base import DAY, NIGHT, SPECTRA, on_world
from reknow.studies.sizes import THREE_SPECTRA_SWEPT, Scale
from reknow.studies.study import Study, Variant, seeded_data
from reknow.training.train import Outcome


@dataclass(frozen=True)
class World:
    """Somewhere to train or to test.

    Attributes:
        options: of the world, beside its size and spectra.
        domain: whose world.
        shape: the fields that a network for its pictures needs.
    """

    options: tuple[str, ...]
    domain: str = "target"
    shape: Mapping[str, Any] = field(default_factory=dict)

    def data(self, scale: Scale) -> str:
        """As ``FORMAT:PATH``, without a seed."""
        return THREE_SPECTRA_SWEPT[scale].world(SPECTRA, *self.options, domain=self.domain)


LYING = editor.world_vehicles()
LYING_SHAPE: Mapping[str, Any] = {"network.trunk": LYING.network.trunk, "preprocessing": LYING.preprocessing}
WORLDS: Mapping[str, World] = {
    "people": World((DAY,)),
    "people at night": World((NIGHT,)),
    "people elsewhere": World((DAY,), domain="source"),
    "vehicles": World((DAY, "kind=vehicles"), shape=LYING_SHAPE),
    "vehicles elsewhere": World((DAY, "kind=vehicles"), domain="source", shape=LYING_SHAPE),
}


def study(scale: Scale) -> Study:
    """Every world to every world."""
    everywhere = {name: world.data(scale) for name, world in WORLDS.items()}
    first, *others = WORLDS

    def score_run(outcome: Outcome) -> dict[str, float]:
        """The trained network's mAP on all worlds of the run's seed, in percent."""
        recognizer, quiet = load(outcome.run.folder), Display(quiet=True)
        return {
            name: evaluate_recognizer(recognizer, seeded_data(data, outcome.recipe.seed), display=quiet).numbers["mAP"]
            for name, data in everywhere.items()
        }

    return Study(
        name="editor-transfer",
        question="What does EDITOR carry over to other objects, other light and another domain?",
        scale=scale,
        base=on_world(THREE_SPECTRA_SWEPT[scale], DAY),
        variants=(
            Variant(first),
            *(Variant(name, {"data": everywhere[name], **WORLDS[name].shape}) for name in others),
        ),
        columns=tuple(WORLDS),
        score_run=score_run,
    )
