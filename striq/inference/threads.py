"""The threads of the mathematics libraries, kept alive between operations."""

from __future__ import annotations

import torch


def keep_threads() -> None:
    """Set the number of threads to what it is.

    As long as nobody has set it, PyTorch leaves MKL free to choose, and MKL ends its threads and starts new ones
    wherever its own operations meet PyTorch's: a third of the time of a frame (docs/decisions/0005).
    """
    torch.set_num_threads(torch.get_num_threads())
