"""Tests of the command line."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.linalg import subspace_angles

import striq
from striq import cli
from striq.anchors.thumbnails import write_thumbnails
from striq.commands import options, plane_recognition
from striq.data.phantom import make_phantom_cine, write_phantom
from striq.data.readers import open_cine
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames
from striq.evaluation.agreement.rated_scores import write_rated_scores
from striq.evaluation.studies import plane_recognition_folds
from striq.scoring.folded_encoder import PRECISIONS
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameRecord, FrameScore

FORMER_STUDIES = ("ablate", "robustness", "forgetting", "planes", "bench", "compare")
STUDIES = ("benchmark", *FORMER_STUDIES)
COLUMNS = (
    "source,frame,time_s,plane,plane_probability,scored_plane,quality,uncertainty,accepted,threshold,"
    "similarity,similarity_normalized,similarity_weight,ncc,ncc_normalized,ncc_weight,"
    "right_plane,right_plane_normalized,right_plane_weight,clarity,clarity_normalized,clarity_weight,"
    "smoothness,smoothness_normalized,smoothness_weight,contrast,contrast_normalized,contrast_weight,error"
)
FIGURES = ("plane_probability", "quality", "similarity", "ncc", "smoothness", "contrast")


def run(*arguments: str | int | Path) -> int:
    """Run the command line in this process and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def read(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def figures_of(row: dict[str, str]) -> list[float]:
    return [float(row[name]) for name in FIGURES]


def figures_of_api(score: FrameScore) -> list[float]:
    return [score.plane_probabilities[score.plane], score.quality, *(score.terms[name] for name in FIGURES[2:])]


def only_line(text: str) -> str:
    """Return the text, which must be one line."""
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


def write_still(path: Path, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = make_phantom_cine("a4c", 1, seed=seed, size=(96, 96))[0].pixels
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path)
    return path


def write_cine(path: Path, black: Sequence[int] = (), num_frames: int = 6) -> Path:
    """Write a multi-page TIFF whose frames at ``black`` cannot be judged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = [frame.pixels for frame in make_phantom_cine("a4c", num_frames, seed=2, size=(96, 96))]
    pages = [
        Image.fromarray(np.round(0 * page if index in black else 255 * page).astype(np.uint8))
        for index, page in enumerate(pixels)
    ]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def write_broken(path: Path) -> Path:
    path.write_bytes(b"\x89PNG\r\n\x1a\n but nothing after the signature")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good files around a broken one, and a cine with two black frames, below a name that is not plain."""
    place = tmp_path / "Fötus 1, links"
    write_still(place / "a.png")
    write_broken(place / "b.png")
    write_cine(place / "c.tif", black=(1, 5))
    write_still(place / "d.png", seed=3)
    return place


def test_columns_are_those_of_the_contract(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model)
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()[0] == COLUMNS


def test_all_good_files_exit_with_zero_and_nothing_on_stderr(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = write_still(tmp_path / "a.png")
    assert run("score", still, "--out", tmp_path / "scores.csv", "--model", tiny_model) == 0
    assert capsys.readouterr().err == ""


def test_every_frame_and_every_bad_file_has_its_row_in_order(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.png"
    assert run("score", folder, missing, "--out", tmp_path / "scores.csv", "--model", tiny_model) == 1
    rows = [(row["source"], row["frame"], bool(row["error"])) for row in read(tmp_path / "scores.csv")]
    cine = [(str(folder / "c.tif"), str(index), index in (1, 5)) for index in range(6)]
    assert rows == [
        (str(folder / "a.png"), "0", False),
        (str(folder / "b.png"), "", True),
        *cine,
        (str(folder / "d.png"), "0", False),
        (str(missing), "", True),
    ]


def test_rows_with_an_error_hold_nothing_else(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model)
    failed = [row for row in read(tmp_path / "scores.csv") if row["error"]]
    others = set(COLUMNS.split(",")) - {"source", "frame", "error"}
    assert len(failed) == 3
    assert all(row[column] == "" for row in failed for column in others)


def test_each_bad_file_gets_one_line_that_names_it(
    folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model)
    lines = capsys.readouterr().err.splitlines()
    assert [name for line in lines for name in ("b.png", "c.tif") if name in line.split(":")[1]] == ["b.png", "c.tif"]
    assert "2 of 6 frames" in lines[1]


def test_scores_equal_those_of_the_api(
    folder: Path, tiny_model: Path, tiny_scorer: StriqScorer, tmp_path: Path
) -> None:
    run("score", folder / "c.tif", "--out", tmp_path / "scores.csv", "--model", tiny_model)
    rows = [row for row in read(tmp_path / "scores.csv") if not row["error"]]
    cine = open_cine(folder / "c.tif")
    for row, score in zip(rows, tiny_scorer.score([cine[index] for index in (0, 2, 3, 4)]), strict=True):
        assert figures_of(row) == pytest.approx(figures_of_api(score), abs=1e-6)
        assert (row["frame"], row["plane"]) == (str(score.index), score.plane)
        assert row["accepted"] == str(score.accepted).lower()


def test_scores_do_not_depend_on_the_batch(
    folder: Path, tiny_model: Path, tiny_scorer: StriqScorer, tmp_path: Path
) -> None:
    run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model)
    for row in (row for row in read(tmp_path / "scores.csv") if not row["error"]):
        alone = tiny_scorer.score([open_cine(row["source"])[int(row["frame"])]])[0]
        # Rounding of float32 depends on the batch: 1.5e-6 measured.
        assert figures_of(row) == pytest.approx(figures_of_api(alone), abs=1e-5)


def test_the_same_command_writes_the_same_bytes(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    tables = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for table in tables:
        run("score", folder, "--out", table, "--model", tiny_model)
    assert tables[0].read_bytes() == tables[1].read_bytes()


def test_order_of_files_is_that_of_the_arguments_and_changes_no_score(
    folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    names = [folder / "a.png", folder / "d.png"]
    tables = [tmp_path / "forth.csv", tmp_path / "back.csv"]
    run("score", *names, "--out", tables[0], "--model", tiny_model)
    run("score", *reversed(names), "--out", tables[1], "--model", tiny_model)
    forth, back = (read(table) for table in tables)
    assert back == forth[::-1]


def test_a_still_has_no_time(tmp_path: Path, tiny_model: Path) -> None:
    run("score", write_still(tmp_path / "a.png"), "--out", tmp_path / "scores.csv", "--model", tiny_model)
    assert read(tmp_path / "scores.csv")[0]["time_s"] == ""


@pytest.mark.parametrize(("threshold", "accepted"), [("0", {"true"}), ("1", {"false"})])
def test_threshold_decides_acceptance(tmp_path: Path, tiny_model: Path, threshold: str, accepted: set[str]) -> None:
    cine, out = write_cine(tmp_path / "c.tif", num_frames=8), tmp_path / "scores.csv"
    run("score", cine, "--plane", "a4c", "--threshold", threshold, "--out", out, "--model", tiny_model)
    # A quality of exactly 0 is not above the threshold 0.
    assert {row["accepted"] for row in read(out) if float(row["quality"]) > 0} == accepted


def test_threshold_outside_zero_to_one_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    still = write_still(tmp_path / "a.png")
    assert run("score", still, "--threshold", "1.5", "--out", tmp_path / "s.csv", "--model", tiny_model) == 2


def test_unknown_plane_is_refused_before_any_work(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still, out = write_still(tmp_path / "a.png"), tmp_path / "scores.csv"
    assert run("score", still, "--plane", "elbow", "--out", out, "--model", tiny_model) == 2
    assert only_line(capsys.readouterr().err).startswith("error: This model does not know the plane 'elbow'")
    assert not out.exists()


def test_missing_model_is_one_line_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = write_still(tmp_path / "a.png")
    assert run("score", still, "--out", tmp_path / "scores.csv", "--model", tmp_path / "model.pt") == 2
    assert "striq train" in only_line(capsys.readouterr().err)


def test_model_without_anchors_is_refused_not_blamed_on_the_frames(
    tmp_path: Path, tiny_scorer: StriqScorer, capsys: pytest.CaptureFixture[str]
) -> None:
    model = StriqScorer(["a4c"], tiny_scorer.config).save(tmp_path / "model.pt")
    still = write_still(tmp_path / "a.png")
    assert run("score", still, "--out", tmp_path / "scores.csv", "--model", model) == 2
    assert "no anchors for a4c" in only_line(capsys.readouterr().err)


def test_unknown_device_is_one_line(tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = write_still(tmp_path / "a.png")
    assert run("score", still, "--out", tmp_path / "s.csv", "--model", tiny_model, "--device", "abacus") == 2
    assert "--device 'abacus'" in only_line(capsys.readouterr().err)


def test_folder_as_table_is_refused_before_any_work(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = write_still(tmp_path / "a.png")
    assert run("score", still, "--out", tmp_path, "--model", tiny_model) == 2
    assert "is a folder" in only_line(capsys.readouterr().err)


def test_empty_folder_is_a_row_with_its_error(tmp_path: Path, tiny_model: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run("score", empty, "--out", tmp_path / "scores.csv", "--model", tiny_model) == 1
    (row,) = read(tmp_path / "scores.csv")
    assert (row["source"], "contains no readable file" in row["error"]) == (str(empty), True)


def test_interruption_keeps_the_rows_done_so_far(
    folder: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterate = StriqScorer.iterate

    def interrupted(self: StriqScorer, frames: Iterable[Frame], *given: Any, **named: Any) -> Iterator[FrameScore]:
        for score in iterate(self, frames, *given, **named):
            if score.source.endswith("c.tif") and score.index == 2:
                raise KeyboardInterrupt
            yield score

    monkeypatch.setattr(StriqScorer, "iterate", interrupted)
    assert run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model) == 130
    assert not (tmp_path / "scores.csv").exists()
    done = [(Path(row["source"]).name, row["frame"]) for row in read(tmp_path / "scores.csv.partial")]
    assert done == [("a.png", "0"), ("b.png", ""), ("c.tif", "0")]


def test_picture_is_drawn_per_file_with_a_score(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    plots = tmp_path / "plots"
    write_cine(folder / "again" / "c.tif")
    run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model, "--plots", plots)
    assert sorted(path.name for path in plots.iterdir()) == ["a.png.png", "c.tif.png", "c.tif_2.png", "d.png.png"]


def test_pictures_drawn_before_are_not_scored(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    tables = []
    for name in ("first.csv", "second.csv"):
        run("score", folder, "--out", tmp_path / name, "--model", tiny_model, "--plots", folder / "plots")
        tables.append([row["source"] for row in read(tmp_path / name)])
    assert list((folder / "plots").iterdir())
    assert tables[0] == tables[1]


def test_frames_in_the_folder_of_pictures_are_scored_if_named(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model, "--plots", folder)
    assert {Path(row["source"]).name for row in read(tmp_path / "scores.csv")} >= {"a.png", "c.tif"}


def test_info_as_json_tells_planes_anchors_and_encoder(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "--json", "--model", tiny_model) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {plane: known["anchors"] for plane, known in facts["planes"].items()} == {"a4c": 3, "abdomen": 3}
    assert facts["anchor_strategy"] == "variance_spectrum"
    assert "seeded initialization" in facts["info"]["encoder"]
    assert facts["settings"]["encoder"]["size"] == [64, 64]


def test_info_tells_how_the_subspaces_lie_to_one_another(
    tiny_model: Path, tiny_scorer: StriqScorer, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = tiny_scorer.model.subspace.basis.detach().double().numpy()
    angles = np.sort(np.degrees(subspace_angles(one.T, other.T)))
    assert run("info", "--json", "--model", tiny_model) == 0
    found = json.loads(capsys.readouterr().out)["subspaces"]
    between = found["between"]["a4c and abdomen"]
    np.testing.assert_allclose(between["principal_angles_deg"], angles, atol=0.1)
    assert between["cross_gram_norm"] == pytest.approx(float(np.linalg.norm(one @ other.T)), abs=1e-3)
    assert set(found["effective_rank"]) == {"a4c", "abdomen"}
    assert run("info", "--model", tiny_model) == 0
    expected = f"smallest principal angle {between['principal_angles_deg'][0]} degrees, cross-Gram norm"
    text = capsys.readouterr().out
    assert expected in text
    assert f"a4c: effective rank {found['effective_rank']['a4c']}" in text


def test_info_as_text_names_every_plane(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "--model", tiny_model) == 0
    text = capsys.readouterr().out
    assert "a4c: 3 anchors" in text
    assert "abdomen: 3 anchors" in text
    assert "{" not in text


def test_info_as_text_tells_what_a_trained_and_changed_model_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info") == 0
    text = capsys.readouterr().out
    assert "A4C: 13 anchors and 3 negative anchors; 370 frames of 250 groups, rank correlation" in text
    assert "Anchors changed: A4C: new negative anchors " in text
    assert "{" not in text


def test_anchors_lists_provenance(tiny_model: Path, tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    assert run("anchors", "--model", tiny_model, "--out", tmp_path / "anchors.csv") == 0
    rows = [tuple(row.values()) for row in read(tmp_path / "anchors.csv")]
    banks = zip(tiny_scorer.planes, tiny_scorer.bank.sources, strict=True)
    assert rows == [
        (plane, str(number), a.path, a.group, str(a.frame_index), "false", "anchor")
        for plane, bank in banks
        for number, a in enumerate(bank)
    ]


def test_phantom_writes_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("phantom", tmp_path / "p", "--subjects", 1, "--frames", 1) == 0
    assert len(read(tmp_path / "p" / "phantom.csv")) == 6
    assert run("phantom", tmp_path / "q", "--subjects", 1, "--frames", 1, "--planes", "synthetic_face") == 0
    assert [row["plane"] for row in read(tmp_path / "q" / "phantom.csv")] == ["synthetic_face"]
    capsys.readouterr()
    assert run("phantom", tmp_path / "r", "--planes", "spine") == 2
    assert "no plane 'spine'; choose among: abdomen" in only_line(capsys.readouterr().err)


def test_list_joins_data_sets_without_their_ratings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn, folder, out = tmp_path / "drawn", tmp_path / "heads", tmp_path / "lists" / "frames.csv"
    assert run("phantom", drawn, "--subjects", 1, "--frames", 2, "--planes", "synthetic_face") == 0
    folder.mkdir()
    for name in ("001_HC.png", "001_2HC.png", "002_HC.png"):
        shutil.copy(next(drawn.rglob("*.png")), folder / name)
    assert run("list", drawn, "--out", out) == 0
    heads = ("--planes", "fetal_head", "--group-pattern", r"^(\d{3})_", "--out", out, "--append")
    assert run("list", folder, *heads) == 0
    rows = read(out)
    assert [row["plane"] for row in rows] == ["synthetic_face"] * 2 + ["fetal_head"] * 3
    assert [row["group"] for row in rows[2:]] == ["001", "001", "002"]
    assert "rating" not in rows[0]
    assert all((out.parent / row["path"]).is_file() and not Path(row["path"]).is_absolute() for row in rows)
    capsys.readouterr()
    assert run("list", folder, *heads) == 2
    assert "001_2HC.png already" in only_line(capsys.readouterr().err)
    assert len(read(out)) == 5
    shutil.copytree(folder, tmp_path / "later")
    assert run("list", tmp_path / "later", *heads) == 0
    assert "2 groups, such as '001', are in both" in only_line(capsys.readouterr().err)
    assert len(read(out)) == 8


def test_list_holds_whole_groups_out_and_keeps_ratings_where_a_table_gives_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "heads"
    for number in range(8):
        write_still(folder / f"{number // 2}_{number}.png")
    rows = [f"{number // 2}_{number}.png,{number}" for number in range(7)]
    (tmp_path / "ratings.csv").write_text("\n".join(["filename,score", *rows]), encoding="utf-8")
    fit, test = tmp_path / "fit.csv", tmp_path / "test.csv"
    heads = ["--planes", "head", "--group-pattern", r"^(\d)_", "--out", fit, "--held-out", test, "--hold-out", 0.25]
    assert run("list", folder, *heads, "--rating-table", tmp_path / "ratings.csv") == 0
    parts = [read(fit), read(test)]
    assert [len(part) for part in parts] == [6, 2]
    assert not {row["group"] for row in parts[0]} & {row["group"] for row in parts[1]}
    ratings = {Path(row["path"]).name: row["rating"] for part in parts for row in part}
    assert ratings["1_3.png"] == "3.0"
    assert ratings["3_7.png"] == ""
    assert run("list", folder, *heads) == 0
    assert "rating" not in read(fit)[0]
    for group in {row["group"] for row in parts[0]}:
        write_still(tmp_path / "more" / f"{group}_9.png")
    capsys.readouterr()
    assert run("list", tmp_path / "more", *heads, "--append") == 2  # one of these groups would be on both sides
    assert "frames on both sides of a split" in capsys.readouterr().err
    assert len(read(test)) == 2


class Shown:
    """Stands in for a report on a table, whose Markdown is the table itself."""

    def __init__(self, table: object) -> None:
        self.table = table

    def to_markdown(self) -> str:
        return str(self.table)


class Recorder:
    """Stands in for a function and keeps what it was called with."""

    def __init__(self, result: object = None) -> None:
        self.result = result
        self.given: tuple[Any, ...] = ()
        self.named: dict[str, Any] = {}

    def __call__(self, *given: Any, **named: Any) -> object:
        self.given, self.named = given, named
        return self.result


@pytest.fixture
def frame_list(tmp_path: Path) -> Path:
    """A CSV list of two planes."""
    rows = [f"{write_still(tmp_path / f'{plane}{i}.png').name},{plane},g{i},{i}" for plane in "xy" for i in range(2)]
    table = tmp_path / "frames.csv"
    table.write_text("\n".join(["path,plane,group,rating", *rows]) + "\n", encoding="utf-8")
    return table


def test_train_passes_every_setting_on(frame_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Recorder()
    monkeypatch.setattr("striq.training.run.train_scorer", trained)
    settings = ["--epochs", "3", "--seed", "7", "--num-anchors", "5", "--anchors-strategy", "random", "--mode", "shear"]
    assert run("train", frame_list, "--out", tmp_path / "m", "--planes", "y", "--resume", *settings) == 0
    records, options = trained.given
    assert ({record.plane for record in records}, options.output_dir) == ({"y"}, tmp_path / "m")
    config, training = trained.named["config"], trained.named["training"]
    assert (config.quality.num_anchors, config.quality.anchor_strategy, config.aligner.mode) == (5, "random", "shear")
    assert (training.max_epochs, training.seed, options.resume) == (3, 7, True)


def test_train_without_a_data_set_makes_the_phantom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Recorder()
    monkeypatch.setattr("striq.training.run.train_scorer", trained)
    monkeypatch.setattr("striq.commands.given_frames.PHANTOM_SUBJECTS", 2)
    monkeypatch.setattr("striq.commands.given_frames.PHANTOM_FRAMES", 1)
    assert run("train", "--out", tmp_path, "--planes", "a4c") == 0
    records: list[FrameRecord] = trained.given[0]
    assert {record.plane for record in records} == {"a4c"}
    assert all(record.path.is_relative_to(tmp_path / "phantom_seed0-a4c") for record in records)


def test_sequential_protocol_learns_in_the_order_of_the_planes(
    frame_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Recorder()
    monkeypatch.setattr("striq.training.sequential.train_sequential", trained)
    order = ["--planes", "y", "--planes", "x"]
    assert run("train", frame_list, "--out", tmp_path / "m", *order, "--protocol", "sequential", "--resume") == 0
    assert (trained.named["order"], trained.given[1].resume) == (["y", "x"], True)


def test_add_plane_learns_the_frames_of_a_flat_folder_as_the_plane_named(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_phantom(tmp_path / "drawn", 4, 2, planes=("kidney",), size=(96, 96))
    settings = ["--epochs", "1", "--group-pattern", r"^(frame_\d)", "--device", "cpu"]
    drawn = tmp_path / "mine"
    drawn.mkdir()
    for number, picture in enumerate(sorted(table.parent.rglob("*.png"))):
        picture.rename(drawn / f"frame_{number}.png")
    assert run("add-plane", "mine", drawn, "--model", tiny_model, "--out", tmp_path / "m", *settings) == 0
    assert "The model now knows a4c, abdomen, mine" in capsys.readouterr().out
    assert striq.load_scorer(tmp_path / "m", device="cpu").planes == ["a4c", "abdomen", "mine"]
    assert list((tmp_path / "m" / "anchors").glob("mine_*.png"))


def test_add_plane_compares_the_models_on_frames_held_out(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_phantom(tmp_path / "drawn", 6, 2, planes=("a4c", "kidney"), size=(96, 96))
    fit, test = tmp_path / "fit.csv", tmp_path / "test.csv"
    assert run("list", table, "--out", fit, "--held-out", test, "--hold-out", 0.34) == 0
    settings = ["--model", tiny_model, "--epochs", 1, "--device", "cpu", "--note", "Mind this."]
    assert run("add-plane", "kidney", fit, *settings, "--check", test, "--out", tmp_path / "m") == 0
    assert "Mind this." in capsys.readouterr().out
    old, new = json.loads((tmp_path / "m" / "plane_addition.json").read_text(encoding="utf-8"))["planes"]
    assert (old["plane"], old["frames"], new["plane"], new["frames"]) == ("a4c", 4, "kidney", 4)
    assert old["largest_change"] < 0.02
    assert new["predicted_after"]["kidney"] > new["predicted_before"].get("kidney", 0)
    assert run("add-plane", "kidney", fit, *settings, "--check", fit, "--out", tmp_path / "n") == 2
    assert "frames on both sides" in capsys.readouterr().err


@pytest.mark.parametrize("wanted", [True, False])
def test_add_plane_takes_the_pictures_of_earlier_anchors_along(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    model = tmp_path / "before" / "model.pt"
    write_thumbnails(model.parent, {"a4c": torch.rand(3, 1, 64, 64)})
    write_thumbnails(model.parent, {"another": torch.rand(1, 1, 64, 64)})  # of a model that lies beside it
    shutil.copy(tiny_model, model)
    learned = Recorder(SimpleNamespace(planes=["a4c", "mine"]))
    monkeypatch.setattr("striq.training.sequential.add_plane", learned)
    picture = tmp_path / "frames" / "one.png"
    picture.parent.mkdir()
    Image.fromarray(np.full((64, 64), 90, dtype=np.uint8)).save(picture)
    option = [] if wanted else ["--no-anchor-images"]
    assert run("add-plane", "mine", picture.parent, "--model", model, "--out", tmp_path / "after", *option) == 0
    assert learned.given[2].anchor_images is wanted
    assert len(list((tmp_path / "after").glob("anchors/a4c_*.png"))) == (3 if wanted else 0)
    assert not list((tmp_path / "after").glob("anchors/another_*.png"))


@pytest.mark.parametrize("option", ["--mode", "--layout", "--anchors-strategy", "--protocol"])
def test_unknown_choice_is_wrong_use(frame_list: Path, tmp_path: Path, option: str) -> None:
    assert run("train", frame_list, "--out", tmp_path / "m", option, "nonsense") == 2


def test_data_set_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", tmp_path / "nowhere", "--out", tmp_path / "m") == 2
    assert only_line(capsys.readouterr().err).startswith("error: ")


def test_evaluate_prints_the_table(
    frame_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    validated = Recorder("the table")
    monkeypatch.setattr("striq.evaluation.agreement.protocol.cross_validate", validated)
    monkeypatch.setattr("striq.evaluation.agreement.report.agreement_report", Shown)
    assert run("evaluate", frame_list, "--out", tmp_path / "e", "--folds", 2, "--note", "Mind this.") == 0
    assert capsys.readouterr().out == "the table\n"
    assert (validated.named["num_folds"], validated.named["note"]) == (2, "Mind this.")


def test_evaluate_of_a_model_does_not_train(
    frame_list: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = Recorder("the table")
    monkeypatch.setattr("striq.evaluation.agreement.protocol.evaluate_scorer", evaluated)
    monkeypatch.setattr("striq.evaluation.agreement.report.agreement_report", Shown)
    assert run("evaluate", frame_list, "--out", tmp_path / "e", "--model", tiny_model) == 0
    assert (evaluated.given[0].planes, len(evaluated.given[1])) == (["a4c", "abdomen"], 4)


def test_evaluate_of_a_model_without_data_draws_the_planes_it_knows(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = Recorder("the table")
    monkeypatch.setattr("striq.commands.given_frames.PHANTOM_SUBJECTS", 1)
    monkeypatch.setattr("striq.evaluation.agreement.protocol.evaluate_scorer", evaluated)
    monkeypatch.setattr("striq.evaluation.agreement.report.agreement_report", Shown)
    assert run("evaluate", "--out", tmp_path / "e", "--model", tiny_model) == 0
    assert {record.plane for record in evaluated.given[1]} == {"a4c", "abdomen"}


def test_evaluate_tests_robustness_on_demand(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_phantom(tmp_path / "drawn", 1, 1, planes=("a4c",), size=(96, 96))
    monkeypatch.setattr("striq.evaluation.agreement.protocol.evaluate_scorer", Recorder("the table"))
    monkeypatch.setattr("striq.evaluation.agreement.report.agreement_report", Shown)
    given = ["evaluate", table, "--model", tiny_model, "--device", "cpu"]
    assert run(*given, "--out", tmp_path / "without") == 0
    assert not (tmp_path / "without").exists()
    assert run(*given, "--out", tmp_path / "with", "--robustness", "--note", "Mind this.") == 0
    assert (tmp_path / "with" / "robustness.png").is_file()
    assert "Mind this." in (tmp_path / "with" / "robustness.md").read_text(encoding="utf-8")


def test_cross_validation_tests_the_robustness_of_every_fold(
    frame_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated, written = Recorder("the table"), Recorder()
    monkeypatch.setattr("striq.evaluation.agreement.protocol.cross_validate", validated)
    monkeypatch.setattr("striq.evaluation.agreement.report.agreement_report", Shown)
    monkeypatch.setattr("striq.evaluation.studies.robustness.concatenate_changed", list)
    monkeypatch.setattr(
        "striq.evaluation.studies.robustness_report.robustness_report", Recorder(SimpleNamespace(write=written))
    )
    assert run("evaluate", frame_list, "--out", tmp_path / "e", "--folds", 2) == 0
    assert validated.named["observe_fold"] is None
    assert run("evaluate", frame_list, "--out", tmp_path / "e", "--folds", 2, "--robustness") == 0
    assert validated.named["observe_fold"] is not None
    assert written.given == (tmp_path / "e",)


def test_robustness_needs_no_ratings(
    frame_list: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unrated = tmp_path / "unrated.csv"
    unrated.write_text("path,plane,group\nx0.png,a4c,1\ny0.png,a4c,2\n", encoding="utf-8")
    assert (
        run("study", "robustness", unrated, "--out", tmp_path / "r", "--model", tiny_model, "--note", "Mind this.") == 0
    )
    printed = capsys.readouterr().out
    assert "| a4c | foreshortening |" in printed
    assert "Mind this." in printed
    assert (tmp_path / "r" / "robustness.png").is_file()
    assert run("study", "robustness", frame_list, "--out", tmp_path / "r", "--model", tiny_model) == 2
    assert (
        "error: The model does not know the plane 'x' of the data set; it knows: a4c, abdomen."
        in capsys.readouterr().err
    )


def test_evaluate_notes_that_grades_of_another_view_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for patient in ("patient0001", "patient0002"):
        (tmp_path / patient).mkdir()
        (tmp_path / patient / f"{patient}_4CH_ED.nii.gz").write_bytes(b"not read")
    table = tmp_path / "grades.csv"
    table.write_text("patient,image_quality_2ch\npatient0001,Good\npatient0002,Poor\n", encoding="utf-8")
    validated = Recorder("the table")
    monkeypatch.setattr("striq.evaluation.agreement.protocol.cross_validate", validated)
    monkeypatch.setattr("striq.evaluation.agreement.report.agreement_report", Shown)
    assert run("evaluate", tmp_path, "--out", tmp_path / "e", "--rating-table", table, "--folds", 2) == 0
    assert "grades of 4CH come from the two-chamber file (grades.csv" in validated.named["note"]
    assert str(tmp_path) not in validated.named["note"]


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"striq {striq.__version__}\n"


@pytest.mark.parametrize(
    "command",
    [
        "score",
        "explain",
        "threshold",
        "audit",
        "info",
        "anchors",
        "list",
        "train",
        "add-plane",
        "evaluate",
        "curves",
        "export",
        "pretrain",
        "phantom",
        "study",
        *(f"study {name}" for name in STUDIES),
    ],
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command.split(), "--help") == 0
    assert f"striq {command}" in capsys.readouterr().out


FORMER = {**{name: name for name in FORMER_STUDIES}, "routing": "planes"}
del FORMER["planes"]


@pytest.mark.parametrize("old", FORMER)
@pytest.mark.parametrize("given", [(), ("--help",), ("x.csv", "--out", "r", "--unheard-of", "3")])
def test_former_commands_say_where_they_went(
    old: str, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(old, *given) == 2
    shown = capsys.readouterr()
    assert f"'striq {old}' is now 'striq study {FORMER[old]}'." in only_line(shown.err)
    assert shown.out == ""


def test_help_lists_everyday_commands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    listed = {line.strip("│ ").split(" ")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("│ ")}
    assert {"score", "train", "evaluate", "study"} <= listed
    assert not listed & set(FORMER)


def test_comparison_reads_the_table_of_an_evaluation_and_no_other(
    folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [RatedFrame(f"p{i}.png", "a4c", f"p{i}", float(i)) for i in range(6)]
    values = ScoredFrames({"STRIQ": np.arange(6) / 6}, np.arange(6) > 3)
    rated = write_rated_scores(tmp_path / "rated_scores.csv", frames, values)
    assert run("study", "compare", rated, "--out", tmp_path / "again", "--only", "p[1-5]") == 0
    assert "| STRIQ | 1.000" in capsys.readouterr().out
    assert json.loads((tmp_path / "again" / "evaluation.json").read_text())["rows"][0]["agreement"]["num_frames"] == 5
    run("score", folder / "a.png", "--out", tmp_path / "scores.csv", "--model", tiny_model)
    capsys.readouterr()
    assert run("study", "compare", tmp_path / "scores.csv", "--out", tmp_path / "again") == 2
    assert "is a table of 'striq score'" in only_line(capsys.readouterr().err)


def test_words_that_planes_hides_are_those_that_it_can_hide() -> None:
    assert plane_recognition.HIDDEN == plane_recognition_folds.HIDDEN


def test_package_and_help_load_without_heavy_libraries() -> None:
    heavy = {"torch", "monai", "matplotlib", "scipy", "pydicom", "pyarrow", "ray"}
    program = f"""
import contextlib, io, sys
import striq, striq.cli, striq.demo
for given in (["--help"], ["study", "--help"], ["study", "ablate", "--help"], ["evaluate", "--help"], ["ablate"]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        striq.cli.main(given)
print({heavy} & set(sys.modules))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_package_offers_the_scorer(tiny_model: Path) -> None:
    assert striq.StriqScorer is StriqScorer
    assert striq.load_scorer(tiny_model, device="cpu").planes == ["a4c", "abdomen"]


def test_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = striq.nonsense


def test_precision_of_the_encoder_is_chosen(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    tables = {}
    assert set(options.PRECISIONS) == {"auto", *PRECISIONS}
    for precision in set(PRECISIONS) - {"float16"}:
        out = tmp_path / f"{precision}.csv"
        run("score", folder, "--model", tiny_model, "--out", out, "--device", "cpu", "--precision", precision)
        tables[precision] = out.read_text(encoding="utf-8")
    assert len(set(tables.values())) == len(tables)
    for refused in ("int8", "float16"):  # the one is unknown, the other the CPU does not compute in
        assert run("score", folder, "--out", tmp_path / "x.csv", "--device", "cpu", "--precision", refused) == 2


def test_rows_of_the_ablation_are_listed_without_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("study", "ablate", "components", "--list") == 0
    assert "full: nothing changed" in capsys.readouterr().out
    assert run("study", "ablate", "components") == 2
    assert "--out" in capsys.readouterr().err
