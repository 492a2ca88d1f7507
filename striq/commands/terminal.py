"""Messages, progress and checks that the commands share."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from striq.errors import StriqError


def say(text: str) -> None:
    """Print a line of results to standard output."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """Print one line to standard error."""
    sys.stderr.write(f"{' '.join(text.split())}\n")


def progress_bar() -> Progress:
    """Return a progress bar on standard error that shows on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def show_log() -> None:
    """Print what STRIQ logs, from information upwards, to standard error."""
    logger = logging.getLogger("striq")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def check_device(device: str) -> str:
    """Return the name of a device that can compute; PyTorch is imported only now.

    Raises:
        StriqError: If there is no such device on this machine.
    """
    from striq.scoring import devices

    return devices.check_device(device)


def check_writable(path: Path) -> None:
    """Refuse, before any work is done, a file that cannot be written at the end.

    Raises:
        StriqError: If ``path`` is a folder or lies where nothing may be written.
    """
    if path.is_dir():
        msg = f"{path}: is a folder. Name the file to write, such as {path / 'scores.csv'}."
        raise StriqError(msg)
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        msg = f"{path}: cannot be written, because {parent} is not a folder that you may write to. Name another place."
        raise StriqError(msg)
