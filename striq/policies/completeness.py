"""Completeness of a study: whether each required plane has an accepted frame."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from striq.policies.policy import Examination


class JudgedFrame(Protocol):
    """What completeness needs of a scored frame; :class:`striq.types.FrameScore` has it."""

    @property
    def plane(self) -> str:
        """Predicted plane."""
        ...

    @property
    def quality(self) -> float:
        """Q."""
        ...

    @property
    def accepted(self) -> bool:
        """The verdict."""
        ...


class ViewState(str, Enum):
    """What a study has of a required plane."""

    PRESENT = "present"
    NOT_ACCEPTED = "not accepted"
    MISSING = "missing"
    NOT_ASSESSED = "not assessed"  # the model does not know the plane


class StudyState(str, Enum):
    """Completeness of a study."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    NOT_ASSESSED = "not assessed"  # what the model knows is there, but it does not know every required plane


@dataclass(frozen=True)
class View:
    """A required plane of one study.

    Attributes:
        plane: Its name.
        state: What the study has of it.
        best: The best frame: of the highest Q among the accepted ones, or else among all of the plane.
    """

    plane: str
    state: ViewState
    best: JudgedFrame | None = None


@dataclass(frozen=True)
class Completeness:
    """The required planes of one study.

    Attributes:
        examination: Name of the examination type.
        views: The required planes, in the order of the policy.
    """

    examination: str
    views: tuple[View, ...]

    @property
    def state(self) -> StudyState:
        """Whether the study is complete."""
        states = {view.state for view in self.views}
        if states & {ViewState.MISSING, ViewState.NOT_ACCEPTED}:
            return StudyState.INCOMPLETE
        return StudyState.NOT_ASSESSED if ViewState.NOT_ASSESSED in states else StudyState.COMPLETE


def check_completeness(examination: Examination, frames: Iterable[JudgedFrame], known: Collection[str]) -> Completeness:
    """Return what a study has of the planes that its examination type requires.

    Args:
        examination: Its type.
        frames: All scored frames of the study.
        known: Planes that the model knows.
    """
    best: dict[str, JudgedFrame] = {}
    for frame in frames:
        before = best.get(frame.plane)
        if before is None or (frame.accepted, frame.quality) > (before.accepted, before.quality):
            best[frame.plane] = frame
    return Completeness(examination.name, tuple(_view(plane, best.get(plane), known) for plane in examination.required))


def _view(plane: str, best: JudgedFrame | None, known: Collection[str]) -> View:
    if best is not None:
        return View(plane, ViewState.PRESENT if best.accepted else ViewState.NOT_ACCEPTED, best)
    return View(plane, ViewState.MISSING if plane in known else ViewState.NOT_ASSESSED)
