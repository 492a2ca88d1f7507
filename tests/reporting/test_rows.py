"""Tests of ``striq.reporting.rows``."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from striq.data.readers import open_cine
from striq.quality.terms import TERMS
from striq.reporting.rows import score_columns, score_row, source_name, write_scores
from striq.scoring.results import FrameResult
from striq.scoring.scorer import StriqScorer
from tests.score_factory import make_score
from tests.test_cli import write_cine

SCORE = make_score(
    0.123456789,
    "none",
    plane_probabilities={"a4c": 0.25, "none": 0.75},
    source="cine.dcm",
    index=4,
    time_s=1 / 3,
)


def cells_of(result: FrameResult) -> dict[str, str]:
    return dict(zip(score_columns(), score_row(result), strict=True))


def test_a_score_fills_every_column_but_the_error() -> None:
    row = cells_of(FrameResult("cine.dcm", 4, SCORE))
    assert row == {
        "source": "cine.dcm",
        "frame": "4",
        "time_s": "0.333333333",
        "plane": "none",
        "plane_probability": "0.75",
        "scored_plane": "a4c",
        "quality": "0.1234568",
        "uncertainty": "0",
        "accepted": "false",
        "threshold": "0.5",
        "similarity": "0.5",
        "similarity_normalized": "0.1234568",
        "similarity_weight": "0.1666667",
        "ncc": "0.25",
        "ncc_normalized": "0.1234568",
        "ncc_weight": "0.1666667",
        "right_plane": "0.125",
        "right_plane_normalized": "0.1234568",
        "right_plane_weight": "0.1666667",
        "clarity": "0.0625",
        "clarity_normalized": "0.1234568",
        "clarity_weight": "0.1666667",
        "smoothness": "0.03125",
        "smoothness_normalized": "0.1234568",
        "smoothness_weight": "0.1666667",
        "contrast": "0.015625",
        "contrast_normalized": "0.1234568",
        "contrast_weight": "0.1666667",
        "error": "",
    }
    assert list(row) == list(score_columns())


def test_convention_quality_follows_from_the_terms_of_a_row(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    scores = tiny_scorer.score(open_cine(write_cine(tmp_path / "c.tif")))
    table = write_scores(tmp_path / "s.csv", [FrameResult("c.tif", score.index, score) for score in scores])
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(scores) > 1
    for row in rows:
        total = sum(float(row[f"{name}_weight"]) * float(row[f"{name}_normalized"]) for name in TERMS)
        assert total == pytest.approx(float(row["quality"]), abs=1e-6)


def test_a_term_that_the_model_lacks_leaves_its_cells_empty() -> None:
    reduced = {
        name: {term: value for term, value in getattr(SCORE, name).items() if term != "contrast"}
        for name in ("terms", "normalized_terms", "weights")
    }
    row = cells_of(FrameResult("cine.dcm", 4, replace(SCORE, **reduced)))
    empty = {name for name, cell in row.items() if not cell}
    assert empty == {"contrast", "contrast_normalized", "contrast_weight", "error"}


def test_an_error_of_several_lines_becomes_one() -> None:
    assert score_row(FrameResult("x", None, error="a\nb\r\n c"))[-1] == "a b c"


def test_a_frame_without_a_score_fills_source_frame_and_error_alone() -> None:
    row = cells_of(FrameResult("x", 3, error="bad"))
    assert {name: cell for name, cell in row.items() if cell} == {"source": "x", "frame": "3", "error": "bad"}


@pytest.mark.parametrize("name", ["comma, here.png", 'a "quoted" name.png', "Herzöhr 心.png", " spaces .png"])
def test_names_survive_the_table(tmp_path: Path, name: str) -> None:
    table = write_scores(tmp_path / "scores.csv", [FrameResult(name, 0, error="bad")])
    with table.open(encoding="utf-8", newline="") as stream:
        assert next(csv.DictReader(stream))["source"] == name


def test_a_name_that_is_not_utf8_does_not_cost_the_table(tmp_path: Path) -> None:
    name = source_name(Path("old\udce4name.png"))  # how Python decodes a byte that is not UTF-8
    write_scores(tmp_path / "scores.csv", [FrameResult(name, 0, error="old\udce4name.png: bad")])
    assert name == "old\\udce4name.png"
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").endswith("old\\udce4name.png: bad\n")


def test_no_results_leave_the_header_alone(tmp_path: Path) -> None:
    assert write_scores(tmp_path / "scores.csv", []).read_text() == ",".join(score_columns()) + "\n"
