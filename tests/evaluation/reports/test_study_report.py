"""Tests of ``striq.evaluation.reports``."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from striq.evaluation.reports.figures import draw_bars, new_figure, save_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport, plain
from striq.evaluation.reports.text import counts_text, interval_text, markdown_table, number_text, spread_text
from striq.evaluation.statistics.bootstrap import Interval


def draw() -> Figure:
    figure, ((panel,),) = new_figure(3, 2)
    draw_bars(panel, ["a", "b"], [0.5, 0.2])
    return figure


REPORT = StudyReport(
    name="trial",
    title="A trial",
    tables=[
        ReportTable(["Name", "Value"], [["a|b", "1"]], title="First", remarks=["How it was done."]),
        ReportTable(["Name"], [["c"]]),
    ],
    facts={"values": np.array([1.0, math.nan]), "pair": (1, "x")},
    note="Mind this.",
    draw=draw,
    caption="Two bars.",
)


def test_three_files_hold_the_report(tmp_path: Path) -> None:
    text = REPORT.write(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["trial.json", "trial.md", "trial.png"]
    assert (tmp_path / "new" / "trial.md").read_text(encoding="utf-8") == text
    stored = json.loads((tmp_path / "new" / "trial.json").read_text(encoding="utf-8"))
    assert stored == {"title": "A trial", "note": "Mind this.", "values": [1.0, None], "pair": [1, "x"]}
    with Image.open(tmp_path / "new" / "trial.png") as picture:
        assert picture.size == (450, 300)


def test_a_report_without_a_picture_has_two_files(tmp_path: Path) -> None:
    replace(REPORT, draw=None).write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial.json", "trial.md"]


def test_a_name_with_a_dot_is_kept(tmp_path: Path) -> None:
    replace(REPORT, name="v1.2", draw=None).write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v1.2.json", "v1.2.md"]


def test_markdown_has_headings_remarks_and_the_note_below_every_table() -> None:
    assert REPORT.to_markdown().split("\n\n") == [
        "## A trial",
        "### First",
        "| Name | Value |\n| --- | ---: |\n| a\\|b | 1 |",
        "How it was done.",
        "**Note:** Mind this.",
        "| Name |\n| --- |\n| c |",
        "**Note:** Mind this.\n",
    ]


def test_picture_carries_caption_and_note() -> None:
    figure = REPORT.figure()
    assert figure is not None
    assert figure.get_supxlabel() == "Two bars. Note: Mind this."
    bare = replace(REPORT, note="", caption="").figure()
    assert bare is not None
    assert bare.get_supxlabel() == ""


@dataclass(frozen=True)
class Row:
    name: str
    value: float


def test_facts_become_plain_values() -> None:
    value = {1: [Row("a", math.nan), Row("b", 2.0)], "count": np.int64(3), "flag": np.bool_(True)}
    found = plain(value)
    assert found == {"1": [{"name": "a", "value": None}, {"name": "b", "value": 2.0}], "count": 3, "flag": True}
    json.dumps(found, allow_nan=False)


def test_undefined_numbers_are_not_available() -> None:
    nothing = Interval(math.nan, math.nan)
    assert number_text(math.nan) == interval_text(math.nan, Interval(0, 1)) == "n/a"
    assert interval_text(0.5, nothing) == "0.500"
    assert interval_text(0.5, Interval(0.25, 0.75), sign="+") == "+0.500 [+0.250, +0.750]"
    assert spread_text(-0.1, math.nan, sign="+") == "-0.100"
    assert counts_text({"a": 2, "b": 0, "none": 1}) == "a 2, none 1"


def test_table_has_as_many_bars_as_columns() -> None:
    assert markdown_table(["", "x"], [["a", "1"]])[1] == "| --- | ---: |"


def test_unknown_format_of_a_picture_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        save_figure(draw(), tmp_path / "picture.nonsense")
    assert not list(tmp_path.iterdir())
