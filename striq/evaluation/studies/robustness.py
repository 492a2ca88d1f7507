"""Does the score keep still under nuisance, and fall as structure is lost?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from scipy import stats
from torch import Tensor

from striq.data.degradation import ALL, DEGRADATIONS, PERTURBATIONS, degrade, perturb
from striq.data.preprocessing import prepare_frame
from striq.data.readers import open_cine
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameRecord

SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
STRUCTURE_FRAMES = 60  # per plane: a median needs no more, and every loss takes many scores
UNDISTURBED = "none"
KINDS = (UNDISTURBED, *PERTURBATIONS, ALL)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ChangedScores:
    """Q of frames with one thing changed.

    Attributes:
        planes: Plane of each frame.
        ratings: Human rating of each frame, NaN where there is none, shape ``(N,)``.
        disturbed: Q by nuisance, ``"none"`` first, each ``(N,)``.
        lost: Q by loss of structure, one column per severity, NaN for frames not looked at, each ``(N, S)``.
    """

    planes: tuple[str, ...]
    ratings: FloatArray
    disturbed: dict[str, FloatArray]
    lost: dict[str, FloatArray]


@dataclass(frozen=True)
class NuisanceRow:
    """What a nuisance does to the scores of one plane; undefined figures are NaN.

    Attributes:
        plane: Name of the plane.
        kind: The nuisance.
        srcc: SRCC of the disturbed score with the human rating.
        srcc_change: The same minus that of the undisturbed score.
        rank_correlation: SRCC of the disturbed with the undisturbed score.
        median_change: Median absolute change of Q.
    """

    plane: str
    kind: str
    srcc: float
    srcc_change: float
    rank_correlation: float
    median_change: float


@torch.inference_mode()
def score_changed(
    scorer: StriqScorer,
    records: Sequence[FrameRecord],
    *,
    structure_frames: int = STRUCTURE_FRAMES,
    quiet: bool = False,
) -> ChangedScores:
    """Score frames as they are, under every nuisance, and with structure lost step by step.

    Convention:
        - A frame's random changes depend on its file and index only, not on the other frames.

    Args:
        scorer: Fitted scorer.
        records: Frames it was not fitted on.
        structure_frames: Frames of each plane, evenly spaced, in which structure is lost.
        quiet: Do not show a progress bar.

    Raises:
        ReadError: If a file cannot be read.
    """
    disturbed = {kind: np.full(len(records), np.nan) for kind in KINDS}
    lost = {kind: np.full((len(records), len(SEVERITIES)), np.nan) for kind in DEGRADATIONS}
    looked_at = set(_evenly(records, structure_frames))
    for index in track(range(len(records)), description="Changing frames", disable=quiet, transient=True):
        record = records[index]
        frame = open_cine(record.path)[record.frame_index]
        seed = frame_seed(record)
        quality = _scoring(scorer, scorer.plane_index(record.plane))
        for kind in KINDS:
            changed = frame.pixels
            if kind != UNDISTURBED:
                changed = perturb(changed, kind, generator=np.random.default_rng(seed))
            disturbed[kind][index] = quality(changed)
        if index in looked_at:
            image = prepare_frame(frame, scorer.config.encoder.size)
            for kind, values in lost.items():
                steps = [degrade(image, kind, severity, seed=seed) for severity in SEVERITIES[1:]]
                values[index] = [disturbed[UNDISTURBED][index], *map(quality, steps)]
    ratings = [np.nan if record.rating is None else record.rating for record in records]
    return ChangedScores(tuple(record.plane for record in records), np.array(ratings, float), disturbed, lost)


def frame_seed(record: FrameRecord) -> int:
    """Return the seed of a frame's random changes: of its file, the folders it lies in, and its index in the file."""
    return crc32(f"{'/'.join(record.path.parts[-3:])}:{record.frame_index}".encode())


def join(parts: Sequence[ChangedScores]) -> ChangedScores:
    """Return the scores of all parts, those of the folds of a cross-validation for example."""
    return ChangedScores(
        tuple(plane for part in parts for plane in part.planes),
        np.concatenate([part.ratings for part in parts]),
        {kind: np.concatenate([part.disturbed[kind] for part in parts]) for kind in parts[0].disturbed},
        {kind: np.concatenate([part.lost[kind] for part in parts]) for kind in parts[0].lost},
    )


def nuisance_rows(changed: ChangedScores) -> list[NuisanceRow]:
    """Return what each nuisance does, plane by plane."""
    rows = []
    for plane in dict.fromkeys(changed.planes):
        of_plane = np.array([name == plane for name in changed.planes])
        still, ratings = changed.disturbed[UNDISTURBED][of_plane], changed.ratings[of_plane]
        before = _srcc(still, ratings)
        for kind, values in changed.disturbed.items():
            after = values[of_plane]
            srcc = _srcc(after, ratings)
            change = float(np.median(np.abs(after - still)))
            rows.append(NuisanceRow(plane, kind, srcc, srcc - before, _srcc(after, still), change))
    return rows


def falls_throughout(changed: ChangedScores, plane: str, kind: str) -> bool:
    """Return whether the median score of a plane falls with every step of a loss of structure."""
    medians = quartiles(changed, plane, kind)[1]
    return bool((np.diff(medians) < 0).all())


def quartiles(changed: ChangedScores, plane: str, kind: str) -> FloatArray:
    """Return the lower quartile, median and upper quartile of Q at every severity, shape ``(3, S)``."""
    of_plane = np.array([name == plane for name in changed.planes])
    return np.nanpercentile(changed.lost[kind][of_plane], (25, 50, 75), axis=0)


def _scoring(scorer: StriqScorer, plane: int) -> Callable[[Tensor | NDArray[np.float32]], float]:
    def quality(picture: Tensor | NDArray[np.float32]) -> float:
        image = picture if isinstance(picture, Tensor) else prepare_frame(Frame(picture), scorer.config.encoder.size)
        batch = image[None].to(scorer.device)
        return float(scorer.score_as_plane(scorer.embed(batch), scorer.frame_terms(batch), plane).quality)

    return quality


def _evenly(records: Sequence[FrameRecord], count: int) -> list[int]:
    chosen = []
    for plane in dict.fromkeys(record.plane for record in records):
        indices = [index for index, record in enumerate(records) if record.plane == plane]
        places = np.linspace(0, len(indices) - 1, min(count, len(indices)))
        chosen += [indices[round(place)] for place in places]
    return chosen


def _srcc(scores: FloatArray, ratings: FloatArray) -> float:
    both = np.isfinite(scores) & np.isfinite(ratings)
    if both.sum() < 3 or np.ptp(scores[both]) == 0 or np.ptp(ratings[both]) == 0:
        return float("nan")
    found = stats.spearmanr(scores[both], ratings[both])
    return float(np.asarray(found)[0])
