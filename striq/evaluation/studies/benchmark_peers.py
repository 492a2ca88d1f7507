"""How long a score takes beside baselines and the naive way, and how its time grows with model and frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast

import torch
from torch import Tensor

from striq.baselines.fitting import ALL, find_baselines
from striq.baselines.protocol import PlaneFrames
from striq.evaluation.studies.benchmark import (
    NAIVE,
    Timing,
    bench_frames,
    bench_scorer,
    naive_quality,
    score_frames,
    time_work,
)
from striq.model.network import Pyramid
from striq.scoring.scorer import StriqScorer

STRIQ = "STRIQ"
SPARE_FRAMES = 12  # on which baselines are fitted, beside the anchors
NAIVE_REPEATS = 3  # at most; it takes half a second
PLANES, ANCHORS, SIDES = (1, 2, 4, 8), (5, 10, 20, 40), (128, 192, 256, 384)


@dataclass(frozen=True)
class Growth:
    """Times of one frame while one quantity grows and the others stay.

    Attributes:
        quantity: What grows.
        values: Its values.
        times: Time at each value, by the name of the method.
    """

    quantity: str
    values: tuple[int, ...]
    times: dict[str, list[Timing]]


class FramesOnDemand:
    """Frames of one plane whose features are computed when a baseline asks for them, so that their time counts.

    Args:
        images: Prepared frames, shape ``(N, 1, H, W)``.
        embed: Computes frozen features.
    """

    def __init__(self, images: Tensor, embed: Callable[[Tensor], Pyramid]) -> None:
        self.images, self.embed = images, embed

    @cached_property
    def features(self) -> Pyramid:
        """Frozen features of the frames."""
        return self.embed(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Tensor) -> FramesOnDemand:
        return FramesOnDemand(self.images[rows], self.embed)


def time_peers(
    *,
    num_anchors: int = 20,
    repeats: int = 20,
    device: str = "cpu",
    size: tuple[int, int] = (256, 256),
    names: Sequence[str] = (ALL,),
) -> list[Timing]:
    """Time the score of one frame as one plane: STRIQ, the naive way, and every baseline, each with what it needs.

    Args:
        num_anchors: Anchors of the plane.
        repeats: Of each method, after a warm-up.
        device: A device of PyTorch.
        size: Rows and columns of a prepared frame.
        names: Names of the baselines.
    """
    scorer = bench_scorer(1, num_anchors, size=size).to(device)
    full = bench_scorer(1, num_anchors, size=size, full_width=True).to(device)
    drawn = bench_frames(num_anchors + SPARE_FRAMES + 1, size=size).to(device)
    image, known = drawn[:1], drawn[1:]
    few = min(repeats, NAIVE_REPEATS)
    count = str(num_anchors)
    with torch.inference_mode():
        found = [
            time_work(STRIQ, 1, count, partial(score_frames, scorer, image, 0), repeats=repeats, device=device),
            time_work(NAIVE, 1, count, partial(naive_quality, full, image, 0), repeats=few, device=device),
        ]
    embed = torch.no_grad()(scorer.embed)  # some baselines learn on these features
    frames = PlaneFrames(known, embed(known), embed)
    anchors = frames[torch.arange(num_anchors)]
    for one in find_baselines(names):
        one.fit(frames, anchors)

        def score(score: Callable[[PlaneFrames], object] = one.score) -> None:
            score(cast("PlaneFrames", FramesOnDemand(image, embed)))

        with torch.no_grad():
            found.append(time_work(one.name, 1, "", score, repeats=repeats, device=device))
    return found


@torch.inference_mode()
def time_growth(
    *,
    planes: Sequence[int] = PLANES,
    anchors: Sequence[int] = ANCHORS,
    sides: Sequence[int] = SIDES,
    num_anchors: int = 20,
    repeats: int = 20,
    device: str = "cpu",
    size: tuple[int, int] = (256, 256),
) -> list[Growth]:
    """Time the score of one frame with more planes, more anchors and larger frames.

    What does not grow is one plane, ``num_anchors`` anchors and frames of ``size``. With several planes, the plane
    is unknown; the naive way scores the frame as each plane.

    Args:
        planes: Numbers of planes.
        anchors: Numbers of anchors of a plane.
        sides: Rows and columns of a square frame.
        num_anchors: Anchors of a plane, where their number does not grow.
        repeats: Of each time, after a warm-up.
        device: A device of PyTorch.
        size: Rows and columns of a prepared frame.
    """
    series: list[tuple[str, Sequence[int], Callable[[int], tuple[int, int, tuple[int, int]]]]] = [
        ("planes", planes, lambda number: (number, num_anchors, size)),
        ("anchors", anchors, lambda number: (1, number, size)),
        ("side of the frame, pixels", sides, lambda side: (1, num_anchors, (side, side))),
    ]
    found = []
    for quantity, values, setting in series:
        times: dict[str, list[Timing]] = {STRIQ: [], NAIVE: []}
        for value in values:
            for timing in _ours_and_naive(*setting(value), repeats=repeats, device=device):
                times[timing.part].append(timing)
        found.append(Growth(quantity, tuple(values), times))
    return found


def _ours_and_naive(
    num_planes: int, num_anchors: int, size: tuple[int, int], *, repeats: int, device: str
) -> list[Timing]:
    image = bench_frames(1, size=size).to(device)
    plane, count = (0 if num_planes == 1 else None), f"{num_planes} x {num_anchors}"
    ours = bench_scorer(num_planes, num_anchors, size=size).to(device)
    timing = time_work(STRIQ, 1, count, partial(score_frames, ours, image, plane), repeats=repeats, device=device)
    full = bench_scorer(num_planes, num_anchors, size=size, full_width=True).to(device)

    def naive(scorer: StriqScorer = full) -> None:
        for number in range(num_planes):
            naive_quality(scorer, image, number)

    few = min(repeats, NAIVE_REPEATS)
    return [timing, time_work(NAIVE, 1, count, naive, repeats=few, device=device)]
