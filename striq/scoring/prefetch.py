"""Reading and preparing of what comes next while the present is computed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items in order while a thread makes the next one; never more than one is waiting.

    An error in making an item is raised where the item would have been. Once the iteration is given up, nothing more
    is asked of ``items`` than the item begun.

    Args:
        items: Made one at a time, always by the same thread.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as pool:
        pending = pool.submit(_next, items)
        while (found := pending.result()) is not None:
            pending = pool.submit(_next, items)
            yield found[0]


def _next(items: Iterator[Item]) -> tuple[Item] | None:
    for item in items:
        return (item,)
    return None
