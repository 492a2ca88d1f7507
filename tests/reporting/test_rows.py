"""Tests of ``striq.reporting.rows``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from striq.reporting.rows import COLUMNS, score_row, source_name, write_scores
from striq.scoring.results import FrameResult
from tests.score_factory import make_score

SCORE = make_score(
    0.123456789,
    "none",
    plane_probabilities={"a4c": 0.25, "none": 0.75},
    source="cine.dcm",
    index=4,
    time_s=1 / 3,
)


def test_a_score_fills_every_column_but_the_error() -> None:
    row = dict(zip(COLUMNS, score_row(FrameResult("cine.dcm", 4, SCORE)), strict=True))
    assert row == {
        "source": "cine.dcm",
        "frame": "4",
        "time_s": "0.333333333",
        "plane": "none",
        "plane_probability": "0.75",
        "quality": "0.1234568",
        "accepted": "false",
        "similarity": "0.5",
        "ncc": "0.25",
        "smoothness": "0.125",
        "error": "",
    }


def test_an_error_of_several_lines_becomes_one() -> None:
    assert score_row(FrameResult("x", None, error="a\nb\r\n c"))[-1] == "a b c"


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
    assert write_scores(tmp_path / "scores.csv", []).read_text() == ",".join(COLUMNS) + "\n"
