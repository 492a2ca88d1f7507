"""Tests of ``striq.evaluation.agreement.rated_scores``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from striq.errors import DatasetError
from striq.evaluation.agreement.controls import ScoredFrames
from striq.evaluation.agreement.rated_scores import RatedFrame, compare, folds_markdown, read_scores, write_scores
from striq.evaluation.agreement.tables import to_markdown

FRAMES = [
    RatedFrame(f"p{i:02d}_{phase}.png", "A4C", f"p{i:02d}", float(i % 3), i % 2)
    for i in range(12)
    for phase in ("ED", "ES")
]
VALUES = np.random.default_rng(0).random(len(FRAMES))
SCORED = ScoredFrames({"STRIQ": VALUES, "control": 1 - VALUES**2}, VALUES > 0.5)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_scores(tmp_path / "scores.csv", FRAMES, SCORED)


def test_written_scores_are_read_back_exactly(table: Path) -> None:
    frames, scored = read_scores(table)
    assert frames == FRAMES
    assert list(scored.scores) == ["STRIQ", "control"]
    np.testing.assert_array_equal(scored.scores["control"], SCORED.scores["control"])
    np.testing.assert_array_equal(scored.accepted, SCORED.accepted)


def test_comparison_of_some_frames_is_that_of_those_frames_alone(table: Path, tmp_path: Path) -> None:
    kept = np.array(["ED" in frame.file for frame in FRAMES])
    alone = ScoredFrames({name: values[kept] for name, values in SCORED.scores.items()}, SCORED.accepted[kept])
    expected = compare([f for f, k in zip(FRAMES, kept, strict=True) if k], alone, tmp_path / "alone")
    assert to_markdown(compare(*read_scores(table, "ED"), tmp_path / "some")) == to_markdown(expected)
    assert to_markdown(compare(*read_scores(table), tmp_path / "all")) != to_markdown(expected)


@pytest.mark.parametrize("only", ["systole", "["])
def test_pattern_that_keeps_no_frame_or_is_none_is_refused(table: Path, only: str) -> None:
    with pytest.raises(DatasetError, match=r"scores\.csv"):
        read_scores(table, only)


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "file,plane,group,rating,fold,accepted,STRIQ\nx,A4C,g,good,1,0.5\n"]
)
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match="striq evaluate"):
        read_scores(tmp_path / "other.csv")


def test_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="striq evaluate"):
        read_scores(tmp_path / "nothing.csv")


def test_every_fold_is_shown_for_itself(table: Path, tmp_path: Path) -> None:
    text = folds_markdown(*read_scores(table))
    second = np.array([frame.fold == 1 for frame in FRAMES])
    expected = spearmanr(VALUES[second], [frame.rating for frame in FRAMES if frame.fold == 1])[0]
    row = next(line for line in text.splitlines() if line.startswith("| A4C | 2 |"))
    assert row.split("|")[3:5] == [" 12 ", f" {expected:.3f} "]
    compare(*read_scores(table), tmp_path / "all")
    assert (tmp_path / "all" / "folds.md").read_text(encoding="utf-8") == text
