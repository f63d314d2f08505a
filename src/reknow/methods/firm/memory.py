"""FIRM's evolving multi-view memory (section 3.3), by one name.

- :mod:`.cluster_memory`: the state, how it begins from labels, how a checkpoint keeps it;
- :mod:`.confidence`: how surely a picture belongs to a cluster, by optimal transport; the gate; the update of a step;
- :mod:`.evolution`: what happens to clusters between epochs: merge, split, retire, and the pull toward fusion.

All are functions of tensors. With several processes each gets the rows of all of them (:mod:`reknow.distributed`), and
what decides on clusters is computed by the first alone (``from_first``), since a similarity just above a threshold on
one host may be just below it on another.
"""

from reknow.methods.firm.cluster_memory import (
    FUSION,
    INFRARED,
    RGB,
    VIEWS,
    ClusterMemory,
    StoredMemory,
    bootstrap,
    recounted,
    view_means,
)
from reknow.methods.firm.confidence import Transport, TransportPlans, open_gate, transport_plans, update
from reknow.methods.firm.evolution import (
    Average,
    Merging,
    Splitting,
    confidence_variance,
    dispersion,
    merge,
    mergeable_pairs,
    pulled_to_fusion,
    relabelled,
    retire,
    split,
)

__all__ = [
    "FUSION",
    "INFRARED",
    "RGB",
    "VIEWS",
    "Average",
    "ClusterMemory",
    "Merging",
    "Splitting",
    "StoredMemory",
    "Transport",
    "TransportPlans",
    "bootstrap",
    "confidence_variance",
    "dispersion",
    "merge",
    "mergeable_pairs",
    "open_gate",
    "pulled_to_fusion",
    "recounted",
    "relabelled",
    "retire",
    "split",
    "transport_plans",
    "update",
    "view_means",
]
