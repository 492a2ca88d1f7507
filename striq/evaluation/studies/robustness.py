"""Robustness: whether the score stays the same under nuisance changes and falls as structure is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striq.data.degradation import ALL, DEGRADATIONS, PERTURBATIONS, SEVERITIES, degrade, perturb
from striq.data.loading import read_frame
from striq.data.preprocessing import prepare_frame
from striq.evaluation.agreement.controls import MAIN, Control
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.statistics.metrics import srcc_of_rated
from striq.progress_bar import track
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameRecord

STRUCTURE_FRAMES = 60  # per plane: enough for a median, and every loss takes many scores
UNCHANGED = "none"
KINDS = (UNCHANGED, *PERTURBATIONS, ALL)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ChangedScores:
    """Q of frames with one thing changed at a time.

    Attributes:
        planes: Plane of each frame.
        ratings: Human rating of each frame, NaN where there is none, shape ``(N,)``.
        perturbed: Q by nuisance, ``"none"`` first, NaN for frames left out, each ``(N,)``.
        degraded: Q by loss of structure, one column per severity, NaN for frames left out, each ``(N, S)``.
    """

    planes: tuple[str, ...]
    ratings: FloatArray
    perturbed: dict[str, FloatArray]
    degraded: dict[str, FloatArray]


@dataclass(frozen=True)
class NuisanceRow:
    """Effect of a nuisance on the scores of one plane; undefined values are NaN.

    Attributes:
        plane: Name of the plane.
        kind: Name of the nuisance.
        srcc: SRCC of the perturbed score with the human rating.
        srcc_change: The same minus that of the unperturbed score.
        rank_correlation: SRCC of the perturbed with the unperturbed score.
        median_change: Median absolute change of Q.
    """

    plane: str
    kind: str
    srcc: float
    srcc_change: float
    rank_correlation: float
    median_change: float


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
        records: Frames that it was not fitted on.
        structure_frames: Number of frames of each plane, evenly spaced, in which structure is lost.
        quiet: Do not show a progress bar.

    Raises:
        ReadError: If a file cannot be read.
    """
    functions: dict[str, Control] = {MAIN: FrameInputs.quality}
    return score_all_changed(scorer, records, functions, structure_frames=structure_frames, quiet=quiet)[MAIN]


@torch.inference_mode()
def score_all_changed(
    scorer: StriqScorer,
    records: Sequence[FrameRecord],
    functions: Mapping[str, Control],
    *,
    structure_frames: int = STRUCTURE_FRAMES,
    nuisance_frames: int | None = None,
    quiet: bool = False,
) -> dict[str, ChangedScores]:
    """Score frames as :func:`score_changed` does, by the quality score, by controls, or by both.

    Args:
        scorer: Fitted scorer.
        records: Frames that it was not fitted on.
        functions: Functions from a frame to its score, by name.
        structure_frames: Number of frames of each plane, evenly spaced, in which structure is lost.
        nuisance_frames: The same for nuisance changes; all by default.
        quiet: Do not show a progress bar.

    Raises:
        ReadError: If a file cannot be read.
    """
    count = len(functions)
    perturbed = {kind: np.full((count, len(records)), np.nan) for kind in KINDS}
    degraded = {kind: np.full((count, len(records), len(SEVERITIES)), np.nan) for kind in DEGRADATIONS}
    planes = [record.plane for record in records]
    chosen = set(evenly_spaced(planes, structure_frames))
    disturbed = set(range(len(records)) if nuisance_frames is None else evenly_spaced(planes, nuisance_frames))
    for index in track(range(len(records)), description="Changing frames", quiet=quiet):
        record = records[index]
        frame = read_frame(record)
        seed = frame_seed(record)
        measure = _all_of(scorer, record.plane, list(functions.values()))
        for kind in KINDS if index in disturbed else (UNCHANGED,):
            changed = frame.pixels
            if kind != UNCHANGED:
                changed = perturb(changed, kind, generator=np.random.default_rng(seed))
            perturbed[kind][:, index] = measure(changed)
        if index in chosen:
            image = prepare_frame(frame, scorer.config.encoder.size)
            for kind, values in degraded.items():
                steps = [degrade(image, kind, severity, seed=seed) for severity in SEVERITIES[1:]]
                values[:, index] = np.stack([perturbed[UNCHANGED][:, index], *map(measure, steps)], axis=1)
    return {
        name: ChangedScores(
            tuple(planes),
            ratings_of(records),
            {kind: values[row] for kind, values in perturbed.items()},
            {kind: values[row] for kind, values in degraded.items()},
        )
        for row, name in enumerate(functions)
    }


def ratings_of(records: Sequence[FrameRecord]) -> FloatArray:
    """Return the rating of each frame, NaN where there is none, shape ``(N,)``."""
    return np.array([np.nan if record.rating is None else record.rating for record in records], float)


def frame_seed(record: FrameRecord) -> int:
    """Return the seed of a frame's random changes, from its file, the folders it lies in and its index in the file."""
    return crc32(f"{'/'.join(record.path.parts[-3:])}:{record.frame_index}".encode())


def concatenate_changed(parts: Sequence[ChangedScores]) -> ChangedScores:
    """Return the scores of all parts, such as the folds of a cross-validation, one part after the other."""
    return ChangedScores(
        tuple(plane for part in parts for plane in part.planes),
        np.concatenate([part.ratings for part in parts]),
        {kind: np.concatenate([part.perturbed[kind] for part in parts]) for kind in parts[0].perturbed},
        {kind: np.concatenate([part.degraded[kind] for part in parts]) for kind in parts[0].degraded},
    )


def nuisance_rows(changed: ChangedScores) -> list[NuisanceRow]:
    """Return the effect of each nuisance, plane by plane."""
    rows: list[NuisanceRow] = []
    for plane in dict.fromkeys(changed.planes):
        of_plane = np.array([name == plane for name in changed.planes])
        for kind, values in changed.perturbed.items():
            frames = of_plane & np.isfinite(values)
            before, after = changed.perturbed[UNCHANGED][frames], values[frames]
            ratings = changed.ratings[frames]
            srcc = srcc_of_rated(after, ratings)
            srcc_change = srcc - srcc_of_rated(before, ratings)
            change = float(np.median(np.abs(after - before)))
            rows.append(NuisanceRow(plane, kind, srcc, srcc_change, srcc_of_rated(after, before), change))
    return rows


def falls_throughout(changed: ChangedScores, plane: str, kind: str) -> bool:
    """Return whether the median score of a plane falls with every step of a loss of structure."""
    medians = quartiles(changed, plane, kind)[1]
    return bool((np.diff(medians) < 0).all())


def quartiles(changed: ChangedScores, plane: str, kind: str) -> FloatArray:
    """Return the lower quartile, median and upper quartile of Q at every severity, shape ``(3, S)``."""
    of_plane = np.array([name == plane for name in changed.planes])
    return np.nanpercentile(changed.degraded[kind][of_plane], (25, 50, 75), axis=0)


def evenly_spaced(planes: Sequence[str], count: int) -> list[int]:
    """Return the indices of up to ``count`` frames of each plane, given the plane of every frame."""
    chosen: list[int] = []
    for plane in dict.fromkeys(planes):
        indices = [index for index, name in enumerate(planes) if name == plane]
        places = np.linspace(0, len(indices) - 1, min(count, len(indices)))
        chosen += [indices[round(place)] for place in places]
    return chosen


def _all_of(
    scorer: StriqScorer, plane: str, functions: Sequence[Control]
) -> Callable[[Tensor | NDArray[np.float32]], FloatArray]:
    """Return the function from pixels, or from a prepared frame, to its scores as a plane."""

    def measure(picture: Tensor | NDArray[np.float32]) -> FloatArray:
        image = picture if isinstance(picture, Tensor) else prepare_frame(Frame(picture), scorer.config.encoder.size)
        frame = FrameInputs.encode(scorer, image[None], plane)
        return np.array([float(function(frame)) for function in functions])

    return measure
