"""Comparison of the quality score and its controls with ratings, per plane and as the mean over planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striq.evaluation.agreement.tables import MEAN, EvaluationRow, EvaluationTable
from striq.evaluation.statistics.bootstrap import LEVEL, NUM_RESAMPLES, Groups, compare, percentile_interval, resample
from striq.evaluation.statistics.metrics import METRIC_NAMES, Agreement, agreement, check_pairs, midpoint
from striq.evaluation.statistics.resampled_metrics import (
    FloatArray,
    weighted_auc,
    weighted_f1,
    weighted_kendall_tau_b,
    weighted_plcc,
    weighted_srcc,
)


@dataclass(frozen=True)
class _Frames:
    """The frames of one plane, as arrays of length n."""

    scores: Mapping[str, FloatArray]
    ratings: FloatArray
    groups: NDArray[np.str_]
    accepted: FloatArray | None

    def keep(self, mask: NDArray[np.bool_]) -> _Frames:
        scores = {name: values[mask] for name, values in self.scores.items()}
        accepted = None if self.accepted is None else self.accepted[mask]
        return _Frames(scores, self.ratings[mask], self.groups[mask], accepted)


def evaluate_scores(
    scores: Mapping[str, ArrayLike],
    ratings: ArrayLike,
    groups: Groups,
    planes: Sequence[str] | NDArray[np.str_],
    accepted: ArrayLike | None = None,
    *,
    main: str = "STRIQ",
    seed: int,
    note: str = "",
    cut: float | None = None,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> EvaluationTable:
    """Compare scores of rated frames with the ratings, every array of length n, higher meaning better.

    The interval of a plane resamples the groups seen in it; that of the mean resamples all groups at once, so that
    a patient seen in two planes is drawn with both. A mean is undefined where one of its planes is.

    Args:
        scores: The main score and its controls by name.
        ratings: Human ratings.
        groups: Group of every frame.
        planes: Plane of every frame.
        accepted: Whether the main score accepts a frame; controls have no threshold and so no F1.
        main: Name of the score that is compared with all others.
        seed: Seed of the bootstrap.
        note: A sentence printed with every block of figures.
        cut: Frames rated above it ought to be accepted; the midpoint of the range of all ratings by default.
        num_resamples: Resamples of each interval.
        level: Share of the resamples inside an interval.

    Raises:
        ValueError: If there are no frames, lengths differ, values are not finite, ``main`` is not among the
            scores, or a plane has the name of the mean.
    """
    frames = _as_frames(scores, ratings, groups, accepted, main)
    plane_of_frame = np.asarray(planes).astype(str)
    names = [str(name) for name in np.unique(plane_of_frame)]
    if plane_of_frame.shape != frames.ratings.shape or MEAN in names:
        msg = f"'planes' must name one plane per frame ({len(frames.ratings)}), none of them {MEAN!r}; got {names[:9]}."
        raise ValueError(msg)
    cut = midpoint(frames.ratings) if cut is None else cut
    masks = {name: plane_of_frame == name for name in names}
    of_plane = {name: frames.keep(mask) for name, mask in masks.items()}
    agreements = {name: _agreements(part, main, cut) for name, part in of_plane.items()}
    bootstrap = partial(resample, num_resamples=num_resamples, seed=seed)

    rows: list[EvaluationRow] = []
    for name, part in of_plane.items():
        samples = bootstrap(lambda weights, part=part: _metrics(part, weights, main, cut), part.groups)
        rows += _rows(name, agreements[name], samples, level)

    def mean_metrics(weights: FloatArray) -> FloatArray:
        return np.mean([_metrics(of_plane[name], weights[:, masks[name]], main, cut) for name in names], axis=0)

    means = _mean_agreements(list(agreements.values()), frames)
    rows += _rows(MEAN, means, bootstrap(mean_metrics, frames.groups), level)
    return EvaluationTable(tuple(rows), main, cut, num_resamples, level, seed, note)


def _as_frames(
    scores: Mapping[str, ArrayLike], ratings: ArrayLike, groups: ArrayLike, accepted: ArrayLike | None, main: str
) -> _Frames:
    if main not in scores:
        msg = f"The main score {main!r} is not among the scores: {', '.join(scores)}."
        raise ValueError(msg)
    in_order = [main, *(name for name in scores if name != main)]
    pairs = {name: check_pairs(scores[name], ratings) for name in in_order}
    values = pairs[main][1]
    names = np.asarray(groups).astype(str)
    if names.shape != values.shape or not len(values):
        msg = (
            f"'groups' must name the group of every frame and there must be frames; got {names.shape}, {values.shape}."
        )
        raise ValueError(msg)
    judged = None if accepted is None else check_pairs(accepted, ratings)[0].astype(bool).astype(float)
    return _Frames({name: pair[0] for name, pair in pairs.items()}, values, names, judged)


def _agreements(frames: _Frames, main: str, cut: float) -> dict[str, Agreement]:
    return {
        name: agreement(
            values, frames.ratings, frames.groups, accepted=frames.accepted if name == main else None, cut=cut
        )
        for name, values in frames.scores.items()
    }


def _mean_agreements(of_planes: Sequence[Mapping[str, Agreement]], frames: _Frames) -> dict[str, Agreement]:
    """Average each score's figures over planes; frames and groups are counted over all of them."""
    means = {}
    for name in frames.scores:
        figures = {metric: float(np.mean([getattr(of[name], metric) for of in of_planes])) for metric in METRIC_NAMES}
        means[name] = Agreement(**figures, num_frames=len(frames.ratings), num_groups=len(np.unique(frames.groups)))
    return means


def _metrics(frames: _Frames, weights: FloatArray, main: str, cut: float) -> FloatArray:
    """Return every metric of every score on every resample, shape ``(R, scores, metrics)``."""
    positive = (frames.ratings > cut).astype(float)
    of_scores = []
    for name, values in frames.scores.items():
        rank_and_linear = (weighted_srcc, weighted_plcc, weighted_kendall_tau_b, weighted_auc)
        columns = [statistic(values, frames.ratings, weights) for statistic in rank_and_linear]
        judged = frames.accepted if name == main else None
        columns.append(np.full(len(weights), np.nan) if judged is None else weighted_f1(judged, positive, weights))
        of_scores.append(np.stack(columns, axis=1))
    return np.stack(of_scores, axis=1)


def _rows(plane: str, agreements: Mapping[str, Agreement], samples: FloatArray, level: float) -> list[EvaluationRow]:
    """Return one row per score, the main one first and compared with the others."""
    names = list(agreements)
    rows = []
    for index, name in enumerate(names):
        columns = zip(METRIC_NAMES, samples[:, index].T, strict=True)
        intervals = {metric: percentile_interval(values, level) for metric, values in columns}
        rows.append(EvaluationRow(plane, name, agreements[name], intervals))
    main, srcc_samples = agreements[names[0]], samples[:, :, METRIC_NAMES.index("srcc")]
    against = {
        name: compare(main.srcc - agreements[name].srcc, srcc_samples[:, 0] - srcc_samples[:, index], level)
        for index, name in enumerate(names)
        if index > 0
    }
    return [replace(rows[0], against=against), *rows[1:]]
