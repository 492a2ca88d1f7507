"""Measures of the quality benchmark: one table, each a number per plane and score, where higher is better.

They are free of scale, so that the quality score and every control can be ranked by each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striq.evaluation.statistics.metrics import auc_best_against_worst, srcc_of_rated
from striq.evaluation.statistics.resampled_metrics import best_and_worst
from striq.evaluation.studies.quality_benchmark import BenchmarkScores
from striq.evaluation.studies.quality_benchmark_decision import nan_mean
from striq.evaluation.studies.robustness import UNCHANGED, ChangedScores, concatenate_changed, nuisance_rows

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        name: Name in tables and files.
        description: One sentence for people.
        compute: The formula: scores of one or more folds, plane, name of the score.
    """

    name: str
    description: str
    compute: Callable[[BenchmarkScores, str, str], float]


def changed_scores(scores: BenchmarkScores, name: str) -> ChangedScores:
    """Return one score of the held-out frames of all folds, as they are and changed."""
    parts = zip(scores.folds, scores.held_out, strict=True)
    return concatenate_changed([fold.changed(name, records) for fold, records in parts])


def of_plane(changed: ChangedScores, plane: str) -> ChangedScores:
    """Return the scores of the frames of one plane."""
    keep = np.array([name == plane for name in changed.planes], dtype=np.bool_)
    return ChangedScores(
        (plane,) * int(keep.sum()),
        changed.ratings[keep],
        {kind: values[keep] for kind, values in changed.perturbed.items()},
        {kind: values[keep] for kind, values in changed.degraded.items()},
    )


def auc_between(higher: FloatArray, lower: FloatArray) -> float:
    """Return how often a value of the first array exceeds one of the second, ties count half; NaN if one is empty."""
    if not len(higher) or not len(lower):
        return float("nan")
    labels = np.concatenate([np.ones(len(higher)), np.zeros(len(lower))])
    return auc_best_against_worst(np.concatenate([higher, lower]), labels)


def highest_rated(ratings: FloatArray) -> NDArray[np.bool_]:
    """Return which frames have the highest grade or, with more than five distinct ratings, are in the top third."""
    return best_and_worst(ratings)[0]


def _srcc(scores: BenchmarkScores, plane: str, name: str) -> float:
    changed = of_plane(changed_scores(scores, name), plane)
    return srcc_of_rated(changed.perturbed[UNCHANGED], changed.ratings)


def _highest(scores: BenchmarkScores, plane: str, name: str) -> float:
    changed = of_plane(changed_scores(scores, name), plane)
    rated = np.isfinite(changed.ratings)
    values, best = changed.perturbed[UNCHANGED][rated], highest_rated(changed.ratings[rated])
    return auc_between(values[best], values[~best])


def _own_plane(scores: BenchmarkScores, plane: str, name: str) -> float:
    own, others = list[FloatArray](), list[FloatArray]()
    for fold, records in zip(scores.folds, scores.held_out, strict=True):
        values = fold.as_planes[fold.names.index(name), :, fold.planes.index(plane)]
        shows = np.array([record.plane == plane for record in records], dtype=np.bool_)
        own.append(values[shows])
        others.append(values[~shows & np.isfinite(values)])
    return auc_between(np.concatenate(own), np.concatenate(others))


def _structure(scores: BenchmarkScores, plane: str, name: str) -> float:
    changed = of_plane(changed_scores(scores, name), plane)
    steps = np.concatenate([np.diff(values, axis=1) for values in changed.degraded.values()])
    steps = steps[np.isfinite(steps)]
    return float((steps < 0).mean()) if len(steps) else float("nan")


def _nuisance(scores: BenchmarkScores, plane: str, name: str) -> float:
    rows = nuisance_rows(of_plane(changed_scores(scores, name), plane))
    return float(np.min([row.rank_correlation for row in rows])) if rows else float("nan")


def _other_scanners(scores: BenchmarkScores, plane: str, name: str) -> float:
    kinds = other_kinds(scores, plane)
    return float(nan_mean(np.array([auc_against_kind(scores, plane, name, kind) for kind in kinds]), axis=0))


def other_kinds(scores: BenchmarkScores, plane: str) -> list[str]:
    """Return what else unseen frames show, if some show the plane; otherwise nothing."""
    kinds = list(dict.fromkeys(record.plane for record in scores.unseen))
    return [kind for kind in kinds if kind != plane] if plane in kinds else []


def auc_against_kind(scores: BenchmarkScores, plane: str, name: str, kind: str) -> float:
    """Return the AUC of unseen frames of a plane against those of another kind, scored as the plane; mean over folds.

    Args:
        scores: Scores of one or more folds.
        plane: A plane of the model.
        name: Name of the score.
        kind: What the other frames show.
    """
    shows = np.array([record.plane for record in scores.unseen])
    found = [
        auc_between(values[shows == plane], values[shows == kind])
        for values in (fold.unseen[fold.names.index(name), :, fold.planes.index(plane)] for fold in scores.folds)
    ]
    return float(nan_mean(np.array(found), axis=0))


_ROWS = (
    Measure("SRCC", "Rank correlation with the ratings.", _srcc),
    Measure(
        "AUC highest",
        "Frames with the highest grade against all others; with more than five distinct ratings, the top third.",
        _highest,
    ),
    Measure(
        "AUC own plane", "Frames of the plane against those of the other planes, scored as this plane.", _own_plane
    ),
    Measure(
        "AUC other scanners",
        "Unseen frames of the plane against each other kind of unseen frames, scored as this plane; mean over kinds.",
        _other_scanners,
    ),
    Measure("structure falls", "Share of the steps of lost structure at which a frame's score falls.", _structure),
    Measure(
        "nuisance", "Lowest rank correlation with the scores of the unchanged frames, of all nuisances.", _nuisance
    ),
)
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ROWS}


def measure_all(scores: BenchmarkScores, names: Sequence[str] | None = None) -> FloatArray:
    """Return every measure of every score on every plane, shape ``(S, P, M)``, all folds joined.

    Args:
        scores: Scores of one or more folds.
        names: Names of the S scores; all by default.
    """
    chosen, measures = names or scores.names, MEASURES.values()
    return np.array(
        [[[measure.compute(scores, plane, name) for measure in measures] for plane in scores.planes] for name in chosen]
    )


def measure_folds(scores: BenchmarkScores) -> FloatArray:
    """Return every measure of every score on every plane in each fold by itself, shape ``(S, P, M, F)``."""
    return np.stack([measure_all(scores.only(fold)) for fold in range(len(scores.folds))], axis=-1)
