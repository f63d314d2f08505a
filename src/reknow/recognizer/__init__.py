"""Recognizer: a trained network together with its preprocessing. This is what users import.

- ``recognizer.py``: the class, and :func:`load`;
- ``reading.py``: pictures in any form that users have, decoded and resized ahead of the network;
- ``precision.py``: where a network computes in bf16;
- ``card.py``: where a recognizer comes from and what it is for, as fields and in words;
- ``folder.py``: a recognizer on disk;
- ``pretrained.py``: a file of weights that somebody else trained, as a recognizer.
"""

from reknow.recognizer.card import Card, known_cameras
from reknow.recognizer.recognizer import SHIPPED, Recognizer, load

__all__ = [
    "SHIPPED",
    "Card",
    "Recognizer",
    "known_cameras",
    "load",
]
