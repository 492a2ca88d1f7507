"""The progress bar of long work, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")


class _Switch:
    """Whether this program shows progress bars at all."""

    is_on = True


def show_progress_bars(*, shown: bool) -> None:
    """Let the program show progress bars, or none."""
    _Switch.is_on = shown


def progress_bar(*, quiet: bool = False) -> Progress:
    """Return a progress bar on standard error, shown only if that is a terminal.

    Args:
        quiet: Show nothing.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_hidden = quiet or not _Switch.is_on or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=is_hidden)


def track(
    items: Iterable[Item], *, description: str, total: float | None = None, quiet: bool = False
) -> Iterator[Item]:
    """Yield items and show how many are done, as :func:`progress_bar` does.

    Args:
        items: What to work on.
        description: Name of the work.
        total: Number of items; that of ``items`` by default.
        quiet: Show nothing.
    """
    with progress_bar(quiet=quiet) as progress:
        yield from progress.track(items, total=total, description=description)
