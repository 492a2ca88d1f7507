"""Are planes of real data told apart by what they show, or by scanner and crop? Figures: ``--log-cli-level=INFO``."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import striq
from striq.data.datasets import load_dataset
from striq.data.splits import hold_out
from striq.quality.posterior import PlaneDensities, frame_descriptor
from striq.training.frames import load_images
from striq.types import FrameRecord

logger = logging.getLogger(__name__)
DATA = Path(__file__).parents[3] / "shared" / "data"
FOLDERS = {"A4C": "camus_a4c", "fetal_head": "hc18_head", "liver": "liver"}
FRAMES = 90


def frames_of(plane: str) -> list[FrameRecord]:
    folder = DATA / FOLDERS[plane]
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return load_dataset(folder, plane=None if plane == "A4C" else plane)[:FRAMES]


def middle_equalized(image: Tensor) -> Tensor:
    """The middle of the fan, so that its shape is not seen, each intensity replaced by its rank."""
    size = image.shape[-1]
    inner = image[:, size // 4 : -size // 4, size // 4 : -size // 4]
    ranks = inner.flatten().argsort().argsort().reshape(inner.shape).float() / inner.numel()
    return F.interpolate(ranks[None], image.shape[-2:], mode="bilinear")[0].clamp(1 / 255, 1)


@pytest.mark.slow
@pytest.mark.parametrize("equalized", [False, True])
def test_real_planes_are_told_apart_whatever_scanner_and_crop(equalized: bool) -> None:
    scorer = striq.load_scorer(device="cpu")
    fit: dict[int, Tensor] = {}
    groups: dict[int, list[str]] = {}
    unseen: list[Tensor] = []
    truth: list[int] = []
    for number, plane in enumerate(FOLDERS):
        for part, records in zip(("fit", "unseen"), hold_out(frames_of(plane), 0.3, seed=0), strict=True):
            images = load_images(records, (256, 256), quiet=True)
            if equalized:
                images = torch.stack([middle_equalized(image) for image in images])
            with torch.inference_mode():
                described = torch.cat([frame_descriptor(scorer.model.embed(some)) for some in images.split(16)])
            if part == "fit":
                fit[number], groups[number] = described, [record.group for record in records]
            else:
                unseen.append(described)
                truth += [number] * len(records)
    densities = PlaneDensities(len(FOLDERS), scorer.config.encoder.channels)
    densities.fit_directions(torch.cat(list(fit.values())))
    densities.fit({plane: part.clone() for plane, part in fit.items()}, groups)
    answers = densities(torch.cat(unseen)).argmax(dim=1)
    right = (answers == torch.tensor(truth)).float().mean()
    rejected = (answers == len(FOLDERS)).float().mean()
    logger.info("equalized %s: %d frames, right %.3f, none %.3f", equalized, len(truth), right, rejected)
    assert right > 0.85
