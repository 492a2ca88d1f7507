"""Preparation of the next batch in a thread, and the threads that computation uses."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from striq.processors import num_processors
from striq.signals import READER_NAME, is_ending

Item = TypeVar("Item")
POLL_S = 0.2


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items in order while a thread makes the next one; at most one item waits.

    An error while an item is made is raised in its place. When the iteration is abandoned, the thread finishes the
    item it has begun and asks for no further ones; where a signal ends the program, nothing waits for the thread.

    Args:
        items: Made one at a time, always by the same thread.
    """
    asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
    made: queue.SimpleQueue[_Made[Item]] = queue.SimpleQueue()

    def work() -> None:
        while asked.get():
            made.put(_make(items))

    # A daemon, because the interpreter would wait for any other thread.
    thread = threading.Thread(target=work, name=READER_NAME, daemon=True)
    thread.start()
    try:
        asked.put(True)
        while (found := _wait_for(made)).items:
            asked.put(True)
            yield found.items[0]
    finally:
        asked.put(False)
        while thread.is_alive() and not is_ending():
            thread.join(POLL_S)


@dataclass(frozen=True)
class _Made(Generic[Item]):
    """The next item, none at the end, or the error that it raised."""

    items: tuple[Item, ...] = ()
    error: BaseException | None = None


def _make(items: Iterator[Item]) -> _Made[Item]:
    try:
        for item in items:
            return _Made((item,))
    except BaseException as error:
        return _Made(error=error)
    return _Made()


def _wait_for(made: queue.SimpleQueue[_Made[Item]]) -> _Made[Item]:
    while True:
        try:
            found = made.get(timeout=POLL_S)  # without a timeout, Windows would not notice Ctrl+C
        except queue.Empty:
            continue
        if found.error is not None:
            raise found.error
        return found


def keep_threads() -> None:
    """Set the number of PyTorch's threads to its present value.

    Until it is set, PyTorch lets MKL choose, and MKL ends its threads and starts new ones wherever its operations
    alternate with PyTorch's: a third of the time of a frame (docs/decisions/0005-cpu-engine.md).
    """
    torch.set_num_threads(torch.get_num_threads())


def has_spare_core() -> bool:
    """Return whether a core is free beside those that PyTorch's operations use.

    Without one, a thread that prepares the next batch delays every operation: 17 frames a second instead of 24
    (docs/decisions/0005-cpu-engine.md).
    """
    return num_processors() > torch.get_num_threads()
