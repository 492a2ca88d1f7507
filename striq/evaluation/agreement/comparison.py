"""Comparison of the quality score and its controls with ratings, per plane and as the mean over planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striq.evaluation.agreement.controls import MAIN
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames
from striq.evaluation.agreement.tables import MEAN, EvaluationRow, EvaluationTable
from striq.evaluation.statistics.bootstrap import BootstrapOptions, paired_comparison, percentile_interval, resample
from striq.evaluation.statistics.metrics import METRIC_NAMES, Agreement, agreement, check_pairs, midpoint
from striq.evaluation.statistics.multiple_testing import holm
from striq.evaluation.statistics.resampled_metrics import (
    FloatArray,
    weighted_auc,
    weighted_f1,
    weighted_kendall_tau_b,
    weighted_plcc,
    weighted_srcc,
)

WITHOUT_THRESHOLD = (weighted_srcc, weighted_plcc, weighted_kendall_tau_b, weighted_auc)  # in the order of METRIC_NAMES


@dataclass(frozen=True)
class _PlaneFrames:
    """Frames of one plane or of all, as arrays of length n; ``scores`` has the main score first."""

    scores: Mapping[str, FloatArray]
    ratings: FloatArray
    groups: NDArray[np.str_]
    accepted: FloatArray | None

    def keep(self, mask: NDArray[np.bool_]) -> _PlaneFrames:
        scores = {name: values[mask] for name, values in self.scores.items()}
        accepted = None if self.accepted is None else self.accepted[mask]
        return _PlaneFrames(scores, self.ratings[mask], self.groups[mask], accepted)

    def accepted_by(self, name: str) -> FloatArray | None:
        """Return which frames a score accepts; controls have no threshold."""
        return self.accepted if name == next(iter(self.scores)) else None


def evaluate_scores(
    frames: Sequence[RatedFrame],
    scored: ScoredFrames,
    *,
    main: str = MAIN,
    bootstrap: BootstrapOptions | None = None,
    cut: float | None = None,
    note: str = "",
) -> EvaluationTable:
    """Compare scores of rated frames with the ratings.

    Convention:
        - Higher means better in every score and in the ratings.
        - The interval of a plane resamples the groups seen in it. That of the mean resamples all groups at once, so
          that a patient seen in two planes is drawn with both.
        - A mean is undefined if it is undefined for one of its planes.

    Args:
        frames: N rated frames.
        scored: Their scores; only the main score has a threshold and so an F1.
        main: Name of the score that is compared with all others.
        bootstrap: Settings of the intervals.
        cut: Frames rated above it should be accepted; the midpoint of the range of all ratings by default.
        note: A sentence printed with every table and picture.

    Raises:
        ValueError: If there are no frames, the number of scores is another, values are not finite, ``main`` is not
            among the scores, or a plane has the name of the mean.
    """
    options = bootstrap or BootstrapOptions()
    everything = _as_arrays(frames, scored, main)
    plane_of_frame = np.array([frame.plane for frame in frames])
    names = [str(name) for name in np.unique(plane_of_frame)]
    if MEAN in names:
        msg = f"No plane may be called {MEAN!r}, the name of the mean over planes; got: {', '.join(names)}."
        raise ValueError(msg)
    cut = midpoint(everything.ratings) if cut is None else cut
    masks = {name: plane_of_frame == name for name in names}
    of_plane = {name: everything.keep(mask) for name, mask in masks.items()}
    agreements = {name: _agreements(part, cut) for name, part in of_plane.items()}

    def mean_metrics(weights: FloatArray) -> FloatArray:
        return np.mean([_metrics(of_plane[name], weights[:, masks[name]], cut) for name in names], axis=0)

    rows: list[EvaluationRow] = []
    for name, part in of_plane.items():
        samples = resample(
            lambda weights, part=part: _metrics(part, weights, cut),
            part.groups,
            num_resamples=options.num_resamples,
            seed=options.seed,
        )
        rows += _rows(name, agreements[name], samples, options.level)
    samples = resample(mean_metrics, everything.groups, num_resamples=options.num_resamples, seed=options.seed)
    rows += _rows(MEAN, _mean_agreements(list(agreements.values()), everything), samples, options.level)
    return EvaluationTable(tuple(rows), main, cut, options, note)


def _as_arrays(frames: Sequence[RatedFrame], scored: ScoredFrames, main: str) -> _PlaneFrames:
    if main not in scored.scores:
        msg = f"The main score {main!r} is not among the scores: {', '.join(scored.scores)}."
        raise ValueError(msg)
    if not frames:
        msg = "There are no frames to compare scores with ratings for. Give rated frames."
        raise ValueError(msg)
    ratings = np.array([frame.rating for frame in frames])
    in_order = [main, *(name for name in scored.scores if name != main)]
    scores = {name: check_pairs(scored.scores[name], ratings)[0] for name in in_order}
    accepted = None if scored.accepted is None else check_pairs(scored.accepted, ratings)[0]
    return _PlaneFrames(scores, ratings, np.array([frame.group for frame in frames]), accepted)


def _agreements(frames: _PlaneFrames, cut: float) -> dict[str, Agreement]:
    return {
        name: agreement(values, frames.ratings, frames.groups, accepted=frames.accepted_by(name), cut=cut)
        for name, values in frames.scores.items()
    }


def _mean_agreements(of_planes: Sequence[Mapping[str, Agreement]], frames: _PlaneFrames) -> dict[str, Agreement]:
    """Average each score's statistics over planes; frames and groups are counted over all planes."""
    means: dict[str, Agreement] = {}
    for name in frames.scores:
        figures = {metric: float(np.mean([getattr(of[name], metric) for of in of_planes])) for metric in METRIC_NAMES}
        means[name] = Agreement(**figures, num_frames=len(frames.ratings), num_groups=len(np.unique(frames.groups)))
    return means


def _metrics(frames: _PlaneFrames, weights: FloatArray, cut: float) -> FloatArray:
    """Return every metric of every score on every resample, shape ``(R, scores, metrics)``."""
    positive = (frames.ratings > cut).astype(float)
    of_scores: list[FloatArray] = []
    for name, values in frames.scores.items():
        columns = [statistic(values, frames.ratings, weights) for statistic in WITHOUT_THRESHOLD]
        accepted = frames.accepted_by(name)
        columns.append(np.full(len(weights), np.nan) if accepted is None else weighted_f1(accepted, positive, weights))
        of_scores.append(np.stack(columns, axis=1))
    return np.stack(of_scores, axis=1)


def _rows(plane: str, agreements: Mapping[str, Agreement], samples: FloatArray, level: float) -> list[EvaluationRow]:
    """Return one row per score, the main one first and compared with the others."""
    names = list(agreements)
    rows: list[EvaluationRow] = []
    for index, name in enumerate(names):
        columns = zip(METRIC_NAMES, samples[:, index].T, strict=True)
        intervals = {metric: percentile_interval(values, level) for metric, values in columns}
        rows.append(EvaluationRow(plane, name, agreements[name], intervals))
    main, srcc_samples = agreements[names[0]], samples[:, :, METRIC_NAMES.index("srcc")]
    against = {
        name: paired_comparison(main.srcc - agreements[name].srcc, srcc_samples[:, 0] - srcc_samples[:, index], level)
        for index, name in enumerate(names)
        if index > 0
    }
    corrected = holm([found.p_value for found in against.values()])
    against = {
        name: replace(found, corrected_p=float(p_value))
        for (name, found), p_value in zip(against.items(), corrected, strict=True)
    }
    return [replace(rows[0], against=against), *rows[1:]]
