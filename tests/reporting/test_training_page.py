"""Tests of the page on a finished training: its figures, its privacy, and that it stands alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.degradation import DEGRADATIONS, SEVERITIES, degrade
from striq.data.phantom import write_phantom
from striq.reporting.training_advice import losses_not_noticed, next_steps
from striq.reporting.training_page import write_training_page
from striq.scoring.scorer import StriqScorer
from striq.training import lost_structure
from striq.training.outcome import TrainingOutcome, tenths
from striq.training.run import train_scorer
from striq.training.run_options import RunOptions
from tests.training.interruption import differing_tensors

CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=4))
TRAINING = TrainingConfig(max_epochs=1, views=1)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingOutcome, StriqScorer]:
    folder = tmp_path_factory.mktemp("phantom")
    table = write_phantom(folder / "SMITH^JOHN", 6, 2, planes=("kidney", "a4c"), size=(96, 96))
    broken = table.parent / "broken.png"
    broken.write_bytes(b"no picture")
    with table.open("a", encoding="utf-8") as stream:
        stream.write("broken.png,kidney,subject_000,0.5\n")
    outcomes: list[TrainingOutcome] = []
    options = RunOptions(folder / "run", device="cpu", quiet=True)
    records = load_dataset(table)
    scorer = train_scorer(records, options, config=CONFIG, training=TRAINING, report=outcomes.append)
    without = train_scorer(records, replace(options, output_dir=folder / "plain"), config=CONFIG, training=TRAINING)
    assert differing_tensors(scorer, without) == set(), "measuring the outcome changed the model"
    return outcomes[0], scorer


@pytest.fixture(scope="module")
def outcome(finished: tuple[TrainingOutcome, StriqScorer]) -> TrainingOutcome:
    return finished[0]


@pytest.fixture(scope="module")
def page(outcome: TrainingOutcome) -> str:
    return write_training_page(outcome).read_text(encoding="utf-8")


def test_frames_are_scored_as_unseen_and_cover_the_plane(finished: tuple[TrainingOutcome, StriqScorer]) -> None:
    outcome, scorer = finished
    for plane in outcome.planes:
        assert len(plane.quality) == len(plane.records) == plane.support["frames"]
        assert ((plane.quality >= 0) & (plane.quality <= 1)).all()
        number = scorer.plane_index(plane.check.plane)
        assert len(plane.anchors) == len(scorer.bank.sources[number])
        images = [(scorer.embed(image[None]), scorer.frame_terms(image[None])) for image in plane.images]
        seen = [scorer.score_as_plane(*inputs, number).quality for inputs in images]
        assert not torch.allclose(torch.cat(seen), plane.quality)  # their own anchors would flatter them


def test_losses_start_at_the_frames_as_they_are(outcome: TrainingOutcome) -> None:
    for plane in outcome.planes:
        chosen = torch.linspace(0, len(plane.quality) - 1, min(12, len(plane.quality))).long()
        assert set(plane.lost_structure) == set(DEGRADATIONS)
        for quality in plane.lost_structure.values():
            assert quality.shape == (len(chosen), len(SEVERITIES))
            assert torch.equal(quality[:, 0], plane.quality[chosen])
            assert not torch.equal(quality[:, 0], quality[:, -1])


def test_changed_frames_meet_the_anchors_that_the_frames_met(
    outcome: TrainingOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_structure, "SEVERITIES", (0.0, 0.0))  # a change of nothing: Q must stay the same
    found: list[TrainingOutcome] = []
    records = [record for record in outcome.records if record.plane == "kidney"]
    train_scorer(
        records, RunOptions(tmp_path, device="cpu", quiet=True), config=CONFIG, training=TRAINING, report=found.append
    )
    for quality in found[0].planes[0].lost_structure.values():
        torch.testing.assert_close(quality[:, 1], quality[:, 0], atol=1e-4, rtol=0)


def test_changes_are_drawn_on_the_frame(outcome: TrainingOutcome) -> None:
    image = outcome.planes[0].images[0]
    assert not torch.equal(degrade(image, "shadow", SEVERITIES[-1]), image)


def test_page_stands_alone_and_reads_at_phone_width(page: str) -> None:
    assert 'name="viewport"' in page
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "<script" not in page


def test_page_shows_the_figures(page: str, outcome: TrainingOutcome) -> None:
    for plane in outcome.planes:
        counts = [len(rows) for rows in tenths(plane.quality)]
        assert sum(counts) == len(plane.quality)
        for place, count in enumerate(counts):
            assert f"Q from {place / 10:g} to {(place + 1) / 10:g}: {count} frames" in page
        assert f"{float(plane.quality.median()):.2f}</dd><dt>median Q" in page
    assert page.count("<polygon") == len(DEGRADATIONS) * len(outcome.planes)
    for step in next_steps(outcome)[:3]:
        assert step.split("'")[0][:60] in page


def test_page_says_what_was_left_out_and_names_no_folder(page: str) -> None:
    assert "broken.png: " in page
    assert "SMITH" not in page


def test_page_with_pictures_says_so_and_the_switches_leave_them_out(outcome: TrainingOutcome, page: str) -> None:
    assert "This page holds pictures of training frames" in page
    assert page.count("data:image/jpeg") >= sum(len(plane.anchors) for plane in outcome.planes)
    for off in ({"report_pictures": False}, {"anchor_images": False}):
        bare = write_training_page(replace(outcome, options=replace(outcome.options, **off))).read_text(
            encoding="utf-8"
        )
        assert "data:image" not in bare
        assert "This page holds no pictures of training frames" in bare


def test_pictures_are_not_in_the_model(finished: tuple[TrainingOutcome, StriqScorer]) -> None:
    assert set(finished[1].info) <= {"encoder", "epochs", "planes"}


def test_tenths_hold_every_frame_once_nearest_to_the_middle_first() -> None:
    quality = torch.tensor([0.0, 0.049, 0.05, 0.1, 0.99, 1.0, 0.95])
    found = tenths(quality)
    assert found[0] == [2, 1, 0]
    assert found[1] == [3]
    assert found[9] == [6, 4, 5]
    assert sorted(row for rows in found for row in rows) == list(range(7))


def test_advice_follows_what_was_measured(outcome: TrainingOutcome) -> None:
    plane = outcome.planes[0]
    ends = replace(plane, quality=torch.tensor([0.0, 1.0, 0.5, 0.6]))
    assert ends.saturated == 0.5
    assert ends.rejected(0.5) == 0.5
    flat = {kind: torch.full((3, len(SEVERITIES)), 0.7) for kind in DEGRADATIONS}
    fallen = {"shadow": torch.linspace(0.7, 0.2, len(SEVERITIES)).expand(3, -1)}
    changed = replace(ends, lost_structure={**flat, **fallen})
    assert losses_not_noticed(changed) == [kind for kind in DEGRADATIONS if kind != "shadow"]
    text = " ".join(next_steps(replace(outcome, planes=[changed])))
    assert "50% of the frames have a Q next to 0 or 1" in text
    assert "where deformation is the fault" in text
    assert "where shadow is the fault" not in text
    assert "add frames" in text


def test_page_warns_where_groups_cannot_be_left_out(outcome: TrainingOutcome, page: str) -> None:
    assert "too few groups to leave one out" not in page
    plane = outcome.planes[0]
    alone = replace(plane, records=[replace(record, group="one") for record in plane.records])
    few = write_training_page(replace(outcome, planes=[alone])).read_text(encoding="utf-8")
    assert "too few groups to leave one out" in few


def test_training_that_does_not_find_movements_should_go_on(outcome: TrainingOutcome) -> None:
    for error, expected in ((13.6, True), (9.0, False)):
        curves = {"training": {}, "validation": {"endpoint_error_px": [(1, 30.0), (2, error)]}}
        steps = next_steps(replace(outcome, curves=curves))
        assert any(step.startswith("Train longer") for step in steps) == expected


def test_file_of_the_page_is_beside_the_model(outcome: TrainingOutcome) -> None:
    assert write_training_page(outcome) == Path(outcome.options.output_dir) / "train_report.html"
