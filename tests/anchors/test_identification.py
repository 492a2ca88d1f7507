"""Tests of ``striq.anchors.identification``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from striq.anchors.bank import AnchorBank
from striq.anchors.identification import find_frames_of_anchors
from striq.data.loading import load_images
from striq.data.phantom import make_phantom
from striq.data.preprocessing import prepare_batch
from striq.data.readers import open_cine
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource, Frame, FrameRecord

SIZE = (64, 64)
DATA = Path(__file__).parents[3] / "shared" / "data"
CINES = ("dicom_us/apical_cine_65f_ybr422_jpeg.dcm", "sequences/NwirePhantomFreehand.igs.mha")


def bank_of(scorer: StriqScorer, images: Tensor, mirrored: list[bool]) -> AnchorBank:
    bank = AnchorBank(1, len(images), scorer.config)
    sources = [AnchorSource(f"hash{i}", "group", 0, mirrored=flag) for i, flag in enumerate(mirrored)]
    bank.fill(0, scorer.embed(images), sources)
    return bank


@pytest.fixture(scope="module")
def images() -> Tensor:
    frames = list(make_phantom(10, 2, planes=("a4c",), size=(96, 96)))
    return prepare_batch([Frame(frame.pixels) for frame in frames], SIZE)


def moved(image: Tensor, pixels: float) -> Tensor:
    """Return a frame shifted by a part of a pixel."""
    transform = torch.tensor([[[1.0, 0.0, 2 * pixels / SIZE[1]], [0.0, 1.0, 0.0]]])
    grid = F.affine_grid(transform, [1, 1, *SIZE], align_corners=False)
    return F.grid_sample(image[None], grid, align_corners=False)[0]


def test_each_anchor_comes_from_its_own_frame_only(tiny_scorer: StriqScorer, images: Tensor) -> None:
    chosen = [18, 3, 7]  # of two batches
    bank = bank_of(tiny_scorer, images[chosen], [False] * 3)
    assert find_frames_of_anchors(bank, 0, images, tiny_scorer.embed) == [[number] for number in chosen]


def test_mirrored_anchor_comes_from_the_frame_as_it_was_read(tiny_scorer: StriqScorer, images: Tensor) -> None:
    pair = torch.stack([images[4], images[4].flip(-1), images[6].flip(-1)])
    bank = bank_of(tiny_scorer, pair, [False, True, True])
    assert find_frames_of_anchors(bank, 0, images, tiny_scorer.embed) == [[4], [4], [6]]
    as_they_are = bank_of(tiny_scorer, pair, [False] * 3)
    assert find_frames_of_anchors(as_they_are, 0, images, tiny_scorer.embed) == [[4], [], []]


def test_rounding_to_gray_levels_is_the_same_frame_and_motion_is_not(tiny_scorer: StriqScorer, images: Tensor) -> None:
    bank = bank_of(tiny_scorer, images[:1], [False])
    rounded = (images[0] * 255).round() / 255
    others = [moved(images[0], pixels) for pixels in (0.5, 1.0, 2.0)]
    assert find_frames_of_anchors(bank, 0, [*others, rounded, images[0]], tiny_scorer.embed) == [[4, 3]]


def test_no_frames_and_other_frames_are_of_no_anchor(tiny_scorer: StriqScorer, images: Tensor) -> None:
    bank = bank_of(tiny_scorer, images[:2], [False, True])
    empty = torch.zeros(1, *SIZE)
    assert find_frames_of_anchors(bank, 0, [], tiny_scorer.embed) == [[], []]
    assert find_frames_of_anchors(bank, 0, [*images[2:], empty], tiny_scorer.embed) == [[], []]


@pytest.mark.parametrize("name", CINES)
def test_frames_of_a_real_cine_are_told_apart(name: str, tiny_scorer: StriqScorer) -> None:
    if not (DATA / name).is_file():
        pytest.skip(f"needs {name} of the shared data")
    count = min(20, len(open_cine(DATA / name)))
    frames = load_images([FrameRecord(DATA / name, "a4c", "1", i) for i in range(count)], SIZE, quiet=True)
    bank = bank_of(tiny_scorer, frames, [False] * count)
    assert find_frames_of_anchors(bank, 0, frames, tiny_scorer.embed) == [[number] for number in range(count)]
