"""Tests of ``striq threshold``."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striq import cli
from striq.data.phantom import make_phantom
from striq.evaluation.agreement.threshold_report import STEPS
from striq.scoring.checkpoint import read_checkpoint
from striq.scoring.loading import load_scorer
from striq.verdict import is_accepted

Rows = list[dict[str, str]]


def run(*arguments: str | int | float | Path) -> int:
    """Run the command line in this process and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def read(table: Path) -> Rows:
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(table: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


@pytest.fixture(scope="module")
def scores(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of scores of 16 frames, one file that cannot be read, and two frames of no known plane."""
    folder = tmp_path_factory.mktemp("scored")
    for number, frame in enumerate(make_phantom(4, 2, planes=("a4c", "abdomen"), size=(96, 96), seed=5)):
        Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)).save(folder / f"{frame.plane}_{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but nothing after the signature")
    table = folder / "scores.csv"
    assert run("score", folder, "--out", table, "--model", tiny_model, "--device", "cpu") == 1
    rows = read(table)
    for row in [row for row in rows if row["quality"]][:2]:
        row["plane"] = "none"
    return write(table, rows)


@pytest.fixture
def ratings(scores: Path, tmp_path: Path) -> Path:
    """Ratings of all frames but two, and of one file that was not scored."""
    rows = [row for row in read(scores) if row["quality"]][2:]
    median = sorted(float(row["quality"]) for row in rows)[len(rows) // 2]
    rated = [{"path": Path(row["source"]).name, "rating": 1 + 2 * (float(row["quality"]) >= median)} for row in rows]
    return write(tmp_path / "ratings.csv", [*rated, {"path": "another.png", "rating": 1}])


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny_model, tmp_path / "model.pt"))


def facts_of(folder: Path) -> dict[str, dict[str, object]]:
    report = json.loads((folder / "threshold.json").read_text(encoding="utf-8"))
    return {found["plane"]: found for found in report["planes"]}


def test_table_counts_what_each_threshold_accepts_by_plane(scores: Path, tmp_path: Path) -> None:
    assert run("threshold", scores, "--out", tmp_path / "t") == 0
    rows = [row for row in read(scores) if row["quality"]]
    found = facts_of(tmp_path / "t")
    assert set(found) == {*(row["scored_plane"] for row in rows), "all planes"}
    for plane, facts in found.items():
        members = [row for row in rows if plane in (row["scored_plane"], "all planes")]
        for step, at in zip(STEPS, facts["steps"], strict=True):  # type: ignore[arg-type]
            expected = sum(is_accepted(float(row["quality"]), row["plane"], step) for row in members)
            assert (at["threshold"], at["num_accepted"]) == (step, expected)
            assert at["share"] == pytest.approx(expected / len(members))
    assert (tmp_path / "t" / "threshold.png").stat().st_size > 5000
    page = (tmp_path / "t" / "threshold.md").read_text(encoding="utf-8")
    assert "| 0.3 |" in page
    assert "Rows without a score, left out: 1." in page


def test_accept_rate_proposes_a_threshold_that_scoring_then_meets(
    scores: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("threshold", scores, "--accept-rate", 0.5, "--model", model, "--write", "--out", tmp_path / "t") == 0
    stored = load_scorer(model, "cpu").config.quality.threshold
    assert f"Threshold {stored:g} stored in {model}; it was 0.5." in capsys.readouterr().out
    assert facts_of(tmp_path / "t")["all planes"]["proposed"]["threshold"] == stored  # type: ignore[index]
    again = tmp_path / "again.csv"
    run("score", scores.parent, "--out", again, "--model", model, "--device", "cpu")
    before = {row["source"]: row for row in read(scores) if row["quality"]}
    after = [row for row in read(again) if row["quality"]]
    assert all(float(row["threshold"]) == pytest.approx(stored) for row in after)
    known = [row for row in after if before[row["source"]]["plane"] != "none"]  # the fixture has changed the others
    assert sum(row["accepted"] == "true" for row in known) == 8


def test_model_keeps_all_else_bit_for_bit_and_says_where_its_threshold_is_from(scores: Path, model: Path) -> None:
    before = read_checkpoint(model)
    assert run("threshold", scores, "--accept-rate", 0.25, "--model", model, "--write", "--plane", "a4c") == 0
    after = read_checkpoint(model)
    assert list(after) == list(before)
    for name, value in before.items():
        if isinstance(value, torch.Tensor):
            assert (after[name].dtype, after[name].shape) == (value.dtype, value.shape), name
            assert torch.equal(after[name], value), name
    old, new = before["_extra_state"], after["_extra_state"]
    origin = new["info"].pop("threshold")
    assert "accepts at least 25 %" in origin
    assert "frames of scores.csv, SHA-256 " in origin
    assert str(scores.parent) not in origin
    assert new["config"]["quality"].pop("threshold") != old["config"]["quality"].pop("threshold")
    assert new == old
    assert [file.name for file in model.parent.iterdir() if file.suffix == ".tmp"] == []


def test_ratings_propose_the_most_balanced_threshold(
    scores: Path, ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("threshold", scores, "--ratings", ratings, "--at-least", 2, "--out", tmp_path / "t") == 0
    shown = capsys.readouterr()
    assert "for frames rated 2 or more against frames rated lower" in shown.out
    assert "Ratings that belong to no frame considered here, not used: 1" in shown.err
    found = facts_of(tmp_path / "t")["all planes"]
    rated = {row["path"]: float(row["rating"]) for row in read(ratings)}
    known = [row for row in read(scores) if Path(row["source"]).name in rated]
    assert found["good"] == sum(rated[Path(row["source"]).name] >= 2 for row in known)
    assert found["good"] + found["bad"] == len(known) == 14  # type: ignore[operator]
    good = [row["plane"] != "none" for row in known if rated[Path(row["source"]).name] >= 2]
    proposed = found["proposed"]  # ratings follow quality, so only frames of no known plane are missed
    assert proposed["sensitivity"] == pytest.approx(sum(good) / len(good))  # type: ignore[index]
    assert proposed["specificity"] == 1.0  # type: ignore[index]
    assert (tmp_path / "t" / "threshold.png").stat().st_size > 5000


def test_good_ratings_are_the_upper_half_of_the_range_by_default(
    scores: Path, ratings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for row in read(ratings) if row["path"] != "another.png"]
    for number, row in enumerate(rows):
        row["rating"] = str((0, 4, 9)[number % 3])
    write(ratings, rows)
    run("threshold", scores, "--ratings", ratings)
    assert "for frames rated 9 or more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--accept-rate", "0.99"], "No threshold accepts 99 %"),
        (["--ratings", "RATINGS", "--at-least", "99"], "got 0 good and 14 bad"),
    ],
)
def test_model_stays_where_no_threshold_can_be_proposed(
    scores: Path, ratings: Path, model: Path, options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = model.read_bytes()
    given = [str(ratings) if option == "RATINGS" else option for option in options]
    assert run("threshold", scores, *given, "--model", model, "--write") == 2
    shown = capsys.readouterr()
    assert complaint in shown.err
    assert complaint in shown.out  # the table names the reason, too
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--write", "--accept-rate", "0.5"], "--model"),
        (["--write", "--model", "MODEL"], "--accept-rate or --ratings"),
        (["--at-least", "3"], "Give --ratings"),
        (["--accept-rate", "0.5", "--ratings", "x.csv"], "not both"),
        (["--plane", "kidney"], "has no frames of plane 'kidney'; it has: a4c, abdomen"),
        (["--accept-rate", "1.5"], "less than or equal to 1"),
    ],
)
def test_wishes_that_contradict_each_other_are_wrong_use(
    scores: Path, model: Path, options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(model) if option == "MODEL" else option for option in options]
    assert run("threshold", scores, *given) == 2
    assert complaint in capsys.readouterr().err


def test_scores_of_another_model_are_refused(scores: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = read_checkpoint(model)
    state["range_high"] = state["range_high"] * 1.5
    torch.save(state, model)
    before = model.read_bytes()
    assert run("threshold", scores, "--accept-rate", 0.5, "--model", model, "--write") == 2
    assert "was not written with this model" in capsys.readouterr().err
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,plane,group\na.png,a4c,1\n", "is not a table of 'striq score': column 'source' is missing"),
        ("file,plane,group,rating,fold,accepted,STRIQ\na,a4c,1,1,0,1,0.5\n", "is not a table of 'striq score'"),
        ("", "no rows"),
    ],
)
def test_other_tables_are_refused(
    tmp_path: Path, text: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.csv").write_text(text, encoding="utf-8")
    assert run("threshold", tmp_path / "other.csv") == 2
    shown = capsys.readouterr().err
    assert complaint in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("quality", ["nan", "1.2", "high"])
def test_invalid_quality_names_the_line(
    scores: Path, tmp_path: Path, quality: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for row in read(scores) if row["quality"]]
    rows[1]["quality"] = quality
    assert run("threshold", write(tmp_path / "scores.csv", rows)) == 2
    assert "scores.csv, line 3: column 'quality'" in capsys.readouterr().err


def test_a_shipped_model_is_not_changed(scores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("threshold", scores, "--accept-rate", 0.5, "--model", "light", "--write") == 2
    assert "Copy it first, 'striq info light --clean mine/model.pt'" in capsys.readouterr().err
