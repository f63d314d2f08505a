"""``rib``: what do channel selection and the bottleneck bound give, alone and together?

The base is TransReID on the world, half of whose crops are occluded: RIB without the bound and with ViT's own attention
is the same to the bit. One picture of each identity is held out of training in all rows, so that the information is
measured on pictures that were not trained on, too. Every run is also scored with 20 to 80 % of its queries hidden.
"""

from __future__ import annotations

from collections.abc import Mapping

from reknow.methods.recipe import Recipe
from reknow.methods.rib import recipes as rib
from reknow.models.attention import SoftmaxAttention
from reknow.models.channel_selection import ChannelSelection
from reknow.progress import Display
from reknow.recognizer import load
from reknow.recognizer.occlusion import SHARES, occlusion_scores
from reknow.studies.sizes import MANY_ROWS, Scale, Size
from reknow.studies.study import Study, Variant, replaced
from reknow.training.train import Outcome

OCCLUDED = "occlusion=0.5"
QUESTION = "What do channel selection and the bottleneck bound give TransReID where half of the crops are occluded?"
PARTS = (
    Variant("TransReID"),
    Variant("+ channel selection", {"network.trunk.attention": ChannelSelection()}),
    Variant("+ bound", {"method.eta": 1.0}),
    Variant("+ both (RIB)", {"network.trunk.attention": ChannelSelection(), "method.eta": 1.0}),
)
HIDDEN: Mapping[str, float] = {f"{share:.0%} hidden": share for share in SHARES}
"""Names of the columns of hidden queries."""


def study(scale: Scale) -> Study:
    """The four rows on the easy world."""
    return components("rib", QUESTION, scale, MANY_ROWS[scale], OCCLUDED)


def components(name: str, question: str, scale: Scale, size: Size, *options: str) -> Study:
    """The four rows on a world."""
    return Study(
        name=name,
        question=question,
        scale=scale,
        base=base_on(size, *options),
        variants=PARTS,
        columns=(
            "mAP",
            "rank1",
            "start_mAP",
            *HIDDEN,
            "bottleneck",
            "bound",
            "held_out/bottleneck",
            "seconds",
            "peak_memory_gb",
        ),
        score_run=with_hidden_queries,
        any_data=True,
    )


def base_on(size: Size, *options: str) -> Recipe:
    """TransReID on a world, by the method of RIB without its parts; a picture of each identity is held out."""
    base = size.on_world(rib.world(), *options)
    for path, value in (("method.eta", 0.0), ("method.held_out", 1), ("network.trunk.attention", SoftmaxAttention())):
        base = replaced(base, path, value)
    return base


def with_hidden_queries(outcome: Outcome) -> Mapping[str, float]:
    """mAP in percent with each share of the queries hidden."""
    recognizer, data = load(outcome.run.folder), outcome.recipe.scored_data
    scores = occlusion_scores(recognizer, data, tuple(HIDDEN.values()), display=Display(quiet=True))
    return dict(zip(HIDDEN, (score.mAP for score in scores), strict=True))
