"""Are planes of real data told apart by what they show, or by scanner and crop? Figures: ``--log-cli-level=INFO``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

import striq
from striq.data.datasets import load_dataset
from striq.data.loading import iterate_images
from striq.evaluation.studies.plane_recognition_folds import cross_validate_recognition, describe_frames
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


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [(), ("intensities",), ("intensities", "outline")], ids="+".join)
def test_real_planes_are_told_apart_whatever_scanner_and_crop(hidden: Sequence[str]) -> None:
    scorer = striq.load_scorer(device="cpu")
    records = [record for plane in FOLDERS for record in frames_of(plane)]
    described = describe_frames(scorer, iterate_images(records, (256, 256), quiet=True), hidden)
    report = cross_validate_recognition(records, described, {}, scorer.config.encoder.channels, folds=3)
    logger.info("without %s: accuracy %.3f", " and ".join(hidden) or "nothing", report.accuracy)
    for one in report.left_out:
        logger.info("%s left out: AUROC %.3f, rejected %.3f", one.plane, one.auroc, one.rejected)
    assert report.accuracy > 0.8
    assert min(one.auroc for one in report.left_out) > 0.7
