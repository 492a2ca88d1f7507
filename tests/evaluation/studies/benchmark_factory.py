"""Made-up scores of the quality benchmark, for tests of what is computed from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striq.data.degradation import DEGRADATIONS
from striq.evaluation.studies.quality_benchmark import BenchmarkScores
from striq.evaluation.studies.quality_benchmark_scores import FoldScores
from striq.evaluation.studies.robustness import KINDS, SEVERITIES
from striq.types import FrameRecord

NAMES = ("STRIQ", "blind")  # the first follows the rating, the second is noise
PLANES = ("a", "b")
PER_PLANE = 8  # frames of a plane in a fold


def records_of(fold: int, *, rated: bool = True) -> list[FrameRecord]:
    """Frames of one fold, rated 0 to 3 on plane a, unrated on plane b."""
    return [
        FrameRecord(
            Path(f"{plane}{fold}{i}.png"), plane, f"{fold}_{i}", 0, i / 2 // 1 if rated and plane == "a" else None
        )
        for plane in PLANES
        for i in range(PER_PLANE)
    ]


def unseen_records() -> list[FrameRecord]:
    """Three frames of plane a by another scanner, two of something else, two of something else again."""
    return [FrameRecord(Path(f"u{i}.png"), shows, f"u{i}") for i, shows in enumerate("aaaxxyy")]


def made_up_scores(num_folds: int = 2, *, rated: bool = True) -> BenchmarkScores:
    """Scores of folds whose quality score is right about everything, beside one that is noise."""
    held_out = tuple(records_of(fold, rated=rated) for fold in range(num_folds))
    return BenchmarkScores(held_out, tuple(_fold(number) for number in range(num_folds)), unseen_records())


def _fold(number: int) -> FoldScores:
    generator, count = np.random.default_rng(number), len(PLANES) * PER_PLANE
    unseen = unseen_records()
    own = 0.5 + 0.05 * (np.arange(count) % PER_PLANE)
    perturbed = np.stack([np.tile(own, (len(KINDS), 1)), generator.uniform(size=(len(KINDS), count))])
    falling = own[:, None] - 0.3 * np.array(SEVERITIES)
    degraded = np.stack([np.tile(falling, (len(DEGRADATIONS), 1, 1)), generator.uniform(size=(4, count, 5))])
    degraded[:, :, 1] = np.nan  # a frame that was left out
    as_planes = np.full((2, count, 2), 0.1)
    as_planes[1] = generator.uniform(size=(count, 2))
    for i in range(count):
        as_planes[:, i, i // PER_PLANE] = perturbed[:, 0, i]
    as_planes[:, 2, 1] = np.nan  # frames that were not scored as another plane
    scored = np.full((2, len(unseen), 2), np.nan)
    scored[0, :, 0] = [0.9, 0.8, 0.3, 0.5, 0.1, 0.2, 0.2]
    scored[1, :, 0] = 0.5
    posteriors = np.repeat([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], PER_PLANE, axis=0)
    posteriors[0] = [0.1, 0.1, 0.8]
    posteriors[1] = [0.2, 0.7, 0.1]
    named = np.eye(3)[[0, 0, 2, 2, 2, 2, 1]]
    return FoldScores(NAMES, PLANES, perturbed, degraded, as_planes, posteriors, scored, named)
