"""Tests of negative anchors in ``striq anchors``: list, sheet, and what --exclude and --negatives do to them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striq import cli
from striq.anchors.provenance import NEGATIVE
from striq.anchors.thumbnails import as_picture, find_thumbnail
from striq.commands.anchor_pictures import write_sheet
from striq.commands.given_frames import FramesOptions
from striq.data.loading import load_images
from striq.data.phantom import make_phantom
from striq.reporting.anchor_sheet import SheetCell, draw_sheet
from striq.scoring.loading import load_scorer
from striq.types import FrameRecord

COUNT = 2  # negative anchors of the model


def run(*arguments: str | int | Path) -> int:
    """Run the command line in this process and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def listed(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    """Frames of a plane that the model does not know, as taken for one that it knows."""
    folder = tmp_path_factory.mktemp("faces")
    records: list[FrameRecord] = []
    for index, frame in enumerate(make_phantom(2, 2, planes=("face",), size=(96, 96))):
        path = folder / f"face_{index}.png"
        Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)).save(path)
        records.append(FrameRecord(path, "a4c", f"subject_{index // 2}"))
    return records


def as_list(path: Path, records: list[FrameRecord], plane: str = "a4c") -> Path:
    rows = [f"{record.path},{plane},{record.group}" for record in records]
    return write(path, "\n".join(["path,plane,group", *rows]) + "\n")


@pytest.fixture(scope="module")
def model(tiny_model: Path, faces: list[FrameRecord], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model with two negative anchors of its first plane, and thumbnails of these."""
    folder = tmp_path_factory.mktemp("negatives")
    assert run("anchors", tiny_model, "--negatives", as_list(folder / "n.csv", faces[:COUNT]), "--out", folder) == 0
    return folder / "model.pt"


def test_list_tells_negative_anchors_apart_in_its_last_column(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("anchors", model, "--out", tmp_path / "anchors.csv") == 0
    assert f"6 anchors and 2 negative anchors: {tmp_path / 'anchors.csv'}" in capsys.readouterr().out
    rows = listed(tmp_path / "anchors.csv")
    assert list(rows[0])[-1] == "kind"
    assert [row["kind"] for row in rows] == ["anchor"] * 3 + ["negative"] * 2 + ["anchor"] * 3
    sources = load_scorer(model, "cpu").negatives.sources[0]
    assert [(row["plane"], row["number"], row["path"], row["group"]) for row in rows[3:5]] == [
        ("a4c", str(number), source.path, source.group) for number, source in enumerate(sources)
    ]
    assert run("anchors", model) == 0
    shown = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in shown] == ["kind", *(row["kind"] for row in rows)]


@pytest.mark.parametrize("shape", ["rows", "place", "path"])
def test_some_negative_anchors_are_left_out_and_all_else_stays_bit_for_bit(
    model: Path, tmp_path: Path, shape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_scorer(model, "cpu")
    first = before.negatives.sources[0][0]
    texts = {
        "rows": f"plane,number,path,group,frame,mirrored,kind\na4c,0,{first.path},{first.group},0,false,negative\n",
        "place": "a4c 0 negative\n",
        "path": f"{first.path}\n",
    }
    out = tmp_path / "after"
    assert run("anchors", model, "--exclude", write(tmp_path / "list.txt", texts[shape]), "--out", out) == 0
    assert "a4c: 1 negative anchors left out, 1 stay; ranges and weights left as they were" in capsys.readouterr().out
    after = load_scorer(out, "cpu")
    assert after.negatives.sources == [before.negatives.sources[0][1:], []]
    assert after.bank.sources == before.bank.sources
    old, new = before.state_dict(), after.state_dict()
    for name, tensor in old.items():
        if isinstance(tensor, torch.Tensor):
            kept = tensor[1:] if name.startswith("negatives.") and name.endswith("_0") else tensor
            assert torch.equal(new[name], kept), name
    note = after.info["anchor_changes"][-1]
    assert [(one["number"], one["path"]) for one in note["excluded_negatives"]] == [(0, first.path)]
    kept, gone = (find_thumbnail(out, "a4c", number, NEGATIVE) for number in range(COUNT))
    assert kept is not None
    assert np.array_equal(kept, find_thumbnail(model, "a4c", 1, NEGATIVE))
    assert gone is None


def test_all_negative_anchors_can_be_left_out_and_the_model_is_then_as_without(
    model: Path, tiny_model: Path, faces: list[FrameRecord], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "anchors.csv"
    assert run("anchors", model, "--out", whole) == 0
    rows = [line for line in whole.read_text(encoding="utf-8").splitlines() if not line.endswith(",anchor")]
    assert run("anchors", model, "--exclude", write(whole, "\n".join(rows) + "\n"), "--out", tmp_path / "after") == 0
    assert "a4c: 2 negative anchors left out, 0 stay" in capsys.readouterr().out
    after, without, with_them = (load_scorer(place, "cpu") for place in (tmp_path / "after", tiny_model, model))
    images = load_images(faces, without.config.encoder.size, quiet=True)
    with torch.inference_mode():
        assert torch.equal(after(images), without(images))
        assert not torch.equal(with_them(images), without(images))
    assert after.negatives.sources == [[], []]
    assert run("info", "--model", tmp_path / "after") == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Anchors changed: ")]
    assert len(told) == 2
    assert with_them.negatives.sources[0][0].path in told[1]
    assert "negative anchors left out 0 (" in told[1]
    again = as_list(tmp_path / "n.csv", faces[:1])
    assert run("anchors", tmp_path / "after", "--negatives", again, "--out", tmp_path / "again") == 0
    assert len(load_scorer(tmp_path / "again", "cpu").negatives.sources[0]) == 1


def test_place_without_a_kind_is_an_anchor(model: Path, tmp_path: Path) -> None:
    poor = write(tmp_path / "poor.txt", "a4c 1\n")
    assert run("anchors", model, "--exclude", poor, "--out", tmp_path / "after") == 0
    after = load_scorer(tmp_path / "after", "cpu")
    assert [len(after.bank.sources[0]), len(after.negatives.sources[0])] == [2, 2]
    assert all(find_thumbnail(tmp_path / "after", "a4c", number, NEGATIVE) is not None for number in range(COUNT))


def test_info_counts_negative_anchors(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "--model", model) == 0
    text = capsys.readouterr().out
    assert "a4c: 3 anchors and 2 negative anchors" in text
    assert "abdomen: 3 anchors;" in text
    assert run("info", "--model", model, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["info"]["anchor_changes"][0]["negatives"]) == COUNT


@pytest.mark.parametrize("listed_as", ["a4c", "face"])
def test_sheet_shows_negative_anchors_by_name(
    model: Path, faces: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed_as: str
) -> None:
    scorer = load_scorer(model, "cpu")
    drawn: list[SheetCell] = []
    monkeypatch.setattr("striq.commands.anchor_pictures.draw_sheet", lambda _, cells: drawn.extend(cells))
    frames = FramesOptions(as_list(tmp_path / "frames.csv", faces, listed_as))
    write_sheet(scorer, tmp_path / "model.pt", tmp_path / "sheet.png", frames)  # a folder without thumbnails
    cells = [cell for cell in drawn if cell.kind == NEGATIVE]
    assert [cell.title for cell in cells] == ["a4c 0, negative", "a4c 1, negative"]
    images = load_images(faces, scorer.config.encoder.size, quiet=True)
    for cell, image, source in zip(cells, images, scorer.negatives.sources[0], strict=False):
        assert np.array_equal(np.asarray(cell.picture), np.asarray(as_picture(image[0])))
        assert cell.lines[0] == source.path
    counted = [line for cell in drawn for line in cell.lines if line.startswith("nearest")]
    wanted = {"2"} if listed_as == "a4c" else set()  # frames listed for the plane that are no negative anchors
    assert {line.split()[4] for line in counted} == wanted
    monkeypatch.undo()
    assert draw_sheet(tmp_path / "sheet.png", drawn).is_file()


def test_sheet_takes_the_thumbnails_of_negative_anchors(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("anchors", model, "--sheet", tmp_path / "sheet.png") == 0
    assert "6 anchors and 2 negative anchors, 6 of them without a picture" in capsys.readouterr().out


def test_model_without_thumbnails_has_none_of_negative_anchors(
    tiny_model: Path, faces: list[FrameRecord], tmp_path: Path
) -> None:
    negatives = ["--negatives", as_list(tmp_path / "n.csv", faces[:1]), "--no-anchor-images"]
    assert run("anchors", tiny_model, *negatives, "--out", tmp_path / "after") == 0
    assert not (tmp_path / "after" / "anchors").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--negatives", "SPINE"], ["SPINE: the model does not know the plane 'spine'", "Expected", "a4c, abdomen"]),
        (["--negatives", "MANY"], ["MANY: plane 'a4c' would have 4 negative anchors", "Expected 3", "Leave some out"]),
        (["--negatives", "BROKEN"], ["broken.png", "Expected", "got"]),
        (["--negatives", "ONE", "--exclude", "PLACE"], ["'a4c' is in --exclude and in --negatives"]),
        (["--negatives", "ONE", "--frames", "ONE"], ["--frames is used with --sheet, --exclude or --use"]),
        (["--exclude", "FAR"], ["has no negative anchor 'a4c 7'; it has a4c 0 to 1"]),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(
    model: Path,
    faces: list[FrameRecord],
    tmp_path: Path,
    options: list[str],
    complaint: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = FrameRecord(write(tmp_path / "broken.png", "no picture"), "a4c", "b")
    places = {
        "SPINE": as_list(tmp_path / "SPINE", faces[:1], "spine"),
        "MANY": as_list(tmp_path / "MANY", faces),
        "BROKEN": as_list(tmp_path / "BROKEN", [*faces[:1], broken]),
        "ONE": as_list(tmp_path / "ONE", faces[:1]),
        "PLACE": write(tmp_path / "PLACE", "a4c 0 negative\n"),
        "FAR": write(tmp_path / "FAR", "a4c 7 negative\n"),
    }
    given = [places.get(option, option) for option in options]
    assert run("anchors", model, *given, "--out", tmp_path / "new") == 2
    shown = capsys.readouterr().err
    assert [part for part in complaint if part not in shown] == []
    assert shown.count("\n") == 1
    assert not (tmp_path / "new").exists()
