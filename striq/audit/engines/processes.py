"""Number of worker processes, threads of each, and their end on SIGTERM."""

from __future__ import annotations

import signal
import sys

import torch

from striq.scoring.prefetch import num_processors

TERMINATED = 128 + signal.SIGTERM  # exit status, as shells report it


def default_workers() -> int:
    """Return the number of GPUs, or of processors if there is no GPU."""
    return torch.cuda.device_count() or num_processors()


def threads_each(workers: int) -> int:
    """Return the number of threads that each worker should use."""
    return max(1, num_processors() // workers)


def end_on_sigterm() -> None:
    """Make SIGTERM raise ``SystemExit``, so that files are closed and crash journals stay correct."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
