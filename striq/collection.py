"""When Python looks for garbage: not while modules are loaded, of which nothing is garbage.

Loading PyTorch makes some hundred thousand objects, through which Python would search again and again, and once more
at the end of the program: a third of a second of each command.
"""

from __future__ import annotations

import gc

LOADING_THRESHOLD = 200_000  # new objects between two searches while modules are loaded

_thresholds: list[tuple[int, int, int]] = []  # as they were before


def begin_loading() -> None:
    """Let the search for garbage be rare, in a program of its own, until :func:`end_loading`."""
    _thresholds.append(gc.get_threshold())
    gc.set_threshold(LOADING_THRESHOLD)


def end_loading() -> None:
    """Restore the search, and leave out what is there by now; nothing happens if loading has not begun."""
    if _thresholds:
        gc.freeze()
        gc.set_threshold(*_thresholds.pop())
