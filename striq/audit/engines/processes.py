"""How many processes share a machine, and how they are ended."""

from __future__ import annotations

import signal
import sys

import torch

from striq.scoring.prefetch import num_processors

TERMINATED = 128 + signal.SIGTERM  # exit status, as shells report it


def default_workers() -> int:
    """Return one worker per GPU, or per processor where there is no GPU."""
    return torch.cuda.device_count() or num_processors()


def threads_each(workers: int) -> int:
    """Return how many threads each of the workers should use."""
    return max(1, num_processors() // workers)


def end_on_sigterm() -> None:
    """Let SIGTERM end this process as an error would, with files closed and notes kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
