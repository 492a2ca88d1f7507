"""How many processes share a machine, and how they are ended."""

from __future__ import annotations

import os
import signal
import sys

import torch

TERMINATED = 128 + signal.SIGTERM  # exit status, as shells report it


def num_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """Return one worker per GPU, or per processor where there is no GPU."""
    return torch.cuda.device_count() or num_processors()


def threads_each(workers: int) -> int:
    """Return how many threads each of the workers should use."""
    return max(1, num_processors() // workers)


def end_on_sigterm() -> None:
    """Let SIGTERM end this process as an error would, with files closed and notes kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
