"""Tests of ``striq.evaluation.agreement.rated_scores``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from striq.errors import DatasetError
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames
from striq.evaluation.agreement.rated_scores import read_rated_scores, write_rated_scores
from striq.evaluation.agreement.report import agreement_report, compare_with_ratings, folds_report
from striq.evaluation.agreement.tables import EvaluationTable
from striq.reporting.rows import write_scores as write_score_table
from striq.scoring.results import FrameResult

FRAMES = [
    RatedFrame(f"p{i:02d}_{phase}.png", "A4C", f"p{i:02d}", float(i % 3), i % 2)
    for i in range(12)
    for phase in ("ED", "ES")
]
VALUES = np.random.default_rng(0).random(len(FRAMES))
SCORED = ScoredFrames({"STRIQ": VALUES, "control": 1 - VALUES**2}, VALUES > 0.5)


def markdown(table: EvaluationTable) -> str:
    return agreement_report(table).to_markdown()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_rated_scores(tmp_path / "rated_scores.csv", FRAMES, SCORED)


def test_written_scores_are_read_back_exactly(table: Path) -> None:
    frames, scored = read_rated_scores(table)
    assert frames == FRAMES
    assert list(scored.scores) == ["STRIQ", "control"]
    np.testing.assert_array_equal(scored.scores["control"], SCORED.scores["control"])
    assert scored.accepted is not None
    np.testing.assert_array_equal(scored.accepted, VALUES > 0.5)


def test_comparison_of_some_frames_is_that_of_those_frames_alone(table: Path, tmp_path: Path) -> None:
    kept = np.array(["ED" in frame.file for frame in FRAMES])
    alone = ScoredFrames({name: values[kept] for name, values in SCORED.scores.items()}, (VALUES > 0.5)[kept])
    expected = compare_with_ratings([f for f, k in zip(FRAMES, kept, strict=True) if k], alone, tmp_path / "alone")
    some = compare_with_ratings(*read_rated_scores(table, "ED"), tmp_path / "some")
    assert markdown(some) == markdown(expected)
    assert markdown(compare_with_ratings(*read_rated_scores(table), tmp_path / "all")) != markdown(expected)


@pytest.mark.parametrize("only", ["systole", "["])
def test_pattern_that_keeps_no_frame_or_is_none_is_refused(table: Path, only: str) -> None:
    with pytest.raises(DatasetError, match=r"rated_scores\.csv"):
        read_rated_scores(table, only)


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "file,plane,group,rating,fold,accepted,STRIQ\nx,A4C,g,good,1,0.5\n"]
)
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match="striq evaluate"):
        read_rated_scores(tmp_path / "other.csv")


def test_table_of_the_score_command_is_named_as_such(tmp_path: Path) -> None:
    write_score_table(tmp_path / "scores.csv", [FrameResult("a.png", 0, error="bad")])
    with pytest.raises(DatasetError, match=r"scores\.csv: is a table of 'striq score'.*Give a rated_scores\.csv"):
        read_rated_scores(tmp_path / "scores.csv")


def test_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="striq evaluate"):
        read_rated_scores(tmp_path / "nothing.csv")


def test_every_fold_is_shown_for_itself(table: Path, tmp_path: Path) -> None:
    text = folds_report(*read_rated_scores(table)).to_markdown()
    second = np.array([frame.fold == 1 for frame in FRAMES])
    expected = spearmanr(VALUES[second], [frame.rating for frame in FRAMES if frame.fold == 1])[0]
    row = next(line for line in text.splitlines() if line.startswith("| A4C | 2 |"))
    assert row.split("|")[3:5] == [" 12 ", f" {expected:.3f} "]
    compare_with_ratings(*read_rated_scores(table), tmp_path / "all")
    assert (tmp_path / "all" / "folds.md").read_text(encoding="utf-8") == text
