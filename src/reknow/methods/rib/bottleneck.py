"""The information-bottleneck bound by the method's name; any method can use it, so it stands in ``losses``."""

from reknow.losses.bottleneck import (
    CLAMP,
    Bottleneck,
    Information,
    bottleneck_bound,
    class_centroids,
    class_conditional,
    entropy,
    feature_term,
    information,
    input_term,
    mutual_information,
    soft_assignments,
)

__all__ = [
    "CLAMP",
    "Bottleneck",
    "Information",
    "bottleneck_bound",
    "class_centroids",
    "class_conditional",
    "entropy",
    "feature_term",
    "information",
    "input_term",
    "mutual_information",
    "soft_assignments",
]
