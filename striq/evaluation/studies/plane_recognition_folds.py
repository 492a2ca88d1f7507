"""Are planes told apart on groups not fitted on, and is a plane that was never fitted answered by "none"?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional as F

from striq.data.preprocessing import DARKEST
from striq.data.splits import group_folds
from striq.errors import DatasetError
from striq.evaluation.studies.plane_recognition import FloatArray, LeftOut, RoutingReport, in_batches, summarize
from striq.quality.plane_posterior import PlaneDensities, frame_descriptor
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord


def hide(image: Tensor, what: Sequence[str]) -> Tensor:
    """Return a frame, already cropped to its fan, without what tells scanners apart, same shape.

    Convention:
        - ``"outline"``: only the middle half of each side is kept, enlarged, so that the shape of the fan is not seen.
        - ``"intensities"``: each is replaced by its rank among those inside the fan, equal ones by their mean rank, so
          that gain, gray map and dynamic range are not seen.

    Args:
        image: Prepared frame, shape ``(1, H, W)``.
        what: Neither, one or both.
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


@torch.inference_mode()
def describe_frames(scorer: StriqScorer, images: Iterable[Tensor], what: Sequence[str] = ()) -> Tensor:
    """Return the descriptors that planes are told by, shape ``(N, D)``.

    Args:
        scorer: Its frozen encoder is used, nothing else.
        images: Prepared frames, each ``(1, H, W)``.
        what: What to hide of them, see :func:`hide`.
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
) -> RoutingReport:
    """Fit the planes on all groups but a fold's and judge that fold; then do so without each plane in turn.

    Args:
        records: What each frame is.
        descriptors: Of the same frames, shape ``(N, D)``.
        unknown: By source, descriptors of frames that show none of the planes; each is judged by one fold's fit.
        channels: Of the three stages of the encoder.
        folds: Folds, by group.
        seed: Of the folds.

    Raises:
        DatasetError: If there is but one plane, or a plane has fewer groups than folds.
    """
    planes = sorted({record.plane for record in records})
    if len(planes) < 2:
        msg = f"Telling planes apart needs two of them at least, got: {', '.join(planes) or 'none'}."
        raise DatasetError(msg)
    place = {(record.path, record.frame_index): i for i, record in enumerate(records)}
    parts = [
        ([place[r.path, r.frame_index] for r in fold.train], [place[r.path, r.frame_index] for r in fold.test])
        for fold in group_folds(records, folds, seed=seed)
    ]
    report = _judge(records, descriptors, planes, parts, unknown, channels)
    return replace(
        report, left_out=tuple(_leave_out(records, descriptors, plane, planes, parts, channels) for plane in planes)
    )


def _leave_out(
    records: Sequence[FrameRecord],
    descriptors: Tensor,
    plane: str,
    planes: Sequence[str],
    parts: Sequence[tuple[list[int], list[int]]],
    channels: Sequence[int],
) -> LeftOut:
    """Return what the others make of a plane's frames; those of each fold are judged by that fold's fit."""
    rest = [name for name in planes if name != plane]
    known: list[FloatArray] = []
    others: list[FloatArray] = []
    truth: list[str] = []
    for train, test in parts:
        densities = _fit(records, descriptors, rest, train, channels)
        of_rest = [i for i in test if records[i].plane != plane]
        known.append(_posterior(densities, descriptors[of_rest]))
        others.append(_posterior(densities, descriptors[[i for i in test if records[i].plane == plane]]))
        truth += [records[i].plane for i in of_rest]
    found = summarize(rest, np.concatenate(known), truth, {plane: np.concatenate(others)})
    answers = dict(zip([*rest, "none"], found.unknown[plane].tolist(), strict=True))
    return LeftOut(plane, found.auroc, found.rejected, found.accuracy, answers)


def _judge(
    records: Sequence[FrameRecord],
    descriptors: Tensor,
    planes: Sequence[str],
    parts: Sequence[tuple[list[int], list[int]]],
    unknown: Mapping[str, Tensor],
    channels: Sequence[int],
) -> RoutingReport:
    known: list[FloatArray] = []
    others: dict[str, list[FloatArray]] = {name: [] for name in unknown}
    for number, (train, test) in enumerate(parts):
        densities = _fit(records, descriptors, planes, train, channels)
        known.append(_posterior(densities, descriptors[test]))
        for name, of_source in unknown.items():
            if len(of_source[number :: len(parts)]):
                others[name].append(_posterior(densities, of_source[number :: len(parts)]))
    truth = [records[i].plane for _, test in parts for i in test]
    joined = {name: np.concatenate(found) for name, found in others.items() if found}
    return summarize(planes, np.concatenate(known), truth, joined)


def _fit(
    records: Sequence[FrameRecord],
    descriptors: Tensor,
    planes: Sequence[str],
    train: Sequence[int],
    channels: Sequence[int],
) -> PlaneDensities:
    densities = PlaneDensities(len(planes), channels)
    frames = {number: [i for i in train if records[i].plane == plane] for number, plane in enumerate(planes)}
    densities.fit_directions(torch.cat([descriptors[of_plane] for of_plane in frames.values()]))
    groups = {number: [records[i].group for i in of_plane] for number, of_plane in frames.items()}
    densities.fit({number: descriptors[of_plane] for number, of_plane in frames.items()}, groups)
    return densities


def _posterior(densities: PlaneDensities, descriptors: Tensor) -> FloatArray:
    return densities(descriptors).double().numpy()
