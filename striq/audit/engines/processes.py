"""Number of worker processes, and threads of each."""

from __future__ import annotations

import torch

from striq.processors import num_processors


def default_workers() -> int:
    """Return the number of GPUs, or of processors if there is no GPU."""
    return torch.cuda.device_count() or num_processors()


def threads_each(workers: int) -> int:
    """Return the number of threads that each worker should use."""
    return max(1, num_processors() // workers)
