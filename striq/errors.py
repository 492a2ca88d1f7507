"""Exceptions of STRIQ. Each message says what is wrong, where, what was expected, what was found and what to do."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

SHOWN_CHARACTERS = 200  # of the message of another program's exception


class StriqError(Exception):
    """Base class of all STRIQ exceptions."""


class ReadError(StriqError):
    """A file or folder cannot be read as ultrasound frames.

    Args:
        what: What is wrong, as a sentence without its final period.
        where: File or folder, with the frame if only one is concerned.
        expected: What would be right.
        got: What was found instead.
        remedy: What the user can do, as a sentence.
    """

    def __init__(self, what: str, *, where: str | Path, expected: str, got: str, remedy: str) -> None:
        self.what, self.where, self.expected, self.got, self.remedy = what, str(where), expected, got, remedy
        super().__init__(f"{where}: {what}. Expected {expected}, got {got}. {remedy}")


class DatasetError(StriqError):
    """A data set cannot be used because of its layout, its tables or its groups."""


class CheckpointError(StriqError):
    """A checkpoint is missing, damaged or made for a different model."""


def one_line(error: BaseException) -> str:
    """Return the message of an exception on one line of at most 200 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def unexpected(error: BaseException) -> str:
    """Return the type and the message of an exception that no code expects, on one line."""
    message = one_line(error)
    return message if message == type(error).__name__ else f"{type(error).__name__}: {message}"


@contextmanager
def as_read_error(where: str | Path) -> Generator[None, None, None]:
    """Raise any exception of the block as ``ReadError``, so that one bad file never ends the work on the others.

    Readers convert the exceptions that they expect themselves, with a message that says more.

    Args:
        where: File, with the frame if only one is concerned.

    Raises:
        ReadError: If the block raises an exception that is no ``StriqError``.
    """
    try:
        yield
    except StriqError:
        raise
    except Exception as error:
        raise ReadError(
            what="The file cannot be read",
            where=where,
            expected="a complete file of a known format",
            got=unexpected(error),
            remedy="Copy or export the file again.",
        ) from error
