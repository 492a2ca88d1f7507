"""Plane recognition: whether frames get the right plane, and frames of unknown organs the answer "none"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striq.evaluation.statistics.metrics import auc_best_against_worst
from striq.scoring.recognition import recognize
from striq.scoring.scorer import StriqScorer

BATCH_SIZE = 16
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LeftOut:
    """Recognition without one plane, whose frames then show none of the remaining planes.

    Attributes:
        plane: Name of the plane left out.
        auroc: Area under the ROC curve of 1 - p(none) for frames of the remaining planes against its frames.
        rejected: Share of its frames with the predicted plane "none".
        accuracy: Share of frames of the remaining planes that are recognized.
        predicted: How often each of the remaining planes, or ``"none"``, was predicted for its frames.
    """

    plane: str
    auroc: float
    rejected: float
    accuracy: float
    predicted: dict[str, int]


@dataclass(frozen=True)
class RecognitionResult:
    """Predicted planes of known and unknown frames; undefined values are NaN.

    Attributes:
        planes: Planes that the model knows.
        confusion: Frames of each plane (row) by predicted plane (column), ``"none"`` last, shape ``(P, P + 1)``.
        accuracy: Share of known frames whose plane is predicted.
        accuracy_among_planes: The same if ``"none"`` may not be predicted.
        auroc: Area under the ROC curve of 1 - p(none) for known against unknown frames.
        unknown: For each source of unknown frames, how often each plane was predicted, shape ``(P + 1,)``.
        left_out: Recognition without each plane in turn, if that was tested.
    """

    planes: tuple[str, ...]
    confusion: NDArray[np.int64]
    accuracy: float
    accuracy_among_planes: float
    auroc: float
    unknown: dict[str, NDArray[np.int64]]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def rejected(self) -> float:
        """Share of unknown frames with the predicted plane "none"."""
        counts = sum(self.unknown.values(), np.zeros(len(self.planes) + 1, dtype=np.int64))
        return float(counts[-1] / counts.sum()) if counts.sum() else float("nan")


@torch.inference_mode()
def plane_posteriors(scorer: StriqScorer, images: Iterable[Tensor]) -> FloatArray:
    """Return the plane posterior of each prepared frame, "none" last, shape ``(N, P + 1)``.

    Args:
        scorer: Fitted scorer.
        images: Prepared frames, each ``(1, H, W)``.
    """
    found = []
    for batch in in_batches(images):
        image = batch.to(scorer.device)
        found.append(recognize(scorer, image, scorer.embed(image), scorer.frame_terms(image)).posterior)
    return torch.cat(found).double().cpu().numpy() if found else np.zeros((0, len(scorer.planes) + 1))


def in_batches(images: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield a few frames at a time, each ``(B, 1, H, W)``."""
    remaining = iter(images)
    while some := list(islice(remaining, BATCH_SIZE)):
        yield torch.stack(some)


def measure_recognition(
    planes: Sequence[str], known: FloatArray, truth: Sequence[str], unknown: Mapping[str, FloatArray]
) -> RecognitionResult:
    """Return how well planes are recognized, given the posteriors of frames.

    Args:
        planes: Planes that the model knows.
        known: Posteriors of N frames of these planes, shape ``(N, P + 1)``.
        truth: Plane of each of them.
        unknown: Posteriors of frames that show none of the planes, by source, each ``(M, P + 1)``.
    """
    rows = np.array([list(planes).index(plane) for plane in truth], dtype=int)
    confusion = np.zeros((len(planes), len(planes) + 1), dtype=np.int64)
    np.add.at(confusion, (rows, known.argmax(axis=1)), 1)
    among = (known[:, :-1].argmax(axis=1) == rows).mean() if len(rows) else np.nan
    others = np.concatenate([*unknown.values(), np.zeros((0, len(planes) + 1))])
    looks_known = 1 - np.concatenate([known[:, -1], others[:, -1]])
    is_known = np.concatenate([np.ones(len(known)), np.zeros(len(others))])
    return RecognitionResult(
        tuple(planes),
        confusion,
        float(confusion[:, :-1].trace() / len(rows)) if len(rows) else float("nan"),
        float(among),
        auc_best_against_worst(looks_known, is_known) if len(others) and len(known) else float("nan"),
        {name: np.bincount(p.argmax(axis=1), minlength=len(planes) + 1) for name, p in unknown.items()},
    )
