"""Files opened one after the other, the next one while the present one is scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from striq.data.readers import open_cine
from striq.errors import StriqError
from striq.scoring.prefetch import has_spare_core, prefetch

if TYPE_CHECKING:
    from striq.data.cine import Cine


def open_ahead(paths: Iterable[Path]) -> Iterator[tuple[Path, Cine | StriqError]]:
    """Yield paths in order, each with its cine or the error that kept it from being opened.

    Where a processor is free, a thread opens the next file meanwhile, and of a still image also reads the frame and
    finds its fan.

    Args:
        paths: Files to open.
    """
    spare = has_spare_core()
    opened = (_open(path, ahead=spare) for path in paths)
    yield from prefetch(opened) if spare else opened


def _open(path: Path, *, ahead: bool) -> tuple[Path, Cine | StriqError]:
    try:
        cine = open_cine(path)
    except StriqError as error:
        return path, error
    if ahead:
        cine.read_ahead()
    return path, cine
