"""Scores of the phantom on a CUDA device against the reference engine on the CPU, by precision."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

import striq
from striq.data.phantom import make_phantom
from striq.types import Frame, FrameScore

SUBJECTS = 8


@dataclass(frozen=True)
class Parity:
    """Scores in one precision against the reference.

    Attributes:
        precision: Of the encoder.
        largest: Largest change of Q, frames one at a time.
        mean: Mean change of Q.
        largest_in_batches: Largest change of Q, frames in batches.
        other_planes: Frames with another predicted plane.
        live_ms: Milliseconds of one frame alone, median, fan and crop included.
        memory_mib: Peak memory of the device.
    """

    precision: str
    largest: float
    mean: float
    largest_in_batches: float
    other_planes: int
    live_ms: float
    memory_mib: float


def drawn_frames(subjects: int, frames: int) -> list[Frame]:
    """Return drawn frames of every plane of the phantom."""
    return [Frame(drawn.pixels, index=i) for i, drawn in enumerate(make_phantom(subjects, frames, seed=1))]


def measure(precision: str, frames: list[Frame], expected: list[FrameScore], device: str = "cuda") -> Parity:
    """Return how scores in one precision compare with the reference.

    Args:
        precision: Of the encoder.
        frames: Frames to score.
        expected: Their scores by the reference engine.
        device: ``"cuda"``, or ``"cpu"`` to try the script.
    """
    scorer, on_cuda = striq.load_scorer(device=device, precision=precision), device == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
    scorer.score(frames[:1])
    single, taken = [], []
    for frame in frames:
        start = time.perf_counter()
        single += scorer.score([frame])
        taken.append(1000 * (time.perf_counter() - start))
    batched = scorer.score(frames)
    quality, known = (np.array([score.quality for score in scores]) for scores in (single, expected))
    together = np.array([score.quality for score in batched])
    return Parity(
        precision,
        float(abs(quality - known).max()),
        float(abs(quality - known).mean()),
        float(abs(together - known).max()),
        sum(a.plane != b.plane for a, b in zip(single, expected, strict=True)),
        float(np.median(taken[len(taken) // 2 :])),
        torch.cuda.max_memory_allocated() / 2**20 if on_cuda else 0.0,
    )
