"""Other anchors for planes of a trained scorer; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striq.data.loading import load_images
from striq.errors import DatasetError
from striq.model.network import Pyramid
from striq.quality.normalization import TermRange, plane_weights
from striq.quality.terms import combine_terms
from striq.scoring.scorer import StriqScorer
from striq.training.cache import FeatureCache, ViewSettings
from striq.types import AnchorSource, FrameRecord

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


def is_frame_of(record: FrameRecord, source: AnchorSource) -> bool:
    """Return whether an anchor comes from a frame, as far as the end of its path and its group can tell."""
    parts = source.path.split("/")
    same_place = record.group == source.group or list(record.path.parts[-2:-1]) == parts[-2:-1]
    return record.frame_index == source.frame_index and record.path.name == parts[-1] and same_place


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
    records = [*change.use, *of_plane]
    if not records:
        _keep(scorer, plane, change.keep)
        return ChangedPlane(None, 0)
    images = load_images(records, scorer.config.encoder.size, quiet=quiet)
    cache = FeatureCache(images, ViewSettings(count=0), quiet=quiet)
    cache.fill(scorer.embed, scorer.device)
    if change.use:
        used = range(len(change.use))
        _install(scorer, plane, cache.features(used), [AnchorSource.of(record) for record in change.use])
    else:
        _keep(scorer, plane, change.keep)
    rows = range(len(change.use), len(records))
    terms = _terms_as_unseen(scorer, plane, images[rows.start :], cache.features(rows), of_plane)
    _set_range_and_weights(scorer, plane, terms)
    return ChangedPlane(images[: rows.start] if change.use else None, len(terms))


def _keep(scorer: StriqScorer, plane: int, numbers: Sequence[int]) -> None:
    features, sources = scorer.bank.features(plane), scorer.bank.sources[plane]
    _install(scorer, plane, features[torch.tensor(numbers)], [sources[number] for number in numbers])


def _install(scorer: StriqScorer, plane: int, features: Pyramid, sources: Sequence[AnchorSource]) -> None:
    """Make frames the anchors of a plane."""
    scorer.bank.fill(plane, features, sources)


def _terms_as_unseen(
    scorer: StriqScorer, plane: int, images: Tensor, features: Pyramid, records: Sequence[FrameRecord]
) -> Tensor:
    """Return the terms of frames, each against the anchors of other groups, shape ``(N, T + F)``.

    Frames are left out if all anchors are of their group.

    Raises:
        DatasetError: If too few frames are left.
    """
    terms: list[Tensor] = []
    for row, record in enumerate(records):
        sources = scorer.bank.sources[plane]
        others = [i for i, of in enumerate(sources) if of.group != record.group and not is_frame_of(record, of)]
        if others:
            pairs = scorer.engine.pair_terms(features[row], plane).terms[:, others]
            frame_terms = scorer.frame_terms(images[row : row + 1].to(scorer.device))
            terms.append(combine_terms(pairs, frame_terms, scorer.config.quality.anchor_share))
    if len(terms) < FEWEST_FRAMES:
        msg = (
            f"Plane {scorer.planes[plane]!r}: all but {len(terms)} of {len(records)} frames are of the one group that "
            "all anchors come from, so no range can be measured. Give frames or anchors of more groups."
        )
        raise DatasetError(msg)
    return torch.cat(terms)


def _set_range_and_weights(scorer: StriqScorer, plane: int, terms: Tensor) -> None:
    span = TermRange.of(terms)
    scorer.range_low[plane], scorer.range_high[plane] = span.low, span.high
    scorer.term_weights[plane] = plane_weights(terms, scorer.config.quality.weights)
