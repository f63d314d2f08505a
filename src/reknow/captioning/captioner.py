"""Captioner: the contract of what describes pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from reknow.data.captions import Caption
from reknow.observation import Spectrum


class Shown(NamedTuple):
    """A picture to describe.

    Attributes:
        key: its name in the file of captions; random numbers may depend on it, words never.
        spectrum: what it shows; colors of infrared pictures are not to be named.
        pixels: (height, width, 3) uint8, RGB.
    """

    key: str
    spectrum: Spectrum
    pixels: UInt8[np.ndarray, "height width 3"]


class Captioner(ABC):
    """Pictures to captions; a picture's caption depends on nothing but the picture, its key and the settings.

    Attributes:
        name: for the file.
        batch: how many pictures it takes at once.
    """

    name: str
    batch: int

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, str | int | float]:
        """All that its captions depend on beside pictures and keys; a file is completed with equal settings alone."""

    @abstractmethod
    def describe(self, pictures: Sequence[Shown]) -> list[Caption | None]:
        """A caption for each picture; None where there is nothing that it can say."""
