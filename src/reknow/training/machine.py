"""The machine that numbers come from, and how much of its memory they took."""

from __future__ import annotations

import os
import platform
import resource
import time

import torch

import reknow


def machine() -> dict[str, str]:
    """What numbers of speed and memory depend on, and when it was asked."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "reknow": reknow.__version__,
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "CPU": f"{platform.machine()}, {os.cpu_count()} cores",
        "GPU": gpu,
        "memory": f"{memory:.0f} GiB",
        "system": platform.system(),
        "written": time.strftime("%Y-%m-%d %H:%M"),
    }


def peak_memory_gb() -> float:
    """The most memory that this process held: on the GPU where there is one, else in RAM."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
