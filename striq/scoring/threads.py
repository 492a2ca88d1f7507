"""The threads of the mathematics libraries, kept alive between operations, and the processors they run on."""

from __future__ import annotations

import os

import torch


def keep_threads() -> None:
    """Set the number of threads to what it is.

    As long as nobody has set it, PyTorch leaves MKL free to choose, and MKL ends its threads and starts new ones
    wherever its own operations meet PyTorch's: a third of the time of a frame (docs/decisions/0005).
    """
    torch.set_num_threads(torch.get_num_threads())


def num_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_spare_core() -> bool:
    """Return whether a core is left beside those that PyTorch's operations take.

    Where none is, a thread that reads ahead makes every operation wait for the core it is on: 17 frames a second in
    place of 24 (docs/decisions/0005).
    """
    return num_processors() > torch.get_num_threads()
