"""Plane recognition, cross-validated by group, and with each plane in turn left out of the fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional as F

from striq.data.preprocessing import DARKEST
from striq.data.splits import group_folds
from striq.errors import DatasetError
from striq.evaluation.studies.plane_recognition import (
    FloatArray,
    LeftOut,
    RecognitionResult,
    in_batches,
    measure_recognition,
)
from striq.quality.plane_posterior import PlaneDensities, frame_descriptor
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord
from striq.verdict import NO_PLANE

HIDDEN = ("intensities", "outline")  # what :func:`hide` can hide
Fold = tuple[list[int], list[int]]  # indices of the frames fitted on, and of those tested


def hide(image: Tensor, what: Sequence[str]) -> Tensor:
    """Return a prepared frame without properties that differ between scanners, same shape.

    Convention:
        - ``"outline"``: only the middle half of each side is kept and enlarged, which hides the shape of the fan.
        - ``"intensities"``: each intensity is replaced by its rank inside the fan, ties by their mean rank, which hides
          gain, gray map and dynamic range.

    Args:
        image: Prepared frame, shape ``(1, H, W)``.
        what: What to hide: none, one or both of :data:`HIDDEN`.
    """
    if "outline" in what:
        height, width = image.shape[1:]
        middle = image[:, height // 4 : height - height // 4, width // 4 : width - width // 4]
        image = F.interpolate(middle[None], (height, width), mode="bilinear")[0]
    if "intensities" in what:
        inside = image > 0
        ranks = torch.from_numpy(rankdata(image[inside].numpy())).to(image) / inside.sum().clamp(min=1)
        image = torch.zeros_like(image).masked_scatter(inside, ranks.clamp(min=DARKEST))
    return image


@dataclass(frozen=True)
class _DescribedFrames:
    """Frames with their descriptors, shape ``(N, D)``, and the channels of the encoder's three stages."""

    records: Sequence[FrameRecord]
    descriptors: Tensor
    channels: Sequence[int]

    def of_planes(self, indices: Sequence[int], planes: Sequence[str]) -> list[int]:
        """Return the indices of frames of some planes."""
        return [i for i in indices if self.records[i].plane in planes]


@torch.inference_mode()
def describe_frames(scorer: StriqScorer, images: Iterable[Tensor], what: Sequence[str] = ()) -> Tensor:
    """Return the descriptors that planes are recognized by, shape ``(N, D)``.

    Args:
        scorer: Scorer, of which only the frozen encoder is used.
        images: Prepared frames, each ``(1, H, W)``.
        what: What to hide, see :func:`hide`.
    """
    batches = in_batches(hide(image, what) for image in images)
    found = [frame_descriptor(scorer.embed(batch.to(scorer.device))).cpu() for batch in batches]
    return torch.cat(found) if found else torch.zeros(0, 0)


def cross_validate_recognition(
    records: Sequence[FrameRecord],
    descriptors: Tensor,
    unknown: Mapping[str, Tensor],
    channels: Sequence[int],
    *,
    folds: int = 5,
    seed: int = 0,
) -> RecognitionResult:
    """Fit the planes on all groups but those of a fold and test that fold, then repeat without each plane in turn.

    Args:
        records: N frames.
        descriptors: Their descriptors, shape ``(N, D)``.
        unknown: Descriptors of frames that show none of the planes, by source; each frame is tested with one fold.
        channels: Channels of the encoder's three stages.
        folds: Number of folds, by group.
        seed: Seed of the folds.

    Raises:
        DatasetError: If there are fewer than two planes, or a plane has fewer groups than folds.
    """
    planes = sorted({record.plane for record in records})
    if len(planes) < 2:
        found = ", ".join(planes) or "none"
        msg = f"Plane recognition needs at least two planes to tell apart, got: {found}. Give frames of several planes."
        raise DatasetError(msg)
    frames = _DescribedFrames(records, descriptors, channels)
    place = {(record.path, record.frame_index): i for i, record in enumerate(records)}
    parts = [
        ([place[r.path, r.frame_index] for r in fold.train], [place[r.path, r.frame_index] for r in fold.test])
        for fold in group_folds(records, folds, seed=seed)
    ]
    result = _test_folds(
        frames, planes, parts, lambda number: {name: some[number::folds] for name, some in unknown.items()}
    )
    return replace(result, left_out=tuple(_leave_out(frames, plane, planes, parts) for plane in planes))


def _leave_out(frames: _DescribedFrames, plane: str, planes: Sequence[str], parts: Sequence[Fold]) -> LeftOut:
    """Return recognition without a plane, whose frames count as unknown."""
    rest = [name for name in planes if name != plane]
    found = _test_folds(
        frames,
        rest,
        parts,
        lambda number: {plane: frames.descriptors[frames.of_planes(parts[number][1], [plane])]},
    )
    predicted = dict(zip([*rest, NO_PLANE], found.unknown[plane].tolist(), strict=True))
    return LeftOut(plane, found.auroc, found.rejected, found.accuracy, predicted)


def _test_folds(
    frames: _DescribedFrames,
    planes: Sequence[str],
    parts: Sequence[Fold],
    unknown: Callable[[int], Mapping[str, Tensor]],
) -> RecognitionResult:
    """Fit some planes fold by fold and test the frames of these planes in the fold.

    Args:
        frames: All frames.
        planes: Planes to fit.
        parts: Folds.
        unknown: Takes the number of a fold and returns descriptors of unknown frames to test with it, by source.
    """
    known: list[FloatArray] = []
    others: dict[str, list[FloatArray]] = {}
    truth: list[str] = []
    for number, (train, test) in enumerate(parts):
        densities = _fit(frames, planes, train)
        tested = frames.of_planes(test, planes)
        known.append(_posterior(densities, frames.descriptors[tested]))
        truth += [frames.records[i].plane for i in tested]
        for name, descriptors in unknown(number).items():
            if len(descriptors):
                others.setdefault(name, []).append(_posterior(densities, descriptors))
    joined = {name: np.concatenate(found) for name, found in others.items()}
    return measure_recognition(planes, np.concatenate(known), truth, joined)


def _fit(frames: _DescribedFrames, planes: Sequence[str], train: Sequence[int]) -> PlaneDensities:
    densities = PlaneDensities(len(planes), frames.channels)
    of_plane = {number: frames.of_planes(train, [plane]) for number, plane in enumerate(planes)}
    densities.fit_directions(torch.cat([frames.descriptors[indices] for indices in of_plane.values()]))
    groups = {number: [frames.records[i].group for i in indices] for number, indices in of_plane.items()}
    densities.fit({number: frames.descriptors[indices] for number, indices in of_plane.items()}, groups)
    return densities


def _posterior(densities: PlaneDensities, descriptors: Tensor) -> FloatArray:
    return densities(descriptors).double().numpy()
