"""Messages, progress bars and checks shared by the commands."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from striq.collection import end_loading
from striq.csv_cells import printable
from striq.errors import StriqError
from striq.progress_bar import show_progress_bars

if TYPE_CHECKING:
    from striq.evaluation.reports.study_report import StudyReport

PICTURE_SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", "")  # without one: PNG
LAYOUT = "\n\t"  # control characters that the program itself prints


class _Switch:
    """Whether the commands print more than errors."""

    is_on = True


def be_quiet(*, quiet: bool) -> None:
    """Let the commands print errors only, without progress bars; or, as at first, everything."""
    _Switch.is_on = not quiet
    show_progress_bars(shown=not quiet)


def say(text: str) -> None:
    """Print a line of results to standard output, unless the commands are to be quiet."""
    if _Switch.is_on:
        sys.stdout.write(f"{printable(text, LAYOUT)}\n")


def say_report(report: StudyReport, folder: Path | None = None) -> None:
    """Print a report to standard output: fitted to the terminal, or as Markdown if that is a file or a pipe.

    Args:
        report: The report.
        folder: Where its files are written as well; nowhere by default.
    """
    if folder is not None:
        report.write(folder)
    if sys.stdout.isatty():
        from striq.evaluation.reports.terminal_text import terminal_text

        say(terminal_text(report, shutil.get_terminal_size().columns))
    else:
        say(report.to_markdown())


def say_json(value: object) -> None:
    """Print JSON to standard output, in ASCII, also when the commands are quiet."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def inform(text: str) -> None:
    """Print one line to standard error, unless the commands are to be quiet."""
    if _Switch.is_on:
        complain(text)


def complain(text: str) -> None:
    """Print one line about an error to standard error."""
    sys.stderr.write(f"{printable(' '.join(text.split()))}\n")


def print_in_any_encoding() -> None:
    """Let what a stream cannot encode, as another language's letters on Windows, be printed as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _PrintableFormatter(logging.Formatter):
    """Formats log messages without control characters of file names."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), LAYOUT)


class _LogHandler(logging.Handler):
    """Prints log messages to standard error, whatever that is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


def start_messages() -> None:
    """Take the state before any command: everything is printed, and no log."""
    be_quiet(quiet=False)
    logger = logging.getLogger("striq")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _LogHandler)]:
        logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def show_log(*, quiet: bool = False) -> None:
    """Print log messages of STRIQ to standard error, from level INFO.

    Args:
        quiet: Print errors only, here and in every other message.
    """
    be_quiet(quiet=quiet)
    logger = logging.getLogger("striq")
    if not logger.handlers:
        handler = _LogHandler()
        handler.setFormatter(_PrintableFormatter("%(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.ERROR if quiet else logging.INFO)


def check_device(device: str, threads: int | None = None) -> str:
    """Return the name of a device after checking that it exists; imports PyTorch.

    Args:
        device: As for ``striq.scoring.devices.check_device``.
        threads: Number of threads that PyTorch computes with; what other programs leave free by default.

    Raises:
        StriqError: If this machine has no such device.
    """
    from striq.scoring import devices
    from striq.scoring.threads import use_threads

    end_loading()
    use_threads(threads)
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


def check_no_input(out: Path, inputs: Iterable[Path]) -> None:
    """Check before any work is done that a file to be written is none of those that are read.

    Raises:
        StriqError: If it is.
    """
    if out.exists() and any(path.exists() and path.samefile(out) for path in inputs):
        msg = f"{out}: is one of the files to be read, and would be overwritten. Choose another name."
        raise StriqError(msg)


def check_table_name(out: Path) -> None:
    """Check that a table is not named as an image or a cine is.

    Raises:
        StriqError: If it is.
    """
    from striq.data.readers.formats import known_suffix

    if suffix := known_suffix(out):
        msg = f"{out}: is named as an image or a cine is ({suffix}). Name a table, such as {out.with_suffix('.csv')}."
        raise StriqError(msg)


def check_picture_name(out: Path) -> None:
    """Check before any work is done that a picture is named by a format that can be written.

    Raises:
        StriqError: If it is not.
    """
    if out.suffix.lower() not in PICTURE_SUFFIXES:
        better = out.with_suffix(".png")
        msg = f"{out}: {out.suffix} is no format of pictures. Expected .png, .pdf or .svg, such as {better}."
        raise StriqError(msg)
