"""Tests of ``striq.data.loading``: frames of a data set, some of which cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striq.data.loading import load_images, load_readable_images
from striq.errors import DatasetError, ReadError
from striq.types import FrameRecord


@pytest.fixture
def records(tmp_path: Path) -> list[FrameRecord]:
    """Two good frames around a broken file, an empty frame, and a frame that its file does not have."""
    generator = np.random.default_rng(0)
    for name in ("a", "e"):
        Image.fromarray(generator.integers(20, 250, (80, 80), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    Image.fromarray(np.zeros((80, 80), np.uint8)).save(tmp_path / "c.png")
    given = [FrameRecord(tmp_path / f"{name}.png", "A4C", name) for name in "abce"]
    return [*given, FrameRecord(tmp_path / "a.png", "A4C", "a", frame_index=3)]


def test_frames_that_cannot_be_read_are_left_out_and_counted(
    records: list[FrameRecord], caplog: pytest.LogCaptureFixture
) -> None:
    kept, images = load_readable_images(records, (64, 64), quiet=True)
    assert [record.group for record in kept] == ["a", "e"]
    torch.testing.assert_close(images, load_images(kept, (64, 64), quiet=True))
    messages = [record.getMessage() for record in caplog.records]
    assert messages[-1] == "3 of 5 frames left out, because they cannot be read."
    assert len(messages) == 4


def test_data_set_without_readable_frames_is_refused(records: list[FrameRecord]) -> None:
    with pytest.raises(DatasetError, match="None of the 2 frames can be read"):
        load_readable_images(records[1:3], (64, 64), quiet=True)


def test_every_frame_of_an_evaluation_must_be_readable(records: list[FrameRecord]) -> None:
    with pytest.raises(ReadError, match=r"b\.png"):
        load_images(records, (64, 64), quiet=True)
    with pytest.raises(ReadError, match=r"no such frame.*from 0 to 0, got 3"):
        load_images(records[-1:], (64, 64), quiet=True)
