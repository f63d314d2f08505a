"""What a run knew before its first step, and could not find out again once the weights that it began from are gone.

Every checkpoint carries it, so a resumed run needs neither the file of weights nor the recognizer that it started from.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reknow.evaluation.scores import RankingScores


@dataclass(frozen=True)
class Beginning:
    """How a run began.

    Attributes:
        data: the fingerprint of the whole data set; rows to test with count too, since both ends are scored on them.
        report: what was loaded, resized, ignored and left random; kept in the recognizer's card.
        scores: of the test rows before training; None where the data cannot tell.
    """

    data: str
    report: tuple[str, ...] = ()
    scores: RankingScores | None = None

    def as_plain(self) -> dict[str, Any]:
        """Strings, numbers and tensors, as a checkpoint holds them."""
        scores = None
        if self.scores is not None:
            values = {field.name: getattr(self.scores, field.name) for field in dataclasses.fields(self.scores)}
            scores = {
                name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
                for name, value in values.items()
            }
        return {"data": self.data, "report": self.report, "scores": scores}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Beginning:
        """What :meth:`as_plain` made."""
        scores = None
        if plain["scores"] is not None:
            values: dict[str, Any] = {
                name: value.numpy() if isinstance(value, Tensor) else value for name, value in plain["scores"].items()
            }
            scores = RankingScores(**values)
        return cls(plain["data"], plain["report"], scores)
