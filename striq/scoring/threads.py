"""Number of threads that PyTorch computes with."""

from __future__ import annotations

import os
from functools import cache

import torch

from striq.processors import free_processors

VARIABLE = "OMP_NUM_THREADS"  # by which users choose the number for all programs


def use_threads(number: int | None = None) -> int:
    """Set and return the number of threads that PyTorch computes with.

    A thread that has to share its core holds up all others, because each operation ends when its last thread ends. So
    the default is the number of processors that other programs leave free.

    Args:
        number: Number of threads; by default that of ``OMP_NUM_THREADS``, or else what is free, at most as many as
            PyTorch would take.
    """
    own = _own_choice()
    if number is None:
        number = own if os.environ.get(VARIABLE) else min(own, free_processors())
    if number != torch.get_num_threads():
        torch.set_num_threads(number)
    return number


@cache
def _own_choice() -> int:
    """Return the number that PyTorch chose when it was loaded."""
    return torch.get_num_threads()
