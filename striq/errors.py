"""Errors that say what is wrong, where, what was expected, what was found, and what to do."""

from __future__ import annotations

from pathlib import Path


class StriqError(Exception):
    """Base of every error that STRIQ raises on purpose."""


class ReadError(StriqError):
    """A file or folder that cannot be turned into ultrasound frames."""

    def __init__(self, what: str, *, where: str | Path, expected: str, got: str, remedy: str) -> None:
        self.what, self.where, self.expected, self.got, self.remedy = what, str(where), expected, got, remedy
        super().__init__(f"{where}: {what}. Expected {expected}, got {got}. {remedy}")


class DatasetError(StriqError):
    """A data set whose layout, table or grouping is not usable as given."""


class CheckpointError(StriqError):
    """A checkpoint that is missing, damaged or made for another model."""
