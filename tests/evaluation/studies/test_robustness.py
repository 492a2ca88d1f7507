"""Tests of the report on robustness: what it measures, and that it can see a score that fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.data.datasets import load_dataset
from striq.data.degradation import DEGRADATIONS
from striq.data.loading import iterate_images
from striq.data.phantom import write_phantom
from striq.data.preprocessing import intensity_std
from striq.evaluation.agreement.controls import CONTROLS
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.studies.robustness import (
    KINDS,
    SEVERITIES,
    ChangedScores,
    concatenate_changed,
    falls_throughout,
    frame_seed,
    nuisance_rows,
    quartiles,
    score_all_changed,
    score_changed,
)
from striq.evaluation.studies.robustness_report import robustness_report
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord
from tests.conftest import DRAWN_SIZE, TINY_PLANES, TINY_SIZE


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    return load_dataset(write_phantom(tmp_path_factory.mktemp("data"), 3, 1, planes=TINY_PLANES, size=DRAWN_SIZE))


@pytest.fixture(scope="module")
def changed(tiny_scorer: StriqScorer, records: list[FrameRecord]) -> ChangedScores:
    return score_changed(tiny_scorer, records, quiet=True)


def made_up(slope: float, gain: float = 0.0) -> ChangedScores:
    """Scores of 20 frames that follow the rating, move by ``gain`` under gain, and change by ``slope`` when losing."""
    ratings = np.arange(20) / 20
    perturbed = {kind: ratings.copy() for kind in KINDS}
    perturbed["gain"] = ratings + gain * np.where(np.arange(20) % 2, 1, -1)
    degraded = {kind: 0.5 + slope * np.tile(SEVERITIES, (20, 1)) for kind in DEGRADATIONS}
    return ChangedScores(("a4c",) * 20, ratings, perturbed, degraded)


def test_every_frame_is_scored_under_every_change(changed: ChangedScores, records: list[FrameRecord]) -> None:
    assert changed.planes == tuple(record.plane for record in records)
    for values in changed.perturbed.values():
        assert np.isfinite(values).all()
    for values in changed.degraded.values():
        assert np.isfinite(values).all()
        np.testing.assert_allclose(values[:, 0], changed.perturbed["none"], atol=1e-5)


def test_scores_of_unchanged_frames_are_those_of_the_scorer(
    changed: ChangedScores, tiny_scorer: StriqScorer, records: list[FrameRecord]
) -> None:
    from striq.data.readers import open_cine

    expected = [tiny_scorer.score([open_cine(r.path)[0]], r.plane)[0].quality for r in records]
    np.testing.assert_allclose(changed.perturbed["none"], expected, atol=1e-5)


def test_a_frame_does_not_depend_on_the_others(
    changed: ChangedScores, tiny_scorer: StriqScorer, records: list[FrameRecord]
) -> None:
    alone = score_changed(tiny_scorer, records[3:4], quiet=True)
    for kind, values in alone.perturbed.items():
        np.testing.assert_allclose(values, changed.perturbed[kind][3:4], atol=1e-6)


def test_frames_of_equal_names_are_changed_each_in_its_own_way(records: list[FrameRecord]) -> None:
    assert len({record.path.name for record in records}) < len(records)
    assert len({frame_seed(record) for record in records}) == len(records)


def test_structure_is_looked_at_in_some_frames_of_every_plane(
    tiny_scorer: StriqScorer, records: list[FrameRecord]
) -> None:
    few = score_changed(tiny_scorer, records, structure_frames=2, quiet=True)
    looked_at = np.isfinite(few.degraded["shadow"][:, 0])
    for plane in TINY_PLANES:
        assert sum(seen for seen, name in zip(looked_at, few.planes, strict=True) if name == plane) == 2
    assert np.isfinite(quartiles(few, TINY_PLANES[0], "shadow")).all()


def test_nuisance_is_looked_at_in_as_many_frames_as_asked_for(
    tiny_scorer: StriqScorer, records: list[FrameRecord]
) -> None:
    functions = {"STRIQ": FrameInputs.quality, "std": CONTROLS["in-fan intensity std"]}
    few = score_all_changed(tiny_scorer, records, functions, structure_frames=1, nuisance_frames=2, quiet=True)
    assert list(few) == list(functions)
    for changed in few.values():
        assert np.isfinite(changed.perturbed["none"]).all()
        assert np.isfinite(changed.perturbed["gain"]).sum() == 2 * len(TINY_PLANES)
        assert all(np.isfinite(row.median_change) for row in nuisance_rows(changed))
    np.testing.assert_allclose(
        few["std"].perturbed["none"],
        [float(intensity_std(image[None])) for image in iterate_images(records, TINY_SIZE, quiet=True)],
        atol=1e-6,
    )


def test_a_change_by_nuisance_compares_the_same_frames() -> None:
    scores = made_up(-0.3)
    few = scores.perturbed["gain"].copy()
    few[np.arange(20) % 4 > 0] = np.nan
    unlike = scores.perturbed["none"].copy()
    unlike[1] = 5.0  # a frame that gain leaves out
    row = nuisance_rows(replace(scores, perturbed={**scores.perturbed, "none": unlike, "gain": few}))[1]
    assert row.kind == "gain"
    assert row.srcc == row.rank_correlation == pytest.approx(1)
    assert row.srcc_change == row.median_change == 0


def test_a_score_fooled_by_gain_is_seen() -> None:
    steady, fooled = ({row.kind: row for row in nuisance_rows(made_up(-0.3, gain))} for gain in (0.0, 1.0))
    assert steady["gain"].srcc == steady["gain"].rank_correlation == pytest.approx(1)
    assert steady["gain"].srcc_change == steady["gain"].median_change == 0
    assert fooled["gain"].srcc_change < -0.3
    assert fooled["gain"].median_change == pytest.approx(1)
    assert fooled["speckle"].srcc_change == 0


@pytest.mark.parametrize(("slope", "falls"), [(-0.3, True), (0.0, False), (0.3, False)])
def test_a_score_that_does_not_fall_with_lost_structure_is_seen(slope: float, falls: bool) -> None:
    scores = made_up(slope)
    assert falls_throughout(scores, "a4c", "shadow") is falls
    assert ("yes" if falls else "| no |") in robustness_report(scores).to_markdown()


def test_unrated_frames_have_no_srcc_but_a_rank_correlation() -> None:
    scores = made_up(-0.3)
    unrated = replace(scores, ratings=np.full(20, np.nan))
    row = nuisance_rows(unrated)[1]
    assert np.isnan(row.srcc)
    assert row.rank_correlation == pytest.approx(1)


def test_parts_are_joined_in_order() -> None:
    both = concatenate_changed([made_up(-0.3), made_up(0.1)])
    assert len(both.planes) == len(both.ratings) == len(both.perturbed["gain"]) == len(both.degraded["shadow"]) == 40
    assert both.degraded["shadow"][0, -1] < both.degraded["shadow"][-1, -1]


def test_the_report_is_written_as_table_and_picture(changed: ChangedScores, tmp_path: Path) -> None:
    robustness_report(changed, note="Synthetic.").write(tmp_path)
    report = json.loads((tmp_path / "robustness.json").read_text())
    assert {row["kind"] for row in report["nuisance"]} == set(KINDS)
    assert {row["kind"] for row in report["structure"]} == set(DEGRADATIONS)
    assert (tmp_path / "robustness.md").read_text().endswith("**Note:** Synthetic.\n")
    with Image.open(tmp_path / "robustness.png") as picture:
        assert picture.width > 500
