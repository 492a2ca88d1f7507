"""How long a score takes, part by part, beside the same score computed naively, in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from striq.config import AlignerConfig, EncoderConfig, QualityConfig, StriqConfig
from striq.data.phantom import make_phantom
from striq.data.preprocessing import prepare_frame
from striq.model.aligner import Alignment
from striq.model.backbone_files import fit_encoder_config
from striq.model.resnet import STAGE_CHANNELS
from striq.quality.pair_moments import measure_pairs
from striq.quality.plane_posterior import frame_descriptor
from striq.quality.plane_scores import score_by_plane
from striq.scoring.engine import Engine
from striq.scoring.reference import ReferenceEngine
from striq.scoring.scorer import StriqScorer
from striq.scoring.stability import set_stability
from striq.types import AnchorSource, Frame

WARM_UP = 3
NAIVE = "total, naive, full width"
PICTURE = (480, 640)  # rows and columns of a frame as scanners store it

Parts = dict[str, tuple[str, Callable[[], object]]]  # anchors as the table shows them, and the work


@dataclass(frozen=True)
class Timing:
    """Time of one part.

    Attributes:
        part: What was timed.
        batch: Frames at once.
        anchors: Anchors of a plane, times planes.
        median_ms: Of one frame, median over repeats, milliseconds.
        fastest_ms: Of one frame, the fastest repeat, milliseconds.
    """

    part: str
    batch: int
    anchors: str
    median_ms: float
    fastest_ms: float


def bench_scorer(
    num_planes: int,
    num_anchors: int,
    *,
    size: tuple[int, int] = (256, 256),
    full_width: bool = False,
    backbone: str = "resnet18",
) -> StriqScorer:
    """Return an untrained scorer with drawn anchors: time does not depend on what was learned.

    Args:
        num_planes: Planes.
        num_anchors: Anchors of each.
        size: Rows and columns of a prepared frame.
        full_width: Keep every channel of every stage and match every cell, as the method is published.
        backbone: Name of the network, one of ``striq.model.resnet.BACKBONES``.
    """
    encoder, aligner = EncoderConfig(size=size), AlignerConfig()
    if full_width:
        encoder, aligner = replace(encoder, channels=STAGE_CHANNELS), replace(aligner, strides=(1, 1))
    encoder = fit_encoder_config(encoder, backbone)
    config = StriqConfig(encoder=encoder, aligner=aligner, quality=QualityConfig(num_anchors=num_anchors))
    scorer = StriqScorer([f"plane_{i}" for i in range(num_planes)], config).eval()
    with torch.inference_mode():
        features = scorer.embed(bench_frames(num_anchors, size=size))
        scorer.model.aligner.gates.fill_(1.0)
    for plane in range(num_planes):
        scorer.bank.fill(plane, features, [AnchorSource("drawn", str(i), 0) for i in range(num_anchors)])
        set_stability(scorer, plane, torch.zeros(num_anchors, dtype=torch.bool))
    return scorer


def bench_frames(count: int, *, size: tuple[int, int] = (256, 256)) -> Tensor:
    """Return prepared drawn frames, shape ``(count, 1, H, W)``."""
    drawn = make_phantom(count, 1, planes=("a4c",), seed=7)
    return torch.stack([prepare_frame(Frame(frame.pixels), size) for frame in drawn])


def naive_quality(scorer: StriqScorer, image: Tensor, plane: int) -> Tensor:
    """Return the quality of one frame, shape ``(1,)``, computed anchor by anchor by the reference engine.

    Args:
        scorer: Fitted scorer.
        image: One prepared frame, shape ``(1, 1, H, W)``.
        plane: Index of the plane.
    """
    engine = scorer.make_engine(ReferenceEngine.name)
    frozen, frame_terms, pairs = scorer.seen_as_plane(engine.embed(image), plane), engine.frame_terms(image), []
    for number in range(len(scorer.bank.sources[plane])):
        anchor = scorer.bank.features(plane)[number]
        frame, moving = (scorer.model.describe(features, plane) for features in (frozen, anchor))
        moving = replace(moving, stability=tuple(maps[number : number + 1] for maps in scorer.bank.stability(plane)))
        pairs.append(cast("ReferenceEngine", engine).compare(frame, moving).terms)
    return scorer.quality_of(torch.stack(pairs, dim=1), frame_terms, plane)[2]


@torch.inference_mode()
def benchmark(
    *,
    batches: Sequence[int] = (1, 32),
    num_anchors: int = 20,
    num_planes: int = 4,
    repeats: int = 20,
    device: str = "cpu",
    size: tuple[int, int] = (256, 256),
    backbone: str = "resnet18",
) -> list[Timing]:
    """Time the parts of a score and the whole.

    Args:
        batches: Frames at once.
        num_anchors: Anchors of a plane.
        num_planes: Planes of the larger model.
        repeats: Of each part, after a warm-up.
        device: A device of PyTorch.
        size: Rows and columns of a prepared frame.
        backbone: Name of the network, one of ``striq.model.resnet.BACKBONES``. The naive way has ResNet-18.
    """
    scorer = bench_scorer(num_planes, num_anchors, size=size, backbone=backbone).to(device)
    timings = []
    for batch in batches:
        image = bench_frames(batch, size=size).to(device)
        parts = _whole(scorer, image) | (_steps(scorer, image) if batch == 1 else {})
        timings += [
            time_work(part, batch, anchors, work, repeats=repeats, device=device)
            for part, (anchors, work) in parts.items()
        ]
    return timings


def score_frames(scorer: StriqScorer, image: Tensor, plane: int | None) -> None:
    """Score prepared frames ``(B, 1, H, W)`` as a plane, or as the likeliest one if it is unknown."""
    frozen, frame_terms, posterior = scorer.encode(image)
    likeliest = posterior[:, :-1].argmax(dim=1).cpu() if plane is None else torch.full((len(image),), plane)
    for _ in score_by_plane(scorer.score_as_plane, frozen, frame_terms, likeliest):
        pass


def _whole(scorer: StriqScorer, image: Tensor) -> Parts:
    frozen, planes = scorer.embed(image), len(scorer.planes)
    count = len(scorer.bank.sources[0])
    several = f"{planes} x {count}"

    parts: Parts = {
        "encoder": ("", lambda: scorer.embed(image)),
        "contrast": ("", lambda: scorer.frame_terms(image)),
        "plane": (f"{planes} planes", lambda: scorer.densities(frame_descriptor(frozen))),
        "total": (str(count), lambda: score_frames(scorer, image, 0)),
        "total, plane unknown": (several, lambda: score_frames(scorer, image, None)),
    }
    if scorer.engine.name == ReferenceEngine.name:  # which computes in single precision only
        return parts
    timed = [part for part in parts if part.startswith(("encoder", "total"))]
    on_cuda = image.device.type == "cuda"
    for precision in ("float16" if on_cuda else "mixed", "bfloat16"):
        engine = scorer.make_engine(precision=precision)
        for part in timed:
            parts[f"{part}, {precision}"] = (parts[part][0], partial(_run_with, scorer, engine, parts[part][1]))
    return parts


def _steps(scorer: StriqScorer, image: Tensor) -> Parts:
    model, count, size = scorer.model, len(scorer.bank.sources[0]), scorer.config.encoder.size
    frozen, frame_terms = scorer.embed(image), scorer.frame_terms(image)
    reference = cast("ReferenceEngine", scorer.make_engine(ReferenceEngine.name))
    anchors, frame = reference.anchors(0, specialized=True, weighted=True), model.describe(frozen, 0).repeat_each(count)

    def align() -> Alignment:
        fixed, moving = frame.matching, anchors.matching
        return model.aligner(fixed.maps, moving.maps, fixed.masks, moving.masks)

    def whole() -> None:
        scorer.score_as_plane(scorer.embed(image), scorer.frame_terms(image), 0)

    aligned = align()
    registration = model.warp_onto(aligned, frame.compared, anchors.compared)
    full = bench_scorer(1, count, size=size, full_width=True).to(image.device)
    picture = Frame(next(iter(make_phantom(1, 1, planes=("a4c",), size=PICTURE, seed=7))).pixels)
    return {
        "fan and crop": ("", lambda: prepare_frame(picture, size)),
        "registration and terms": (str(count), lambda: scorer.score_as_plane(frozen, frame_terms, 0)),
        "reference matching": (str(count), align),
        "reference warping": (str(count), lambda: model.warp_onto(aligned, frame.compared, anchors.compared)),
        "reference moments": (str(count), lambda: measure_pairs(registration, scorer.config.quality)),
        "total, reference": (str(count), lambda: _run_with(scorer, reference, whole)),
        "total, naive": (str(count), lambda: naive_quality(scorer, image, 0)),
        NAIVE: (str(count), lambda: naive_quality(full, image, 0)),
    }


def _run_with(scorer: StriqScorer, engine: Engine, work: Callable[[], object]) -> None:
    """Do work with another engine of the scorer."""
    before, scorer.engine = scorer.engine, engine
    try:
        work()
    finally:
        scorer.engine = before


def encoder_flops(backbone: str) -> int:
    """Return the number of additions and multiplications by which a network encodes one frame."""
    scorer = bench_scorer(1, 1, backbone=backbone)
    image = torch.zeros(1, 1, *scorer.config.encoder.size)
    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        scorer.model.embed(image)
    return counted.get_total_flops()


def encoder_floor_ms(flops: int, device: str, precision: torch.dtype) -> float:
    """Return how long the arithmetic takes at the rate of a large matrix product, milliseconds."""
    side = 2048 if device.startswith("cuda") else 1024
    factor = torch.ones(side, side, dtype=precision, device=device)
    product = time_work("product", 1, "", lambda: factor @ factor, repeats=5, device=device)
    return product.fastest_ms * flops / (2 * side**3)


def time_work(part: str, batch: int, anchors: str, work: Callable[[], object], *, repeats: int, device: str) -> Timing:
    """Return the time of some work on ``batch`` frames, after a warm-up.

    Args:
        part: Name of the work.
        batch: Frames at once.
        anchors: Anchors as the table shows them.
        work: What is timed.
        repeats: Number of times.
        device: Device that is waited for.
    """
    taken = []
    for repeat in range(WARM_UP + repeats):
        _finish(device)
        start = time.perf_counter()
        work()
        _finish(device)
        if repeat >= WARM_UP:
            taken.append(1000 * (time.perf_counter() - start) / batch)
    return Timing(part, batch, anchors, statistics.median(taken), min(taken))


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
