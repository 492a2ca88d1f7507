"""Other anchors for planes of a trained scorer; nothing is trained."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from striq.anchors.identification import find_frames_of_anchors
from striq.anchors.provenance import anchor_source, new_salt, show_both_sides
from striq.data.loading import load_images
from striq.errors import DatasetError
from striq.quality.terms import combine_terms
from striq.scoring.scorer import StriqScorer
from striq.scoring.stability import set_stability
from striq.training.cache import FeatureCache, ViewSettings
from striq.training.plane_calibration import PlaneCalibration
from striq.training.plane_support import PlaneSupport
from striq.training.score_statistics import UnseenScores, ranking_stability, set_range_and_weights
from striq.types import FrameRecord

logger = logging.getLogger(__name__)
FEWEST_FRAMES = 2  # from which a range can be measured


@dataclass(frozen=True)
class AnchorChange:
    """What becomes of the anchors of one plane: some are kept, or frames take the place of all.

    Attributes:
        keep: Numbers of the anchors that are kept.
        use: Frames that become the anchors; ``keep`` is empty then.
    """

    keep: Sequence[int] = ()
    use: Sequence[FrameRecord] = ()


@dataclass(frozen=True)
class ChangedPlane:
    """What was changed in one plane.

    Attributes:
        images: Prepared frames that became anchors, in the order of the bank, ``(K, 1, H, W)``; ``None`` if some of the
            earlier anchors were kept.
        num_frames: Number of frames that the ranges were measured on; 0 if they were left as they are.
    """

    images: Tensor | None
    num_frames: int


@torch.no_grad()
def change_anchors(
    scorer: StriqScorer,
    changes: Mapping[str, AnchorChange],
    frames: Sequence[FrameRecord] = (),
    *,
    quiet: bool = False,
) -> dict[str, ChangedPlane]:
    """Change the anchors of planes in place, and measure their ranges and weights again.

    Mean maps, everything learned and the recognition of planes stay as they are, and so do all other planes.

    Args:
        scorer: Trained scorer.
        changes: What becomes of the anchors, by plane.
        frames: Unlabeled frames of these planes, to measure ranges and weights on; without any, those of a plane that
            keeps some of its anchors stay as they are.
        quiet: Hide progress bars.

    Raises:
        DatasetError: If a plane would have no anchors or too many, or has too few frames.
        StriqError: If the model does not know a plane.
    """
    scorer.eval()
    for plane, change in changes.items():
        _check(scorer, plane, change, [record for record in frames if record.plane == plane], given=bool(frames))
    return {
        plane: _change_plane(scorer, scorer.plane_index(plane), change, frames, quiet=quiet)
        for plane, change in changes.items()
    }


def _check(
    scorer: StriqScorer, plane: str, change: AnchorChange, frames: Sequence[FrameRecord], *, given: bool
) -> None:
    scorer.plane_index(plane)
    count, most = len(change.keep) + len(change.use), scorer.config.quality.num_anchors
    if not 0 < count <= most:
        msg = f"Plane {plane!r} would have {count} anchors; a plane of this model has 1 to {most}. Change the list."
        raise DatasetError(msg)
    if len(frames) < FEWEST_FRAMES and (given or change.use):
        msg = (
            f"Plane {plane!r} has {len(frames)} frames to measure its ranges on; at least {FEWEST_FRAMES} are needed. "
            "Give unlabeled frames of the plane."
        )
        raise DatasetError(msg)


def _change_plane(
    scorer: StriqScorer, plane: int, change: AnchorChange, frames: Sequence[FrameRecord], *, quiet: bool
) -> ChangedPlane:
    of_plane = [record for record in frames if record.plane == scorer.planes[plane]]
    if not of_plane:
        _keep(scorer, plane, change.keep)
        _note_support(scorer, plane, {"ranking_stability": None})
        return ChangedPlane(None, 0)
    records = [*change.use, *of_plane]
    calibration = _calibration(scorer, plane, records, quiet=quiet)
    if change.use:
        _use(calibration, len(change.use))
    else:
        _keep(scorer, plane, change.keep)
    unseen = _score_as_unseen(calibration, range(len(change.use), len(records)))
    set_range_and_weights(scorer, plane, unseen)
    stability = ranking_stability(scorer, plane, unseen)
    counts = len(unseen.terms), len({record.group for record in of_plane}), len(scorer.bank.sources[plane])
    support = PlaneSupport(scorer.planes[plane], *counts, show_both_sides(scorer.bank.sources[plane]), stability)
    _note_support(scorer, plane, support.to_dict())
    for level, line in support.lines():
        logger.log(level, "%s", line)
    return ChangedPlane(calibration.anchor_images() if change.use else None, len(unseen.terms))


def _calibration(scorer: StriqScorer, plane: int, records: Sequence[FrameRecord], *, quiet: bool) -> PlaneCalibration:
    images = load_images(records, scorer.config.encoder.size, quiet=quiet)
    cache = FeatureCache(images, ViewSettings(count=0), quiet=quiet)
    cache.fill(scorer.embed, scorer.device)
    salt = new_salt()
    groups, sources = [record.group for record in records], [anchor_source(record, salt) for record in records]
    return PlaneCalibration(scorer, plane, images, cache, torch.arange(len(records)), groups, sources)


def _use(calibration: PlaneCalibration, count: int) -> None:
    """Make the first frames of a calibration the anchors."""
    scorer = calibration.scorer
    most = scorer.config.quality.num_anchors // (2 if calibration.both_sides else 1)
    if count > most:
        msg = (
            f"Plane {scorer.planes[calibration.plane]!r} is recorded from both sides, so each frame makes two anchors: "
            f"itself and its mirror image. Name {most} frames at most, got {count}."
        )
        raise DatasetError(msg)
    calibration.install(torch.arange(count))


def _keep(scorer: StriqScorer, plane: int, numbers: Sequence[int]) -> None:
    """Keep some of the anchors, and measure anew where they agree with one another."""
    scorer.bank.keep(plane, numbers)
    frames = [source.frame for source in scorer.bank.sources[plane]]
    # The bank holds the anchors of one side first, then their mirror images in the same order.
    second = [frame in frames[:number] for number, frame in enumerate(frames)]
    set_stability(scorer, plane, torch.tensor(second))


def _score_as_unseen(calibration: PlaneCalibration, rows: Sequence[int]) -> UnseenScores:
    """Score frames, each against the anchors of other groups; it is left out if all anchors are of its group.

    Raises:
        DatasetError: If too few frames are left.
    """
    scorer, groups = calibration.scorer, _groups_of_anchors(calibration)
    terms: list[Tensor] = []
    evidence: list[Tensor] = []
    pair_terms: list[Tensor] = []
    of_no_anchor: list[int] = []  # frames, by their place in ``terms``, of groups that gave no anchor
    for row, score in zip(rows, calibration.score(torch.tensor(rows)), strict=True):
        others = [i for i, of_anchor in enumerate(groups) if calibration.groups[row] not in of_anchor]
        if not others:
            continue
        if len(others) == len(groups):
            of_no_anchor.append(len(terms))
            pair_terms.append(score.pair_terms)
        frame_terms = score.terms[:, score.pair_terms.shape[2] :]
        evidence.append(calibration.evidence([score], torch.tensor([row])))
        share = scorer.config.quality.anchor_share
        terms.append(combine_terms(score.pair_terms[:, others], frame_terms, share, score.excess))
    if len(terms) < FEWEST_FRAMES:
        msg = (
            f"Plane {scorer.planes[calibration.plane]!r}: all but {len(terms)} of {len(rows)} frames are of the one "
            "group that all anchors come from, so no range can be measured. Give frames or anchors of more groups."
        )
        raise DatasetError(msg)
    pairs, folds = ([torch.cat(pair_terms)], [torch.tensor(of_no_anchor)]) if pair_terms else ([], [])
    return UnseenScores(torch.cat(terms), pairs, torch.cat(evidence), folds)


def _groups_of_anchors(calibration: PlaneCalibration) -> list[set[str]]:
    """Return the groups of the frames that each anchor, or another anchor of the same group, comes from."""
    scorer, plane = calibration.scorer, calibration.plane
    sources = scorer.bank.sources[plane]
    groups: dict[str, set[str]] = {source.group: set() for source in sources}
    frames = find_frames_of_anchors(scorer.bank, plane, calibration.images, scorer.embed)
    for source, found in zip(sources, frames, strict=True):
        groups[source.group].update(calibration.groups[row] for row in found)
    unknown = sum(not groups[source.group] for source in sources)
    if unknown:
        logger.warning(
            "%s: %d of %d anchors come from none of the frames. If other frames of their groups are given, these are "
            "measured against anchors of their own group. Give the anchors' frames, too.",
            scorer.planes[plane],
            unknown,
            len(sources),
        )
    return [groups[source.group] for source in sources]


def _note_support(scorer: StriqScorer, plane: int, support: Mapping[str, Any]) -> None:
    """Correct what the model says about the frames that a plane was calibrated on."""
    known, name = scorer.info.get("planes", {}), scorer.planes[plane]
    updated = {**known.get(name, {}), "anchors": len(scorer.bank.sources[plane]), **support}
    scorer.info["planes"] = {**known, name: updated}
