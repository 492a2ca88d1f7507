"""What a trained scorer needs to turn terms into Q and to recognize planes, measured on unlabeled frames."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striq.quality.normalization import TermRange, normalize_terms, plane_weights, quality_score
from striq.quality.plane_evidence import EXPECTED_SHARE, LARGEST_SHARE_OF_OTHERS
from striq.quality.plane_posterior import frame_descriptor
from striq.scoring.recognition import plane_evidence
from striq.scoring.scorer import StriqScorer
from striq.training.cache import BATCH_SIZE, FeatureCache
from striq.training.plane_calibration import PlaneCalibration

NUM_FOLDS = 5
FEWEST_FRAMES = 3  # from which anchors are chosen in a fold
OTHER_FRAMES = 12  # of each other plane, on which evidence is tried
DRAWS = 20  # of the anchors, for the stability of the ranking


@dataclass(frozen=True)
class UnseenScores:
    """Terms of a plane's frames, each scored against anchors that were chosen without its group.

    Attributes:
        terms: Raw terms, shape ``(N, T + F)``.
        pair_terms: Pair terms with the K anchors, a tensor ``(M, K, T)`` for each fold of M frames.
        evidence: That the frames show the plane, shape ``(N,)``.
        folds: Places of the frames of each fold among the plane's.
    """

    terms: Tensor
    pair_terms: Sequence[Tensor]
    evidence: Tensor
    folds: Sequence[Tensor]


def score_unseen(calibration: PlaneCalibration, also: Callable[[Tensor], None] | None = None) -> UnseenScores:
    """Score every frame of a plane against anchors, mean maps and stability of the other groups; cross-fitting.

    The plane is left with the anchors of the last fold.

    Args:
        calibration: The plane and its frames.
        also: Called with the places of each fold's frames while the plane has the anchors of the others.
    """
    everything = torch.arange(len(calibration.frames))
    folds, terms, pair_terms, evidence = _folds(calibration.groups), [], [], []
    for fold in folds:
        rest = everything[~torch.isin(everything, fold)]
        calibration.set_mean_maps(rest)
        calibration.install(calibration.choose(rest))
        scores = calibration.score(fold)
        terms.append(torch.cat([score.terms for score in scores]))
        pair_terms.append(torch.cat([score.pair_terms for score in scores]))
        evidence.append(calibration.evidence(scores, fold))
        if also is not None:
            also(fold)
    in_order = torch.cat(folds).argsort()
    return UnseenScores(torch.cat(terms)[in_order], pair_terms, torch.cat(evidence)[in_order], folds)


def set_range_and_weights(scorer: StriqScorer, plane: int, unseen: UnseenScores) -> None:
    """Set a plane's range of each term and its weights of the terms.

    Convention:
        - The range reaches on both sides beyond the terms of unseen frames by the mean distance of neighboring terms.
          Of few frames, the next one may well lie outside their range.

    Args:
        scorer: Trained scorer.
        plane: Index of the plane.
        unseen: Terms of frames that the anchors were not chosen from.
    """
    span = TermRange.of(unseen.terms)
    margin = (span.high - span.low) / (len(unseen.terms) - 1)
    scorer.range_low[plane], scorer.range_high[plane] = span.low - margin, span.high + margin
    scorer.term_weights[plane] = plane_weights(unseen.terms, scorer.config.quality.weights)


def unseen_quality(scorer: StriqScorer, plane: int, unseen: UnseenScores) -> Tensor:
    """Return Q of each frame as unseen, by the scorer's ranges and weights, shape ``(N,)``."""
    return quality_score(normalize_terms(unseen.terms, scorer.range(plane)), scorer.term_weights[plane]).cpu()


def set_evidence_range(
    scorer: StriqScorer, plane: int, unseen: UnseenScores, others: Sequence[PlaneCalibration]
) -> None:
    """Set the threshold of a plane's evidence, if few frames of other planes reach it.

    Args:
        scorer: Scorer with the plane's anchors.
        plane: Index of the plane.
        unseen: Scores of frames that the anchors were not chosen from.
        others: The other planes.
    """
    threshold = unseen.evidence.quantile(1 - EXPECTED_SHARE)
    found = []
    for other in others:
        rows = torch.linspace(0, len(other.frames) - 1, min(len(other.frames), OTHER_FRAMES)).long()
        found += [_evidence_as(scorer, plane, other, frame) for frame in other.frames[rows].tolist()]
    selective = found and (torch.cat(found) > threshold).float().mean() <= LARGEST_SHARE_OF_OTHERS
    values = torch.stack([threshold, unseen.evidence.std()])
    scorer.evidence_range[plane] = values if selective else torch.inf


def _evidence_as(scorer: StriqScorer, plane: int, other: PlaneCalibration, frame: int) -> Tensor:
    """Return the evidence that a frame of another plane shows a plane, shape ``(1,)``."""
    seen = scorer.seen_as_plane(other.cache.features([frame]), plane)
    pairs, _ = scorer.engine.pair_terms(seen, plane).split(len(scorer.bank.sources[plane]))
    return plane_evidence(scorer, other.images[frame : frame + 1].to(scorer.device), pairs.transforms, plane)


def ranking_stability(scorer: StriqScorer, plane: int, unseen: UnseenScores) -> float:
    """Return the mean rank correlation of Q of unseen frames between two random halves of the anchors.

    Args:
        scorer: Scorer with ranges and weights.
        plane: Index of the plane.
        unseen: Scores of frames that the anchors were not chosen from.
    """
    generator, correlations = torch.Generator().manual_seed(0), []
    for pair_terms, fold in zip(unseen.pair_terms, unseen.folds, strict=True):
        count = pair_terms.shape[1]
        if count < 2 or len(fold) < 3:
            continue
        frame_terms = unseen.terms[fold.to(unseen.terms.device), pair_terms.shape[2] :]
        for _ in range(DRAWS):
            halves = torch.randperm(count, generator=generator).chunk(2)
            first, second = (scorer.quality_of(pair_terms[:, half], frame_terms, plane)[2] for half in halves)
            correlations.append(_rank_correlation(first, second))
    return float(torch.stack(correlations).mean()) if correlations else math.nan


def fit_densities(
    scorer: StriqScorer, cache: FeatureCache, frames: Mapping[int, Tensor], groups: Mapping[int, Sequence[str]]
) -> None:
    """Fit the densities that recognize planes; those of planes without frames here stay.

    Args:
        scorer: Scorer whose densities are fitted.
        cache: Frozen features.
        frames: Indices of each plane's frames, by index of the plane.
        groups: Groups of the same frames.
    """
    descriptors = {
        plane: torch.cat([frame_descriptor(cache.features(part)) for part in of_plane.split(BATCH_SIZE)])
        for plane, of_plane in frames.items()
    }
    if len(frames) == len(scorer.planes):  # directions are shared: planes that are added keep those of the first
        scorer.densities.fit_directions(torch.cat(list(descriptors.values())))
    scorer.densities.fit(descriptors, {plane: list(of_plane) for plane, of_plane in groups.items()})


def can_leave_groups_out(groups: Sequence[str]) -> bool:
    """Return whether enough frames are left for anchors without any one group; else single frames are left out."""
    sizes = Counter(groups).values()
    return len(sizes) > 1 and len(groups) - max(sizes) >= FEWEST_FRAMES


def _rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    ranks = torch.stack([first, second]).argsort(dim=1).argsort(dim=1).double()
    return torch.corrcoef(ranks)[0, 1]


def _folds(groups: Sequence[str]) -> list[Tensor]:
    """Return the rows of each fold: whole groups in turn, or single frames where there are too few groups."""
    names = sorted(set(groups))
    members = [[row for row, group in enumerate(groups) if group == name] for name in names]
    if not can_leave_groups_out(groups):
        members = [[row] for row in range(len(groups))]
    order = torch.randperm(len(members), generator=torch.Generator().manual_seed(0)).tolist()
    number = min(NUM_FOLDS, len(members))
    return [torch.tensor(sorted(row for i in order[fold::number] for row in members[i])) for fold in range(number)]
