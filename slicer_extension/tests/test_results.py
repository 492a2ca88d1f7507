"""Tests of verdicts, navigation, the chart and export."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import slicer
from UltrasoundPlaneQCLib import Navigation
from UltrasoundPlaneQCLib.PolicyThresholds import SitedPolicy
from UltrasoundPlaneQCLib.Ratings import verdictsOfScore
from UltrasoundPlaneQCLib.Results import Results
from UltrasoundPlaneQCLib.ScoreChart import ScoreChart

from striq.policies.reading import parse_policy

TERMS = [  # not those of striq: the extension has no list of its own
    {"name": "ncc", "label": "NCC", "description": "How well features correlate."},
    {"name": "entropy", "label": "Entropy", "description": "How much a frame tells."},
]
QUALITIES = [0.2, 0.7, 0.9, None, 0.6, 0.4]


def answer(index: int, quality: float | None, plane: str = "a4c") -> dict:
    if quality is None:
        return {"index": index, "error": "The frame is empty"}
    return {
        "index": index,
        "quality": quality,
        "plane": plane,
        "plane_probabilities": {"a4c": 0.8, "none": 0.2},
        "terms": {"ncc": 0.2, "entropy": 0.4},
        "normalized_terms": {"ncc": 0.8, "entropy": 0.6},
        "weights": {"ncc": 0.75, "entropy": 0.25},
        "transform": [[1.0, 0.0, 0.1], [0.0, 1.0, 0.0]],
        "crop": [1, 2, 30, 40],
        "scored_plane": plane,
        "anchor_number": 2,
    }


@pytest.fixture
def results() -> Results:
    """Six frames: two below 0.5, three above, one that cannot be scored."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "cine")
    times = [0.04 * index for index in range(len(QUALITIES))]
    table = Results.create(SimpleNamespace(name="cine", node=node, numFrames=len(QUALITIES), timesS=times))
    table.setTerms(TERMS)
    table.applyThreshold(0.5)
    table.store([answer(index, quality) for index, quality in enumerate(QUALITIES)])
    return table


def verdicts(results: Results) -> str:
    return " ".join({"accepted": "+", "rejected": "-", "not scored": "?"}[result.verdict] for result in results)


def test_verdicts_follow_the_threshold(results: Results) -> None:
    assert verdicts(results) == "- + + ? + -"
    results.applyThreshold(0.65)
    assert verdicts(results) == "- + + ? - -"
    results.applyThreshold(0.0)
    assert verdicts(results) == "+ + + ? + +"
    results.applyThreshold(0.9)  # accepted means above, not at
    assert verdicts(results) == "- - - ? - -"


def test_frame_of_no_plane_is_never_accepted(results: Results) -> None:
    results.store([{**answer(2, 0.9, "none")}])
    assert results[2].verdict == "rejected"


def test_decision_of_the_user_outlives_the_threshold_and_can_be_taken_back(results: Results) -> None:
    results.decide(0, "accepted")
    results.decide(2, "rejected")
    assert verdicts(results) == "+ + - ? + -"
    results.applyThreshold(0.95)
    assert verdicts(results) == "+ - - ? - -"
    assert results[0].decidedBy == "user"
    results.decide(0, None)
    assert results[0].verdict == "rejected"
    assert results[0].decidedBy == "score"


def test_frame_without_score_can_be_decided_and_goes_back_to_none(results: Results) -> None:
    results.decide(3, "accepted")
    assert results[3].verdict == "accepted"
    results.decide(3, None)
    assert results[3].verdict == "not scored"


def test_best_frame_is_the_accepted_one_of_highest_quality(results: Results) -> None:
    assert Navigation.bestFrame(results) == 2
    results.decide(2, "rejected")
    assert Navigation.bestFrame(results) == 1
    results.applyThreshold(1.0)
    assert Navigation.bestFrame(results) == 2  # none is accepted: the best of all


def test_best_frame_of_nothing_is_none(results: Results) -> None:
    results.store([answer(index, None) for index in range(len(QUALITIES))])
    assert Navigation.bestFrame(results) is None


@pytest.mark.parametrize(("current", "accepted", "rejected"), [(0, 1, 5), (1, 2, 5), (2, 4, 5), (4, 1, 5), (5, 1, 0)])
def test_next_goes_forward_and_around(results: Results, current: int, accepted: int, rejected: int) -> None:
    assert Navigation.nextAccepted(results, current) == accepted
    assert Navigation.nextRejected(results, current) == rejected


def test_next_of_a_kind_that_does_not_exist_is_none(results: Results) -> None:
    results.applyThreshold(1.0)
    assert Navigation.nextAccepted(results, 0) is None


def test_quality_can_be_computed_from_an_exported_row(results: Results, tmp_path: Path) -> None:
    quality = 0.75 * 0.8 + 0.25 * 0.6
    results.store([answer(1, quality)])
    with results.exportCsv(tmp_path / "scores.csv").open() as stream:
        row = list(csv.DictReader(stream))[1]
    terms = [name.removesuffix("_weight") for name in row if name.endswith("_weight")]
    computed = sum(float(row[f"{term}_weight"]) * float(row[f"{term}_normalized"]) for term in terms)
    assert float(row["quality"]) == pytest.approx(computed)
    assert len(terms) == 2


def test_terms_have_their_labels_as_headers(results: Results) -> None:
    node = results.node
    assert node.GetUseColumnTitleAsColumnHeader()
    assert [node.GetColumnTitle(name) for name in ("ncc", "entropy", "quality")] == ["NCC", "Entropy", "Quality Q"]
    assert node.GetColumnDescription("ncc") == "How well features correlate."


def test_verdict_is_that_of_striq(results: Results) -> None:
    from striq.verdict import is_accepted

    for quality in (0.0, 0.5, 0.5000001, 1.0):
        for plane in ("a4c", "none"):
            results.store([{**answer(0, quality, plane), "plane": plane}])
            assert (results[0].verdict == "accepted") == is_accepted(quality, plane, results.threshold)


def test_export_holds_one_row_per_frame(results: Results, tmp_path: Path) -> None:
    results.decide(0, "accepted")
    path = results.exportCsv(tmp_path / "scores.csv")
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["frame"] for row in rows] == [str(index) for index in range(len(QUALITIES))]
    assert rows[0]["verdict"] == "accepted"
    assert rows[0]["decided_by"] == "user"
    assert float(rows[1]["quality"]) == 0.7
    assert float(rows[1]["time_s"]) == 0.04
    assert list(rows[0])[5:11] == [
        *("ncc", "ncc_normalized", "ncc_weight"),
        *("entropy", "entropy_normalized", "entropy_weight"),
    ]
    assert [float(rows[1][name]) for name in ("ncc", "entropy", "threshold")] == [0.2, 0.4, 0.5]
    assert rows[3]["quality"] == ""
    assert rows[3]["error"] == "The frame is empty"


def column(table, name: str) -> list[float]:
    values = table.GetTable().GetColumnByName(name)
    return [values.GetValue(row) for row in range(values.GetNumberOfValues())]


def drawn(chart: ScoreChart, number: int) -> list[tuple[float, float]]:
    series = chart.node.GetNthPlotSeriesNode(number)
    table = series.GetTableNode()
    return list(zip(column(table, series.GetXColumnName()), column(table, series.GetYColumnName()), strict=True))


POLICY = """
format = 1
name = "Ours"
version = "2"
threshold = 0.65
[thresholds]
psax = 0.3
[sites.north]
names = ["North"]
thresholds = { psax = 0.95 }
"""


def psax(index: int, quality: float) -> dict:
    return {**answer(index, quality, "psax"), "plane_probabilities": {"psax": 0.8}}


def test_policy_judges_by_plane_and_site_as_the_command_line_does(results: Results) -> None:
    results.store([psax(2, 0.9), psax(5, 0.4)])
    results.decide(4, "accepted")
    policy = parse_policy(POLICY)
    for names, expected in (((), "- + + ? + +"), (("", "North"), "- + - ? + -")):
        results.applyPolicy(SitedPolicy(POLICY, names))
        assert verdicts(results) == expected
        planes = ["a4c", "a4c", "psax", "", "a4c", "psax"]
        stated = [policy.threshold_of(plane, *names, otherwise=0.5) for plane in planes]
        assert results.thresholds() == stated
        header, rows = results.exportedRows()
        assert [float(row[header.index("threshold")]) for row in rows] == stated
    assert set(verdictsOfScore(results).values()) == {"accepted", "rejected"}
    assert verdictsOfScore(results)[4] == "rejected"  # whatever the user has decided
    results.store([psax(0, 0.96)])  # scored again, by another plane's anchors
    assert verdicts(results) == "+ + - ? + -"
    results.applyPolicy(None)
    assert verdicts(results) == "+ + + ? + -"
    assert results.policy is None


def test_threshold_of_the_panel_counts_where_the_policy_states_none(results: Results) -> None:
    results.store([psax(2, 0.9)])
    results.applyPolicy(SitedPolicy(POLICY.replace("threshold = 0.65\n", "")))
    results.applyThreshold(0.8)
    assert results.thresholds() == [0.8, 0.8, 0.3, 0.8, 0.8, 0.8]
    assert verdicts(results) == "- - + ? - -"
    assert "policy_threshold" in results.internalColumns()


def test_dashed_line_follows_the_thresholds_of_a_policy(results: Results) -> None:
    results.store([psax(2, 0.9)])
    chart = ScoreChart.create(results)
    chart.showFrame(3)
    results.applyPolicy(SitedPolicy(POLICY))
    chart.showThresholds(results.thresholds())
    assert drawn(chart, 1) == [(pytest.approx(0.04 * row), limit) for row, limit in enumerate(results.thresholds())]
    assert [x for x, _ in drawn(chart, 2)] == [pytest.approx(0.12)] * len(QUALITIES)
    assert [y for _, y in drawn(chart, 2)] == [0.0] + [1.0] * (len(QUALITIES) - 1)
    results.applyPolicy(None)
    chart.showThresholds(results.thresholds())
    assert drawn(chart, 1) == [(0.0, 0.5), (pytest.approx(0.2), 0.5)]
    assert drawn(chart, 2) == [(pytest.approx(0.12), 0.0), (pytest.approx(0.12), 1.0)]


def test_chart_draws_curve_threshold_and_cursor(results: Results) -> None:
    chart = ScoreChart.create(results)
    curve = drawn(chart, 0)
    assert [x for x, _ in curve] == pytest.approx([0.04 * index for index in range(len(QUALITIES))])
    assert [None if math.isnan(y) else y for _, y in curve] == QUALITIES
    assert drawn(chart, 1) == [(0.0, 0.5), (pytest.approx(0.2), 0.5)]
    chart.showThresholds([0.8, 0.8])
    assert [y for _, y in drawn(chart, 1)] == [0.8, 0.8]
    chart.showFrame(3)
    assert drawn(chart, 2) == [(pytest.approx(0.12), 0.0), (pytest.approx(0.12), 1.0)]
    chart.showFrame(99)  # outside: the cursor stays
    assert drawn(chart, 2)[0][0] == pytest.approx(0.12)


def test_only_points_of_the_curve_name_a_frame(results: Results) -> None:
    chart = ScoreChart.create(results)
    curve, threshold = (chart.node.GetNthPlotSeriesNode(number) for number in (0, 1))
    assert chart.frameOfPoint(curve.GetID(), 4) == 4
    assert chart.frameOfPoint(threshold.GetID(), 1) is None


def test_frames_without_time_are_drawn_by_number() -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "stack")
    table = Results.create(SimpleNamespace(name="stack", node=node, numFrames=3, timesS=None))
    chart = ScoreChart.create(table)
    assert chart.node.GetXAxisTitle() == "Frame"
    assert chart.places() == [0, 1, 2]
