"""What a plane's training frames can support, said when a training ends and kept in the model."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass
from typing import Any

ENOUGH_FRAMES = 80  # from which a plane gets all 20 anchors
ENOUGH_GROUPS = 20
STABLE = 0.8  # rank correlation between halves of the anchors


@dataclass(frozen=True)
class PlaneSupport:
    """What one plane was calibrated on.

    Attributes:
        plane: Name of the plane.
        frames: Number of training frames.
        groups: Number of patients, fetuses, exams or clips among them.
        anchors: Number of anchors; mirror images count.
        both_sides: The plane is recorded from both sides.
        ranking_stability: Rank correlation of Q of unseen frames between random halves of the anchors; NaN if there
            are too few frames to tell.
    """

    plane: str
    frames: int
    groups: int
    anchors: int
    both_sides: bool
    ranking_stability: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers; a stability that is not known is ``None``."""
        known = None if math.isnan(self.ranking_stability) else self.ranking_stability
        return {**asdict(self), "ranking_stability": known}

    def lines(self) -> list[tuple[int, str]]:
        """Return what a user should know, each with its logging level."""
        sides = ", in mirrored pairs: the plane is recorded from both sides" if self.both_sides else ""
        lines = [
            (
                logging.INFO,
                f"{self.plane}: {self.frames} frames of {self.groups} groups, {self.anchors} anchors{sides}.",
            )
        ]
        if self.frames < ENOUGH_FRAMES or self.groups < ENOUGH_GROUPS:
            lines.append(
                (
                    logging.WARNING,
                    f"{self.plane}: {self.frames} frames of {self.groups} groups are few. Scores rank frames roughly. "
                    f"Give {ENOUGH_FRAMES} frames of {ENOUGH_GROUPS} groups or more.",
                )
            )
        if self.ranking_stability < STABLE:
            lines.append(
                (
                    logging.WARNING,
                    f"{self.plane}: half of the anchors rank unseen frames differently from the other half (rank "
                    f"correlation {self.ranking_stability:.2f}, expected {STABLE} or more). Differences of Q between "
                    "single frames mean little.",
                )
            )
        return lines
