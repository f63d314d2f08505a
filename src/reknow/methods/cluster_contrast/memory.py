"""The prototype memory, where the paper has it; it stands in :mod:`reknow.losses`, since other methods take it too."""

from reknow.losses.prototype_memory import PrototypeMemory, Update

__all__ = ["PrototypeMemory", "Update"]
