"""Tests of the report of the quality benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from striq.evaluation.statistics.bootstrap import BootstrapOptions
from striq.evaluation.studies.quality_benchmark_measures import MEASURES
from striq.evaluation.studies.quality_benchmark_report import quality_benchmark_report
from tests.evaluation.studies.benchmark_factory import NAMES, PLANES, made_up_scores

FEW = BootstrapOptions(num_resamples=50)


def test_the_report_is_written_as_json_tables_and_picture(tmp_path: Path) -> None:
    text = quality_benchmark_report(made_up_scores(), bootstrap=FEW, note="Mind this.").write(tmp_path)
    stored = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert text == (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert stored["note"] == "Mind this."
    assert stored["mean_rank"]["STRIQ"] < stored["mean_rank"]["blind"]
    assert list(stored["planes"]) == list(PLANES)
    of_a = stored["planes"]["a"]
    assert list(of_a["scores"]) == list(NAMES)
    assert set(MEASURES) < set(of_a["scores"]["STRIQ"])
    assert of_a["scores"]["STRIQ"]["losses_that_fall"] == 4
    assert of_a["scores"]["STRIQ"]["srcc_change"] == 0.0
    assert of_a["scores"]["STRIQ"]["fall"] == pytest.approx(0.3 / 0.175, rel=0.1)
    assert [row["score"] for row in of_a["agreement"]] == list(NAMES)
    assert stored["nested_choice"]["chosen"] == ["STRIQ", "STRIQ"]
    assert len(stored["measured_by_fold"]["STRIQ"][0][0]) == 2
    assert stored["recognition"]["accuracy"] == pytest.approx(28 / 32)
    assert [one["against"] for one in stored["other_scanners"]] == ["x", "y"]
    with Image.open(tmp_path / "benchmark.png") as picture:
        assert min(picture.size) > 300


def test_every_table_has_the_note_and_every_score_a_row_in_each(tmp_path: Path) -> None:
    report = quality_benchmark_report(made_up_scores(), bootstrap=FEW, note="Mind this.")
    text = report.to_markdown()
    assert text.count("**Note:** Mind this.") == len(report.tables)
    decision, a, a_structure, b, b_structure, other_scanners, naming = report.tables
    for table in (decision, a, b, other_scanners):
        assert {row[0] for row in table.rows} == set(NAMES)
    assert [row[0] for row in decision.rows] == ["STRIQ", "blind"]
    assert a.rows[0][1].startswith("0.9")
    assert "[" in a.rows[0][1]
    assert a.rows[1][2] != "n/a"
    assert b.rows[0][1] == "n/a"
    assert "75.0 % named a, 12.5 % none, 12.5 % another plane" in a.remarks[0]
    assert {row[0] for row in a_structure.rows} == {"a"}
    assert {row[0] for row in b_structure.rows} == {"b"}
    assert [row[:3] for row in naming.rows][-1] == ["y", "unseen", "no"]


def test_without_any_ratings_the_rest_is_reported() -> None:
    report = quality_benchmark_report(made_up_scores(rated=False), bootstrap=FEW)
    assert report.to_json()["mean_rank"]["STRIQ"] == pytest.approx(1.0)
    assert report.tables[1].rows[0][1] == "n/a"
