"""Messages, progress bars and checks shared by the commands."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from striq.csv_cells import printable
from striq.errors import StriqError

LAYOUT = "\n\t"  # control characters that the program itself prints


def say(text: str) -> None:
    """Print a line of results to standard output."""
    sys.stdout.write(f"{printable(text, LAYOUT)}\n")


def complain(text: str) -> None:
    """Print one line to standard error."""
    sys.stderr.write(f"{printable(' '.join(text.split()))}\n")


class _PrintableFormatter(logging.Formatter):
    """Formats log messages without control characters of file names."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), LAYOUT)


def show_log() -> None:
    """Print log messages of STRIQ to standard error, from level INFO."""
    logger = logging.getLogger("striq")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_PrintableFormatter("%(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def check_device(device: str) -> str:
    """Return the name of a device after checking that it exists; imports PyTorch.

    Raises:
        StriqError: If this machine has no such device.
    """
    from striq.scoring import devices

    return devices.check_device(device)


def check_writable(path: Path) -> None:
    """Check before any work is done that a file can be written.

    Raises:
        StriqError: If ``path`` is a folder, a device or a pipe, or its folder is not writable.
    """
    if path.is_dir():
        msg = f"{path}: is a folder. Name a file to write, such as {path / 'scores.csv'}."
        raise StriqError(msg)
    if path.exists() and not path.is_file():
        msg = f"{path}: is a device or a pipe. Name a file to write, or '-' where rows go to standard output."
        raise StriqError(msg)
    parent = next(folder for folder in Path(os.path.realpath(path)).parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        msg = f"{path}: cannot be written, because {parent} is not a writable folder. Choose another place."
        raise StriqError(msg)
