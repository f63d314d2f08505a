"""The machine: whether the package runs on it, the facts on which measured speed depends, and the memory used.

The package runs on Linux. macOS has what it needs and is not tested; Windows does not (docs: troubleshooting).
"""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version

from reknow.errors import ReknowError


def refuse_windows() -> None:
    """Fail with a message on Windows, before the import of a module that Windows lacks fails with a traceback.

    Raises:
        ReknowError: this is Windows. Several runs share one picture cache by locks (fcntl) that it does not have.
    """
    if sys.platform in ("win32", "cygwin"):
        raise ReknowError(
            "Windows",
            found="reknow does not run on it",
            expected="Linux (or macOS, where it is not tested)",
            remedy="On Windows, install it inside the Windows Subsystem for Linux: wsl --install",
        )


def machine() -> dict[str, str]:
    """The facts on which numbers of speed and memory depend, and the time."""
    import torch  # takes seconds, and refuse_windows is called without it

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "reknow": version("reknow"),
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "CPU": f"{platform.machine()}, {os.cpu_count()} cores",
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "memory": f"{memory:.0f} GiB",
        "system": platform.system(),
        "written": time.strftime("%Y-%m-%d %H:%M"),
    }


def peak_memory_gb() -> float:
    """The peak memory of this process in GB: on the GPU if there is one, else in RAM."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
