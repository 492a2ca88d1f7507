"""Exceptions of STRIQ. Each message says what is wrong, where, what was expected, what was found and what to do."""

from __future__ import annotations

from pathlib import Path


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
