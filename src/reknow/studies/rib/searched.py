"""``rib-searched``: is the network that RIB's search found better than others that cost as much?

Per seed one search; then the found network is trained from random weights with the whole loss, and so are networks of
the same space that were drawn at random among those of equal operations, to 2 % (:meth:`.SearchSpace.random_networks`).
The row ``search`` is the supernet itself, as the found network with the weights of the search.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from reknow.methods.rib import recipes as rib
from reknow.models.channel_search import FoundConfig
from reknow.models.found_network import read_network
from reknow.studies.sizes import FROM_RANDOM_WEIGHTS, Scale
from reknow.studies.study import Decided, Study, Variant
from reknow.training.run import Run
from reknow.training.train import Outcome

SEARCH = "search"
RANDOM = 5
"""Networks beside the found one."""


def study(scale: Scale) -> Study:
    """The found network, the random ones, and the search."""
    searching = rib.dcs_dnb_search_world()
    count = 2 if scale == "quick" else RANDOM
    return Study(
        name="rib-searched",
        question="Is the network that RIB's search found better than random ones of as many operations?",
        scale=scale,
        base=FROM_RANDOM_WEIGHTS[scale].on_world(rib.dcs_dnb_retrain_world()),
        variants=(
            Variant("found", decided=Decided(SEARCH, found_network)),
            *(
                Variant(f"random {number + 1}", decided=Decided(SEARCH, partial(random_network, number, count)))
                for number in range(count)
            ),
            Variant(SEARCH, {"method": searching.method, "network.trunk": searching.network.trunk}),
        ),
        columns=("mAP", "rank1", "operations", "seconds"),
        score_run=operations_of,
        any_data=True,
    )


def found_network(folder: Path, seed: int) -> Mapping[str, Any]:
    """What the search found."""
    return {"network.trunk": read_network(folder)}


def random_network(number: int, count: int, folder: Path, seed: int) -> Mapping[str, Any]:
    """One of some other networks that take as many operations.

    Args:
        number: which, from 0.
        count: how many are drawn.
        folder: of the search.
        seed: of the draw.
    """
    network = read_network(folder)
    size = Run.open(folder).recipe().preprocessing.size
    cost = int(network.operations(network.channels, size))
    drawn = network.random_networks(count, size, cost, seed=seed, without=network.channels)
    return {"network.trunk": network.with_channels(drawn[number])}


def operations_of(outcome: Outcome) -> Mapping[str, float]:
    """Millions of operations of a run's network for a picture; of a search, of what it found."""
    trunk = outcome.recipe.network.trunk
    network = trunk if isinstance(trunk, FoundConfig) else read_network(outcome.run.folder)
    return {"operations": int(network.operations(network.channels, outcome.recipe.preprocessing.size)) / 1e6}
