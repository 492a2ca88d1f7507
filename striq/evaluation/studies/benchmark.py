"""How long a score takes, part by part, beside the same score computed naively, in the same run."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from striq.config import AlignerConfig, EncoderConfig, QualityConfig, StriqConfig
from striq.data.phantom import make_phantom
from striq.data.preprocessing import prepare_frame
from striq.model.aligner import Alignment
from striq.model.network import Pyramid
from striq.model.resnet import STAGE_CHANNELS
from striq.quality.consistency import consistency_terms
from striq.quality.frame_terms import contrast_term
from striq.quality.plane_posterior import frame_descriptor
from striq.quality.plane_scores import score_by_plane
from striq.scoring.cpu.encoder import PRECISIONS
from striq.scoring.cuda.recording import Recording
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource, Frame

WARM_UP = 3
NAIVE = "total, naive, full width"
PICTURE = (480, 640)  # rows and columns of a frame as scanners store it
ENCODER_FLOPS = 3.66e9  # of one 256x256 frame

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
    num_planes: int, num_anchors: int, *, size: tuple[int, int] = (256, 256), full_width: bool = False
) -> StriqScorer:
    """Return an untrained scorer with drawn anchors: time does not depend on what was learned.

    Args:
        num_planes: Planes.
        num_anchors: Anchors of each.
        size: Rows and columns of a prepared frame.
        full_width: Keep every channel of every stage and match every cell, as the method is published.
    """
    encoder, aligner = EncoderConfig(size=size), AlignerConfig()
    if full_width:
        encoder, aligner = replace(encoder, channels=STAGE_CHANNELS), replace(aligner, strides=(1, 1))
    config = StriqConfig(encoder=encoder, aligner=aligner, quality=QualityConfig(num_anchors=num_anchors))
    scorer = StriqScorer([f"plane_{i}" for i in range(num_planes)], config).eval()
    with torch.inference_mode():
        features = scorer.embed(bench_frames(num_anchors, size=size))
        scorer.model.aligner.gates.fill_(1.0)
    for plane in range(num_planes):
        scorer.bank.fill(plane, features, [AnchorSource("drawn", str(i), 0) for i in range(num_anchors)])
    return scorer


def bench_frames(count: int, *, size: tuple[int, int] = (256, 256)) -> Tensor:
    """Return prepared drawn frames, shape ``(count, 1, H, W)``."""
    drawn = make_phantom(count, 1, planes=("a4c",), size=size, seed=7)
    return torch.stack([prepare_frame(Frame(frame.pixels), size) for frame in drawn])


def naive_quality(scorer: StriqScorer, frozen: Pyramid, contrast: Tensor, plane: int) -> Tensor:
    """Return the quality of one frame, shape ``(1,)``: anchor after anchor, nothing kept, every level warped in full.

    Args:
        scorer: Fitted scorer.
        frozen: Frozen features of one frame.
        contrast: Contrast term of the frame, shape ``(1,)``.
        plane: Index of the plane.
    """
    model, pairs = scorer.model, []
    for number in range(len(scorer.bank.sources[plane])):
        anchor = scorer.bank.features(plane)[number]
        alignment: Alignment = model.align(frozen, anchor, plane)
        registration = model.warp_onto(alignment, model.specialize(frozen, plane), model.specialize(anchor, plane))
        pairs.append(consistency_terms(registration, scorer.config.quality).stack())
    return scorer.quality_of(torch.stack(pairs, dim=1), contrast, plane)[1]


@torch.inference_mode()
def benchmark(
    *,
    batches: Sequence[int] = (1, 32),
    num_anchors: int = 20,
    num_planes: int = 4,
    repeats: int = 20,
    device: str = "cpu",
    size: tuple[int, int] = (256, 256),
) -> list[Timing]:
    """Time the parts of a score and the whole.

    Args:
        batches: Frames at once.
        num_anchors: Anchors of a plane.
        num_planes: Planes of the larger model.
        repeats: Of each part, after a warm-up.
        device: A device of PyTorch.
        size: Rows and columns of a prepared frame.
    """
    scorer = bench_scorer(num_planes, num_anchors, size=size).to(device)
    timings = []
    for batch in batches:
        image = bench_frames(batch, size=size).to(device)
        parts = _whole(scorer, image) | (_steps(scorer, image) if batch == 1 else {})
        timings += [
            _time(part, batch, anchors, work, repeats=repeats, device=device) for part, (anchors, work) in parts.items()
        ]
    return timings


def _whole(scorer: StriqScorer, image: Tensor) -> Parts:
    frozen, planes = scorer.embed(image), len(scorer.planes)
    count = len(scorer.bank.sources[0])
    several = f"{planes} x {count}"

    def score(way: StriqScorer | Recording, plane: int | None) -> None:
        frozen, contrast, routed = way.encode(image)
        likeliest = routed[:, :-1].argmax(dim=1).cpu() if plane is None else torch.full((len(image),), plane)
        for _ in score_by_plane(way.score_as_plane, frozen, contrast, likeliest):
            pass

    def coarsely(precision: str, work: Callable[[], object]) -> None:
        with _settings(scorer, precision=precision):
            work()

    parts: Parts = {
        "encoder": ("", lambda: scorer.embed(image)),
        "contrast": ("", lambda: scorer.contrast(image)),
        "plane": (f"{planes} planes", lambda: scorer.densities(frame_descriptor(frozen))),
        "total": (str(count), lambda: score(scorer, 0)),
        "total, plane unknown": (several, lambda: score(scorer, None)),
    }
    if not scorer.quick.folds(image.device):  # precision is the quick way's
        return parts
    on_cuda = image.device.type == "cuda"
    if on_cuda and len(image) == 1:
        recording = Recording(scorer, scorer.quick, scorer.encode, scorer.score_as_plane)
        parts["total, recorded"] = (str(count), lambda: score(recording, 0))
    timed = [part for part in parts if part.startswith(("encoder", "total"))]
    for part, precision in itertools.product(timed, ("float16" if on_cuda else "mixed", "bfloat16")):
        parts[f"{part}, {precision}"] = (parts[part][0], partial(coarsely, precision, parts[part][1]))
    return parts


def _steps(scorer: StriqScorer, image: Tensor) -> Parts:
    model, count = scorer.model, len(scorer.bank.sources[0])
    anchors = model.describe(scorer.bank.features(0), 0)
    frozen, contrast, size = model.embed(image), contrast_term(image), scorer.config.encoder.size
    frame = model.describe(frozen, 0).repeat_each(count)

    def align() -> Alignment:
        fixed, moving = frame.matching, anchors.matching
        return model.aligner(fixed.maps, moving.maps, fixed.masks, moving.masks)

    def plainly() -> None:
        with _settings(scorer, enabled=False):
            scorer.score_as_plane(scorer.embed(image), scorer.contrast(image), 0)

    aligned = align()
    registration = model.warp_onto(aligned, frame.compared, anchors.compared)
    full = bench_scorer(1, count, size=size, full_width=True).to(image.device)
    picture = Frame(next(iter(make_phantom(1, 1, planes=("a4c",), size=PICTURE, seed=7))).pixels)
    return {
        "fan and crop": ("", lambda: prepare_frame(picture, size)),
        "registration and terms": (str(count), lambda: scorer.score_as_plane(frozen, contrast, 0)),
        "plain matching": (str(count), align),
        "plain warping": (str(count), lambda: model.warp_onto(aligned, frame.compared, anchors.compared)),
        "plain terms": (str(count), lambda: consistency_terms(registration, scorer.config.quality)),
        "total, plain": (str(count), plainly),
        "total, naive": (str(count), lambda: naive_quality(scorer, model.embed(image), contrast_term(image), 0)),
        NAIVE: (str(count), lambda: naive_quality(full, full.model.embed(image), contrast_term(image), 0)),
    }


@contextmanager
def _settings(scorer: StriqScorer, *, precision: str = "float32", enabled: bool = True) -> Iterator[None]:
    before = scorer.quick.precision, scorer.quick.enabled
    scorer.quick.precision, scorer.quick.enabled = PRECISIONS[precision], enabled
    try:
        yield
    finally:
        scorer.quick.precision, scorer.quick.enabled = before


def encoder_floor_ms(device: str, precision: torch.dtype) -> float:
    """Return how long the encoder's arithmetic takes at the rate of a large matrix product, milliseconds a frame."""
    side = 2048 if device.startswith("cuda") else 1024
    factor = torch.ones(side, side, dtype=precision, device=device)
    product = _time("product", 1, "", lambda: factor @ factor, repeats=5, device=device)
    return product.fastest_ms * ENCODER_FLOPS / (2 * side**3)


def _time(part: str, batch: int, anchors: str, work: Callable[[], object], *, repeats: int, device: str) -> Timing:
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
