"""The paper's tables and figures on a tiny phantom: each is written beside the printed figures, and kept."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striq.baselines.protocol import BASELINES
from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.errors import StriqError
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames
from striq.evaluation.agreement.rated_scores import RATED_SCORES_NAME, write_rated_scores
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.reproduction import run as run_module
from striq.evaluation.reproduction.ablation_tables import MATRICES, RATIOS, SETTINGS, STRATEGIES, THRESHOLDS
from striq.evaluation.reproduction.agreement_table import in_order, published_method
from striq.evaluation.reproduction.changed_frames import DEFORMATIONS, LOSSES, noise, rigid_motion, score_changes
from striq.evaluation.reproduction.parts import PARTS, choose_parts
from striq.evaluation.reproduction.published import published, published_plane, published_srcc
from striq.evaluation.reproduction.run import ReproductionRun
from striq.evaluation.reproduction.writing import Outcome, reproduce
from striq.evaluation.statistics.metrics import f1_at_threshold
from striq.evaluation.studies.ablation_rows import REFERENCE, ablation_rows
from striq.reporting.reproduction_page import write_reproduction_page
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord

PLANES = ("abdomen", "kidney", "a4c")
CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=3))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    return load_dataset(write_phantom(tmp_path_factory.mktemp("phantom"), 4, 2, planes=PLANES, size=(96, 96)))


@pytest.fixture
def run(records: list[FrameRecord], tmp_path: Path) -> ReproductionRun:
    setup = TrainingSetup(CONFIG, TrainingConfig(max_epochs=1, views=1), device="cpu", quiet=True)
    return ReproductionRun(lambda _: records, tmp_path / "out", setup, "A phantom.", "A note.", 2, 2)


def with_scores(run: ReproductionRun) -> ReproductionRun:
    """Store scores as an evaluation does, without training: STRIQ follows the rating, others less so."""
    from striq.data.splits import group_folds

    folds = group_folds(run.records, run.num_folds, seed=0)
    pairs = [(record, number) for number, fold in enumerate(folds) for record in fold.test]
    frames = [RatedFrame(r.path.name, r.plane, r.group, float(r.rating or 0), number) for r, number in pairs]
    ratings, generator = np.array([frame.rating for frame in frames]), np.random.default_rng(0)
    scores = {"STRIQ": ratings, "in-fan intensity std": generator.random(len(frames))}
    scores |= {name: ratings + generator.normal(0, 0.3, len(frames)) for name in ("MSSIM", "PaDiM")}
    file = run.folder / "evaluation" / run.made_of / RATED_SCORES_NAME
    write_rated_scores(file, frames, ScoredFrames(scores, ratings > 0.5))
    return run


def with_rows(run: ReproductionRun, monkeypatch: pytest.MonkeyPatch) -> ReproductionRun:
    """Answer every row of the ablation at once, the reference best."""

    def answer(self: ReproductionRun, seed: int) -> object:
        class Runner:
            def run(self, name: str, overrides: object) -> dict[str, float]:
                assert overrides == ablation_rows()[name]
                return dict.fromkeys(PLANES, 0.8 if name == REFERENCE else 0.7 - 0.1 * seed)

        return Runner()

    monkeypatch.setattr(ReproductionRun, "_runner", answer)
    return run


def made(run: ReproductionRun, *names: str) -> dict[str, dict[str, object]]:
    reproduce(run, choose_parts(names))
    return {name: json.loads((run.folder / f"{name}.json").read_text()) for name in names}


def test_printed_figures_agree_with_the_means_that_the_paper_prints() -> None:
    table = published()["table1"]
    means = np.array([table["planes"][plane] for plane in ("Abdomen", "4CH", "Kidney", "Face")]).mean(axis=0)
    np.testing.assert_allclose(means, [0.433, 0.373, 0.538, 0.537, 0.708, 0.779, 0.845], atol=0.0011)
    for name, row in published()["table2"].items():
        if name != "full":  # whose average is over four planes
            assert np.mean(row[:3]) == pytest.approx(row[3], abs=0.0011), name
    assert published_srcc("fetal_abdomen", "STRIQ") == published_srcc("synthetic_abdomen", "STRIQ") == 0.847
    assert np.isnan(published_srcc("A4C", "Weighted Score"))
    assert (published_plane("four_chamber"), published_plane("liver")) == ("4CH", None)


def test_every_row_that_tables_name_is_a_row_of_the_ablation() -> None:
    rows = ablation_rows()
    assert set(RATIOS.values()) <= rows.keys()
    assert {
        f"hyperparameters/{n}" for names, default in SETTINGS.values() for n in names if n != default
    } <= rows.keys()
    assert {f"anchors/{name}" for name in STRATEGIES} <= rows.keys()
    assert set(MATRICES) == {"affine", *(row.split("/")[1] for row in rows if row.startswith("transforms/"))}
    printed = set(published()["table4"])
    assert printed == {n for names, _ in SETTINGS.values() for n in names} | RATIOS.keys() | set(THRESHOLDS)
    for ratio, row in RATIOS.items():
        weights = rows[row]["quality"]["weights"]
        parts = np.array([weights[name] for name in ("similarity", "ncc", "smoothness")])
        np.testing.assert_allclose(
            parts / parts.max(), np.array([int(n) for n in ratio.split(":")]) / max(map(int, ratio.split(":")))
        )
        assert sum(weights.values()) == pytest.approx(1)


def test_table_of_agreement_has_the_printed_figures_and_corrected_p_values(run: ReproductionRun) -> None:
    found = made(with_scores(run), "table1")["table1"]
    srcc, differences = found["tables"]
    assert [row[0] for row in srcc["rows"]] == ["STRIQ", "MSSIM", "PaDiM", "in-fan intensity std"]
    columns = dict(zip(srcc["columns"], srcc["rows"][1], strict=True))
    assert (columns["abdomen, paper"], columns["kidney, paper"], columns["In the paper"]) == ("0.217", "0.401", "MSSIM")
    assert srcc["rows"][0][2].startswith("1.000 [")
    assert (srcc["columns"][-1], srcc["rows"][0][-1]) == ("mean over planes", "1.000")
    assert [row[:2] for row in differences["rows"]] == [
        [plane, name] for plane in sorted(PLANES) for name in ("MSSIM", "PaDiM", "in-fan intensity std")
    ]
    plain, corrected = (np.array([float(row[n]) for row in differences["rows"]]) for n in (3, 4))
    assert (corrected >= plain).all()
    assert any("boxes" in sentence for sentence in found["missing"])
    assert (run.folder / "critical_difference.png").is_file()


def test_correction_for_many_comparisons_leaves_room_for_small_p_values(run: ReproductionRun) -> None:
    with_scores(run)
    assert run.agreement.bootstrap.num_resamples == 2000
    again = replace(run)
    frames, scored = run.scores
    others = {str(number): scored.scores["MSSIM"] for number in range(40)}
    again.scores = frames, ScoredFrames({"STRIQ": scored.scores["STRIQ"], **others}, scored.accepted)
    assert again.agreement.bootstrap.num_resamples == 100 * len(others) * len(PLANES)


def test_our_names_of_the_papers_methods_come_in_its_order() -> None:
    names = [*sorted(BASELINES), "OKS off", "STRIQ"]
    ordered = in_order(names)
    assert ordered[0] == "STRIQ"
    assert [published_method(name) for name in ordered[1:4]] == ["BRISQUE", "MSSIM", "ARNIQA"]
    assert ordered[-1] == "OKS off"
    assert sorted(ordered) == sorted(names)


def test_tables_of_the_ablation_stand_beside_the_printed_rows(
    run: ReproductionRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = made(with_rows(with_scores(run), monkeypatch), "table2", "table3", "table4", "table5")
    losses = {row[0]: row for row in found["table2"]["tables"][1]["rows"]}
    assert losses["loss of similarity alone"][-4:] == ["0.712", "0.705", "0.719", "0.712"]
    assert losses["loss without similarity"][2:4] == ["-0.150 ± 0.071", "yes"]
    assert losses["loss without known transforms"][-1] == ""
    assert found["table3"]["tables"][0]["rows"][0][0] == "affine"
    weights = {row[0]: row for row in found["table4"]["tables"][4]["rows"]}
    assert list(weights) == ["1:0:0", "1:1:0", "1:1:1", "2:1:1", "1:2:1"]
    assert weights["2:1:1"][-1] == "0.840"
    assert {row[0] for row in found["table5"]["tables"][0]["rows"]} == {"full", *STRATEGIES}
    assert any("choose the same" in sentence for sentence in found["table4"]["missing"])


def test_threshold_sweep_is_the_f1_of_the_stored_scores(run: ReproductionRun, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(with_rows(with_scores(run), monkeypatch), "table4")["table4"]["tables"][-1]
    frames, scored = run.scores
    ratings, quality = np.array([frame.rating for frame in frames]), scored.scores["STRIQ"]
    for name, ours, printed in found["rows"]:
        assert float(ours) == pytest.approx(f1_at_threshold(quality > float(name), ratings), abs=5e-4)
        assert float(printed) == published()["table4"][name]


def test_frames_stand_in_order_of_each_score(run: ReproductionRun) -> None:
    found = made(with_scores(run), "fig3")["fig3"]
    assert found["other"] in ("MSSIM", "PaDiM")
    assert len(found["lines"]) == 2 * len(PLANES)
    frames, scored = run.scores
    for line in found["lines"]:
        assert line["values"] == sorted(line["values"])
        assert [frames[row].rating for row in line["rows"]] == line["ratings"]
        assert line["values"] == scored.scores[line["score"]][line["rows"]].tolist()
        assert {run.rated[row].plane for row in line["rows"]} == {line["plane"]}


def test_changes_grow_with_severity_and_leave_the_fan(records: list[FrameRecord], run: ReproductionRun) -> None:
    image = run.images(records[:1])[0]
    for change in (*DEFORMATIONS.values(), *LOSSES.values()):
        steps = [(change(image, severity, 3) - image).abs().mean() for severity in (0.25, 1.0)]
        assert 0 < steps[0] < steps[1]
        assert torch.equal(change(image, 1.0, 3) > 0, image > 0)
    assert torch.equal(noise(image, 0.5, 1), noise(image, 0.5, 1))
    turned = rigid_motion(image, 0.5, 1), rigid_motion(image, 0.5, 2)
    assert not torch.equal(*turned)


def test_scores_of_changed_frames_start_with_the_frame_itself(
    tiny_scorer: StriqScorer, records: list[FrameRecord], run: ReproductionRun
) -> None:
    chosen = [record for record in records if record.plane in tiny_scorer.planes][:3]
    images = run.images(chosen)
    (found,) = score_changes(tiny_scorer, chosen, images, {"noise": noise}, quiet=True)
    assert found.quality.shape == (3, 5)
    assert found.quality[found.shown, 0] == found.quality[:, 0].max()
    np.testing.assert_array_equal(found.pictures[0], images[found.shown, 0].numpy())


def test_finished_parts_are_kept_until_settings_change(run: ReproductionRun) -> None:
    with_scores(run)
    parts = choose_parts(["table1"])
    assert reproduce(run, parts) == Outcome()
    before = (run.folder / "table1.json").stat().st_mtime_ns
    assert reproduce(run, parts) == Outcome(["table1"])
    assert (run.folder / "table1.json").stat().st_mtime_ns == before
    other = with_scores(replace(run, note="Another note."))
    assert reproduce(other, parts) == Outcome()
    assert json.loads((run.folder / "table1.json").read_text())["note"] == "Another note."


def test_a_part_that_cannot_be_made_does_not_affect_the_others(
    run: ReproductionRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ablate(self: ReproductionRun, names: object) -> object:
        msg = "One plane only."
        raise StriqError(msg)

    monkeypatch.setattr(ReproductionRun, "ablate", ablate)
    outcome = reproduce(with_scores(run), choose_parts(["table1", "fig6"]))
    assert outcome == Outcome([], {"fig6": "One plane only."})
    assert (run.folder / "table1.json").is_file()
    assert not (run.folder / "fig6.json").exists()


def test_files_say_what_they_were_made_of(run: ReproductionRun) -> None:
    found = made(with_scores(run), "table1")["table1"]
    assert (found["data"], found["folds"], found["seeds"], found["note"]) == ("A phantom.", 2, 2, "A note.")
    assert found["code"].startswith("striq ")
    text = (run.folder / "table1.md").read_text()
    assert "Differs from the paper: US4QA is not public" in text
    assert "Data: A phantom. 2 folds, seeds 0 to 1. striq " in text
    with (run.folder / "table1_1.csv").open(newline="") as stream:
        assert [row["Score"] for row in csv.DictReader(stream)] == [row[0] for row in found["tables"][0]["rows"]]
    with Image.open(run.folder / "table1.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10


def test_page_joins_the_finished_parts_and_names_the_others(run: ReproductionRun) -> None:
    made(with_scores(run), "table1", "fig3")
    page = write_reproduction_page(run.folder).read_text()
    assert page.count('src="data:image/png;base64,') == 3
    assert '<a href="#table1">' in page
    assert "table5: not made yet" in page
    assert "Differs from the paper" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "Pass it on only where you may pass on the frames" in page


def test_all_parts_are_known_and_others_refused() -> None:
    assert list(PARTS) == [f"table{n}" for n in range(1, 6)] + [f"fig{n}" for n in range(3, 7)]
    assert choose_parts(["all"]) == list(PARTS.values())
    assert [part.name for part in choose_parts(["fig4", "table2"])] == ["table2", "fig4"]
    with pytest.raises(StriqError, match="No part 'table6'; choose among: all, table1"):
        choose_parts(["table6"])


def test_scores_of_other_frames_are_refused(run: ReproductionRun, records: list[FrameRecord]) -> None:
    with_scores(run)
    run.scores  # noqa: B018 (reads the stored scores)
    run.records = records[::-1][:12]
    with pytest.raises(StriqError, match="its scores are of other frames"):
        run.rated  # noqa: B018


@pytest.mark.slow
def test_everything_runs_with_trainings(run: ReproductionRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(run_module, "cross_validate", _few_baselines(run_module.cross_validate))
    more = load_dataset(write_phantom(tmp_path / "more", 8, 2, planes=PLANES[:2], size=(96, 96)))
    small = replace(run, records_of_seed=lambda _: more, num_seeds=1)
    assert reproduce(small, choose_parts(["all"])) == Outcome()
    assert "not made yet" not in write_reproduction_page(small.folder).read_text()
    assert reproduce(small, choose_parts(["all"])) == Outcome(list(PARTS))


def _few_baselines(cross_validate: object) -> object:
    def few(*arguments: object, **settings: object) -> object:
        return cross_validate(*arguments, **{**settings, "baselines": ("MSSIM", "PaDiM")})  # pyright: ignore

    return few
