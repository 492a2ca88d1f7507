"""Tests that the format of a file has no influence on the score of its frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striq.data.readers import dicom
from striq.data.readers.intensity import GrayRange
from striq.scoring.scorer import StriqScorer
from tools.compare_formats import LARGEST_MOVE, REFERENCE, drawn_frame, qualities


def moves(scorer: StriqScorer, folder: Path) -> dict[str, float]:
    found = qualities(scorer, drawn_frame(size=(120, 160)), folder)
    return {name: abs(quality - found[REFERENCE][0]) for name, (quality, _) in found.items()}


def test_a_frame_has_the_same_quality_in_every_format(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    moved = {name: move for name, move in moves(tiny_scorer, tmp_path).items() if not move <= LARGEST_MOVE}
    assert not moved


def test_another_range_of_gray_values_would_show(
    tiny_scorer: StriqScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared_range, of_bytes = dicom.declared_range, GrayRange(0.0, 255.0)

    def mistaken(*arguments: Any) -> GrayRange:
        declared = declared_range(*arguments)
        return GrayRange(0.0, 300.0) if declared == of_bytes else declared

    monkeypatch.setattr(dicom, "declared_range", mistaken)
    found = moves(tiny_scorer, tmp_path)
    assert found["DICOM, uint8"] > LARGEST_MOVE
    assert found["TIFF, uint8"] == 0


def test_the_drawn_frame_uses_its_gray_scale() -> None:
    frame = drawn_frame()
    assert frame.dtype == np.uint8
    assert frame.max() > 200
