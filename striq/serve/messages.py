"""Messages between the service and its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from striq.serve.outbox import Item
from striq.serve.queue import DueStudy, QueuedObject


@dataclass(frozen=True)
class ReportJob:
    """A complete study.

    Attributes:
        study: The study.
        objects: Its scored objects.
        new: Numbers of those that have not been reported.
        num_dead: Number of its objects that are dead letters.
    """

    study: DueStudy
    objects: tuple[QueuedObject, ...]
    new: frozenset[int]
    num_dead: int = 0


@dataclass(frozen=True)
class StudyFigures:
    """What was found in a study.

    Attributes:
        items: Files to be sent.
        planes: Numbers of frames and of accepted frames among the new ones, by plane.
        num_not_scored: Number of new objects without a report.
    """

    items: tuple[Item, ...]
    planes: dict[str, tuple[int, int]]
    num_not_scored: int


Job = QueuedObject | ReportJob


@dataclass(frozen=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True)
class Unusable:
    """The model cannot be loaded.

    Attributes:
        reason: Why.
    """

    reason: str


@dataclass(frozen=True)
class Done:
    """A job is done.

    Attributes:
        value: What it found.
        seconds: How long it took.
    """

    value: Any
    seconds: float


@dataclass(frozen=True)
class Failed:
    """A job ended with an exception that no object can be blamed for, such as a full disk.

    Attributes:
        reason: The exception, without its text, which may hold names.
        is_disk: Whether the disk failed, so that the job is tried again without end.
    """

    reason: str
    is_disk: bool
