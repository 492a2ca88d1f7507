"""Preparation of the next batch in a thread, and the threads and processors that computation uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items in order while a thread makes the next one; at most one item waits.

    An error while an item is made is raised in its place. When the iteration is abandoned, the thread finishes the
    item it has begun and asks for no further ones.

    Args:
        items: Made one at a time, always by the same thread.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as pool:
        pending = pool.submit(_next, items)
        while (found := pending.result()) is not None:
            pending = pool.submit(_next, items)
            yield found[0]


def _next(items: Iterator[Item]) -> tuple[Item] | None:
    for item in items:
        return (item,)
    return None


def keep_threads() -> None:
    """Set the number of PyTorch's threads to its present value.

    Until it is set, PyTorch lets MKL choose, and MKL ends its threads and starts new ones wherever its operations
    alternate with PyTorch's: a third of the time of a frame (docs/decisions/0005-cpu-engine.md).
    """
    torch.set_num_threads(torch.get_num_threads())


def num_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_spare_core() -> bool:
    """Return whether a core is free beside those that PyTorch's operations use.

    Without one, a thread that prepares the next batch delays every operation: 17 frames a second instead of 24
    (docs/decisions/0005-cpu-engine.md).
    """
    return num_processors() > torch.get_num_threads()
