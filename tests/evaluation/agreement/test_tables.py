"""Tests of ``striq.evaluation.agreement.comparison``, ``tables`` and ``report``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.evaluation.agreement.comparison import evaluate_scores
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames
from striq.evaluation.agreement.report import agreement_report, ranks_report
from striq.evaluation.agreement.tables import MEAN, EvaluationRow, EvaluationTable
from striq.evaluation.reports.figures import save_figure
from striq.evaluation.statistics.bootstrap import BootstrapOptions
from striq.evaluation.statistics.metrics import METRIC_NAMES, f1_at_threshold, srcc
from striq.evaluation.statistics.multiple_testing import holm
from striq.evaluation.statistics.resampled_metrics import FloatArray, weighted_kendall_tau_b, weighted_srcc
from tests.references.single_bootstrap import bootstrap_interval, paired_bootstrap

NOTE = "grades come from the two-chamber file"
NUM_FRAMES = 120
RATINGS = (np.arange(NUM_FRAMES) % 3).astype(float)
GROUPS = np.array([f"p{index // 4:02d}" for index in range(NUM_FRAMES)])  # four frames, two in each plane
PLANES = np.array(["A2C", "A4C"])[np.arange(NUM_FRAMES) % 2]


def make_scores() -> dict[str, FloatArray]:
    noise = np.random.default_rng(0).normal(size=(2, NUM_FRAMES))
    return {"in-fan std": RATINGS + 2 * noise[0], "STRIQ": RATINGS + noise[1], "constant": np.ones(NUM_FRAMES)}


SCORES = make_scores()
ACCEPTED = SCORES["STRIQ"] > 1
BOOTSTRAP = BootstrapOptions(0, 100)


def rated(ratings: FloatArray, groups: Iterable[str], planes: Iterable[str]) -> list[RatedFrame]:
    return [RatedFrame("", plane, group, rating) for rating, group, plane in zip(ratings, groups, planes, strict=True)]


def to_json(table: EvaluationTable) -> dict[str, object]:
    return agreement_report(table).to_json()


def to_markdown(table: EvaluationTable) -> str:
    return agreement_report(table).to_markdown()


def make_table(planes: Iterable[str] = PLANES) -> EvaluationTable:
    return evaluate_scores(
        rated(RATINGS, GROUPS, planes), ScoredFrames(SCORES, ACCEPTED), bootstrap=BOOTSTRAP, note=NOTE
    )


@pytest.fixture(scope="module")
def table() -> EvaluationTable:
    return make_table()


def find(table: EvaluationTable, plane: str, score: str) -> EvaluationRow:
    return next(row for row in table.rows if (row.plane, row.score) == (plane, score))


def test_rows_are_planes_then_mean_with_the_main_score_first(table: EvaluationTable) -> None:
    order = [(row.plane, row.score) for row in table.rows]
    assert order == [(p, s) for p in ("A2C", "A4C", MEAN) for s in ("STRIQ", "in-fan std", "constant")]


def test_row_of_a_plane_uses_its_frames_only(table: EvaluationTable) -> None:
    of_plane = PLANES == "A4C"
    row = find(table, "A4C", "STRIQ")
    assert row.agreement.srcc == srcc(SCORES["STRIQ"][of_plane], RATINGS[of_plane])
    assert row.agreement.f1 == f1_at_threshold(ACCEPTED[of_plane], RATINGS[of_plane], cut=1.0)
    assert (row.agreement.num_frames, row.agreement.num_groups) == (60, 30)


def test_intervals_and_comparison_equal_those_of_the_bootstrap_alone(table: EvaluationTable) -> None:
    keep = PLANES == "A2C"
    a, b, ratings, groups = SCORES["STRIQ"][keep], SCORES["in-fan std"][keep], RATINGS[keep], GROUPS[keep]
    row = find(table, "A2C", "STRIQ")
    for name, statistic in (("srcc", weighted_srcc), ("kendall_tau_b", weighted_kendall_tau_b)):
        alone = bootstrap_interval(statistic, a, ratings, groups, BOOTSTRAP)
        assert row.intervals[name] == alone
    paired = paired_bootstrap(weighted_srcc, (a, b), ratings, groups, BOOTSTRAP)
    assert row.against["in-fan std"].interval == paired.interval
    assert row.against["in-fan std"].p_value == paired.p_value
    assert row.against["in-fan std"].difference == pytest.approx(paired.difference)


def test_p_values_are_corrected_for_the_rows_of_a_planes_table(table: EvaluationTable) -> None:
    row = find(table, "A2C", "STRIQ")
    plain = [found.p_value for found in row.against.values()]
    corrected = [found.corrected_p for found in row.against.values()]
    np.testing.assert_allclose(corrected, holm(plain))
    assert corrected != plain


def test_ranks_are_compared_over_three_planes_or_more(table: EvaluationTable, tmp_path: Path) -> None:
    assert ranks_report(table) is None
    planes = np.repeat(["A2C", "A4C", "A3C"], NUM_FRAMES // 3)
    scores = {"STRIQ": RATINGS, "in-fan std": SCORES["in-fan std"], "worst": -RATINGS}
    found = ranks_report(evaluate_scores(rated(RATINGS, GROUPS, planes), ScoredFrames(scores), bootstrap=BOOTSTRAP))
    assert found is not None
    assert found.tables[0].rows[0] == ["STRIQ", "1.00"]
    found.write(tmp_path)
    assert (tmp_path / "critical_difference.png").stat().st_size > 5000


def test_mean_row_averages_the_planes_and_counts_a_patient_once(table: EvaluationTable) -> None:
    mean = find(table, MEAN, "STRIQ").agreement
    for metric in METRIC_NAMES:
        of_planes = [getattr(find(table, plane, "STRIQ").agreement, metric) for plane in ("A2C", "A4C")]
        assert getattr(mean, metric) == pytest.approx(sum(of_planes) / 2)
    assert (mean.num_frames, mean.num_groups) == (120, 30)


def test_mean_interval_draws_a_patient_in_both_planes_at_once() -> None:
    # The same frames in both planes: the mean is as uncertain as one plane, not 1/sqrt(2) of it.
    twice = {name: np.tile(values[:60], 2) for name, values in SCORES.items()}
    planes = np.repeat(["A2C", "A4C"], 60)
    frames = rated(np.tile(RATINGS[:60], 2), np.tile(GROUPS[:60], 2), planes)
    table = evaluate_scores(frames, ScoredFrames(twice), bootstrap=BOOTSTRAP)
    one, mean = (find(table, plane, "STRIQ").intervals["srcc"] for plane in ("A2C", MEAN))
    assert (mean.low, mean.high) == pytest.approx((one.low, one.high))


def test_only_the_main_score_has_an_f1_and_comparisons(table: EvaluationTable) -> None:
    control = find(table, "A4C", "in-fan std")
    assert math.isnan(control.agreement.f1)
    assert math.isnan(control.intervals["f1"].low)
    assert not control.against
    assert set(find(table, "A4C", "STRIQ").against) == {"in-fan std", "constant"}


def test_undefined_figures_are_null_in_json_and_not_available_in_markdown(table: EvaluationTable) -> None:
    value = json.loads(json.dumps(to_json(table), allow_nan=False))
    constant = next(row for row in value["rows"] if row["score"] == "constant")
    assert constant["agreement"]["srcc"] is None
    assert constant["intervals"]["srcc"] == {"low": None, "high": None}
    line = next(line for line in to_markdown(table).splitlines() if line.startswith("| constant"))
    assert line.split(" | ")[1:4] == ["n/a", "n/a", "n/a"]
    assert "nan" not in to_markdown(table)


def test_json_holds_every_figure_and_how_it_was_made(table: EvaluationTable) -> None:
    value = json.loads(json.dumps(to_json(table)))
    row = value["rows"][0]
    assert row["agreement"]["srcc"] == find(table, "A2C", "STRIQ").agreement.srcc
    assert row["against"]["in-fan std"]["p_value"] == find(table, "A2C", "STRIQ").against["in-fan std"].p_value
    assert (value["seed"], value["num_resamples"], value["level"], value["cut"]) == (0, 100, 0.95, 1.0)
    assert value["note"] == NOTE


def test_markdown_prints_figures_as_computed(table: EvaluationTable) -> None:
    row = find(table, "A4C", "STRIQ")
    block = to_markdown(table).split("### ")[2]
    interval = row.intervals["srcc"]
    assert f"| STRIQ | {row.agreement.srcc:.3f} [{interval.low:.3f}, {interval.high:.3f}] |" in block
    assert f"| {row.against['in-fan std'].difference:+.3f} [" in block


def test_note_stands_in_every_block_of_figures(table: EvaluationTable) -> None:
    blocks = to_markdown(table).split("### ")[1:]
    assert len(blocks) == 3
    assert all(f"**Note:** {NOTE}" in block for block in blocks)


def test_mean_block_is_left_out_for_a_single_plane() -> None:
    single = make_table(planes=np.full(NUM_FRAMES, "A4C"))
    assert "Mean over planes" not in to_markdown(single)
    assert find(single, MEAN, "STRIQ").agreement == find(single, "A4C", "STRIQ").agreement


def test_order_of_the_frames_does_not_matter(table: EvaluationTable) -> None:
    order = np.random.default_rng(1).permutation(NUM_FRAMES)
    shuffled = evaluate_scores(
        rated(RATINGS[order], GROUPS[order], PLANES[order]),
        ScoredFrames({name: values[order] for name, values in SCORES.items()}, ACCEPTED[order]),
        bootstrap=BOOTSTRAP,
        note=NOTE,
    )
    assert to_markdown(shuffled) == to_markdown(table)


def test_unusable_input_is_refused() -> None:
    frames, scored = rated(RATINGS, GROUPS, PLANES), ScoredFrames(SCORES, ACCEPTED)
    with pytest.raises(ValueError, match=r"main score 'Q' is not among the scores: in-fan std, STRIQ, constant"):
        evaluate_scores(frames, scored, main="Q")
    with pytest.raises(ValueError, match=r"shape \(n,\), got \(120,\) and \(5,\)"):
        evaluate_scores(frames[:5], scored)
    with pytest.raises(ValueError, match=r"shape \(n,\), got \(5,\) and \(120,\)"):
        evaluate_scores(frames, ScoredFrames(SCORES, ACCEPTED[:5]))
    with pytest.raises(ValueError, match="no frames to compare"):
        evaluate_scores([], ScoredFrames({"STRIQ": np.zeros(0)}))
    with pytest.raises(ValueError, match="No plane may be called 'mean'"):
        evaluate_scores(rated(RATINGS, GROUPS, [MEAN] * NUM_FRAMES), scored)
    with pytest.raises(ValueError, match="scores must be finite"):
        evaluate_scores(frames, ScoredFrames({"STRIQ": np.full(NUM_FRAMES, np.nan)}))


def test_report_is_written_in_all_forms(table: EvaluationTable, tmp_path: Path) -> None:
    agreement_report(table).write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.json", "evaluation.md", "evaluation.png"]
    assert json.loads((tmp_path / "evaluation.json").read_text()) == to_json(table)
    assert (tmp_path / "evaluation.md").read_text() == to_markdown(table)


def test_figure_shows_the_main_score_in_its_color_at_its_value(table: EvaluationTable, tmp_path: Path) -> None:
    agreement_report(table).write(tmp_path)
    with Image.open(tmp_path / "evaluation.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    blue = (np.abs(pixels - (0x0B, 0x5F, 0xA5)).sum(axis=2) < 10).any(axis=0)
    runs = int((np.diff(blue.astype(int)) == 1).sum())
    assert runs == 3  # one bar in each panel: two planes and their mean


def test_figure_can_be_written_as_svg_with_the_note_in_it(table: EvaluationTable, tmp_path: Path) -> None:
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}):
        figure = agreement_report(table).figure()
        assert figure is not None
        text = save_figure(figure, tmp_path / "srcc.svg").read_text()
    assert NOTE in text
    assert "n/a" in text
