"""Controls: simple scores that the quality score is always shown beside.

A control is one function in this module, registered by :func:`control`. Every evaluation then computes it, and every
table and picture has a row for it (docs/how-to/add-a-control.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from striq.data.preprocessing import intensity_std, structure_richness
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.agreement.frames import ScoredFrames
from striq.model.network import Pyramid
from striq.progress_bar import track
from striq.registration.vectors import unit_vectors
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord
from striq.verdict import is_accepted

MAIN = "STRIQ"
SMALLEST_RICHNESS = 1e-6  # of a frame without structure, so that its logarithm is finite

Control = Callable[[FrameInputs], float | Tensor]
CONTROLS: dict[str, Control] = {}


def control(name: str) -> Callable[[Control], Control]:
    """Register a function as a control.

    Args:
        name: Name of its row in tables.

    Returns:
        A decorator of a function that takes a frame and returns its score, where higher means better.
    """

    def register(function: Control) -> Control:
        CONTROLS[name] = function
        return function

    return register


@control("in-fan intensity std")
def in_fan_intensity_std(frame: FrameInputs) -> Tensor:
    """Return the standard deviation of the intensity inside the fan."""
    return intensity_std(frame.image)


@control("band-pass log std")
def band_pass_log_std(frame: FrameInputs) -> Tensor:
    """Return the log standard deviation inside the fan between Gaussian blurs of 4 and 16 pixels (of 256)."""
    return structure_richness(frame.image).clamp(min=SMALLEST_RICHNESS).log()


@control("unregistered centered cosine")
def mean_unregistered_cosine(frame: FrameInputs) -> Tensor:
    """Return the mean over anchors of the unregistered cosine of centered features."""
    model, anchors = frame.scorer.model, frame.scorer.bank.features(frame.plane)
    return unregistered_cosine(model.center(frame.frozen, frame.plane), model.center(anchors, frame.plane)).mean()


@control("OKS off")
def without_subspace(frame: FrameInputs) -> float:
    """Return Q without the knowledge subspace."""
    return frame.quality(specialized=False)


@control("unweighted")
def without_stability(frame: FrameInputs) -> float:
    """Return Q with all locations of the anchors weighed alike."""
    return frame.quality(weighted=False)


@control("registration off")
def without_registration(frame: FrameInputs) -> float:
    """Return Q without registration."""
    return frame.quality(registered=False)


def all_scores() -> dict[str, Control]:
    """Return the functions of the main score and of every control by name, the main one first."""
    return {MAIN: FrameInputs.quality, **CONTROLS}


@torch.inference_mode()
def score_with_controls(
    scorer: StriqScorer, images: Tensor, records: Sequence[FrameRecord], *, quiet: bool = False
) -> ScoredFrames:
    """Score frames as the planes they are said to show, and compute every control.

    Args:
        scorer: Fitted scorer.
        images: Prepared frames, shape ``(N, 1, H, W)``.
        records: The same frames in the data set.
        quiet: Do not show a progress bar.
    """
    functions = all_scores()
    collected: dict[str, list[float]] = {name: [] for name in functions}
    for index in track(range(len(records)), description="Scoring", quiet=quiet):
        frame = FrameInputs.encode(scorer, images[index : index + 1], records[index].plane)
        for name, function in functions.items():
            collected[name].append(float(function(frame)))
    scores = {name: np.array(values) for name, values in collected.items()}
    threshold = scorer.config.quality.threshold
    verdicts = [is_accepted(q, r.plane, threshold) for q, r in zip(scores[MAIN].tolist(), records, strict=True)]
    return ScoredFrames(scores, np.array(verdicts, dtype=np.bool_))


def unregistered_cosine(query: Pyramid, anchors: Pyramid) -> Tensor:
    """Return the mean stage-3 cosine inside the query's fan, without registration, shape ``(B, K)``."""
    a = unit_vectors(query.maps[-1]) * query.masks[-1]
    b = unit_vectors(anchors.maps[-1])
    return a.flatten(1) @ b.flatten(1).T / query.masks[-1].flatten(1).sum(dim=1, keepdim=True).clamp(min=1e-6)
