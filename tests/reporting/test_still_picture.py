"""Tests of the picture of a single image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.reporting.still_picture import draw_still
from striq.reporting.term_bars import BAR_COLOR
from striq.types import Frame
from tests.score_factory import make_score

WIDTH = 1320  # pixels


def frame_of(shape: tuple[int, int], **given: object) -> Frame:
    return Frame(np.full(shape, 0.5, np.float32), **given)  # type: ignore[arg-type]


def drawn(path: Path, quality: float, frame: Frame) -> np.ndarray:
    draw_still(path, "a $name$.png", make_score(quality), frame)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def bar_pixels(picture: np.ndarray) -> int:
    """Return the number of pixels of the color of the bars; the image is gray."""
    bar = [int(BAR_COLOR[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(picture - bar).sum(axis=2) < 12).sum())


def test_bars_are_as_long_as_the_terms(tmp_path: Path) -> None:
    frame = frame_of((100, 120))
    low, high = (bar_pixels(drawn(tmp_path / f"{q}.png", q, frame)) for q in (0.25, 0.75))
    assert high / low == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("shape", [(96, 1200), (1200, 96), (300, 400)])
def test_images_of_any_shape_fit(shape: tuple[int, int], tmp_path: Path) -> None:
    picture = drawn(tmp_path / "p.png", 0.5, frame_of(shape, spacing_mm=(0.2, 0.3)))
    assert picture.shape == (552, WIDTH, 3)
    assert (picture[:, : WIDTH // 2] < 200).any()


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_other_formats_are_written(suffix: str, tmp_path: Path) -> None:
    path = draw_still(tmp_path / f"p.{suffix}", "a.png", make_score(0.6), frame_of((100, 100)))
    assert path.stat().st_size > 1000
