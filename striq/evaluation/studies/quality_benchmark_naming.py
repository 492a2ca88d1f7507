"""How the models of the quality benchmark name held-out and unseen frames, and how their Q spreads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striq.evaluation.studies.plane_recognition import RecognitionResult, measure_recognition
from striq.evaluation.studies.quality_benchmark import BenchmarkScores
from striq.evaluation.studies.robustness import KINDS, UNCHANGED
from striq.types import FrameRecord

FloatArray = NDArray[np.float64]
TOP, BOTTOM = 0.98, 0.02  # Q beyond these says little: at most 5 % of unseen frames should lie there


@dataclass(frozen=True)
class Naming:
    """How frames of one plane, or of anything else, are named.

    Attributes:
        shows: What they show.
        known: Whether the models know it.
        unseen: Whether they are from the list of unseen frames, which the model of every fold names.
        frames: Number of frames.
        right: Share named as what they show; for what the models do not know, "none" is right.
        none: Share named "none".
        other: Share named as a plane that they do not show.
    """

    shows: str
    known: bool
    unseen: bool
    frames: int
    right: float
    none: float
    other: float


def name_frames(scores: BenchmarkScores) -> list[Naming]:
    """Return how the held-out frames of each plane and each kind of unseen frames are named."""
    kinds = dict.fromkeys(record.plane for record in scores.unseen)
    held_out = _stack(scores, [fold.posteriors for fold in scores.folds])
    rows = [_name(scores, scores.records, held_out, plane, unseen=False) for plane in scores.planes]
    unseen = _stack(scores, [fold.unseen_posteriors for fold in scores.folds])
    in_every_fold = list(scores.unseen) * len(scores.folds)
    return rows + [_name(scores, in_every_fold, unseen, kind, unseen=True) for kind in kinds]


def recognition(scores: BenchmarkScores) -> RecognitionResult:
    """Return how well planes are told apart, and from unseen frames that show none of them."""
    posteriors = _stack(scores, [fold.unseen_posteriors for fold in scores.folds])
    shows = np.array([record.plane for record in scores.unseen] * len(scores.folds), dtype=np.str_)
    unknown = {kind: posteriors[shows == kind] for kind in np.unique(shows).tolist() if kind not in scores.planes}
    held_out = _stack(scores, [fold.posteriors for fold in scores.folds])
    return measure_recognition(scores.planes, held_out, [record.plane for record in scores.records], unknown)


def shares_beyond(scores: BenchmarkScores, plane: str) -> tuple[float, float]:
    """Return the shares of the held-out frames of a plane with Q above ``TOP`` and below ``BOTTOM``."""
    quality = np.concatenate([fold.perturbed[0, KINDS.index(UNCHANGED)] for fold in scores.folds])
    shows = np.array([record.plane == plane for record in scores.records], dtype=np.bool_)
    return float((quality[shows] > TOP).mean()), float((quality[shows] < BOTTOM).mean())


def _stack(scores: BenchmarkScores, posteriors: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate([*posteriors, np.zeros((0, len(scores.planes) + 1))])


def _name(
    scores: BenchmarkScores, records: Sequence[FrameRecord], posteriors: FloatArray, shows: str, *, unseen: bool
) -> Naming:
    chosen = np.array([record.plane == shows for record in records], dtype=np.bool_)
    named, none = posteriors[chosen].argmax(axis=1), len(scores.planes)
    known = shows in scores.planes
    right = float((named == (scores.planes.index(shows) if known else none)).mean())
    rejected = float((named == none).mean())
    frames = int(chosen.sum()) // (len(scores.folds) if unseen else 1)
    return Naming(shows, known, unseen, frames, right, rejected, 1 - rejected - (right if known else 0.0))
