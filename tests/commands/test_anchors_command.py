"""Tests of ``striq anchors``."""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striq import cli
from striq.anchors.thumbnails import as_picture, find_thumbnail, write_thumbnails
from striq.commands.anchor_pictures import write_sheet
from striq.commands.given_frames import FramesOptions
from striq.data.loading import load_images
from striq.data.phantom import make_phantom
from striq.reporting.anchor_sheet import SheetCell
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource, FrameRecord


def run(*arguments: str | int | Path) -> int:
    """Run the command line in this process and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of the frames that the small scorer was fitted on."""
    folder = tmp_path_factory.mktemp("frames")
    rows = ["path,plane,group"]
    for index, frame in enumerate(make_phantom(4, 2, planes=("a4c", "abdomen"), size=(96, 96))):
        name = f"{frame.plane}_{index}.png"
        Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)).save(folder / name)
        rows.append(f"{name},{frame.plane},subject_{index // 2 % 4}")
    table = folder / "frames.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return table


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """The small model without thumbnails, in a folder of its own."""
    (tmp_path / "before").mkdir()
    return Path(shutil.copy(tiny_model, tmp_path / "before" / "model.pt"))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def as_records(frames: Path, plane: str) -> list[FrameRecord]:
    rows = csv.DictReader(frames.read_text(encoding="utf-8").splitlines())
    return [FrameRecord(frames.parent / r["path"], plane, r["group"]) for r in rows if r["plane"] == plane]


def thumbnails(number: int) -> torch.Tensor:
    """Pictures that are darker with each anchor."""
    return torch.stack([torch.full((1, 64, 64), 1 - 0.1 * i) for i in range(number)])


@pytest.mark.parametrize("command", ["anchors", "info"])
def test_model_is_named_in_either_way_but_once(command: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, model) == 0
    listed = capsys.readouterr().out
    assert run(command, "--model", model) == 0
    assert capsys.readouterr().out == listed
    assert run(command, model, "--model", model) == 2
    assert "named twice" in capsys.readouterr().err


def test_sheet_needs_pictures_from_somewhere(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    assert run("anchors", model, "--sheet", sheet) == 2
    assert "there are no pictures of its anchors: a model holds features" in capsys.readouterr().err
    assert not sheet.exists()
    assert run("anchors", model, "--sheet", sheet, "--frames", frames) == 0
    assert f"6 anchors: {sheet}" in capsys.readouterr().out
    from_frames = np.asarray(Image.open(sheet).convert("L"))
    write_thumbnails(model.parent, {"a4c": thumbnails(3)})
    assert run("anchors", model, "--sheet", sheet) == 0
    assert "6 anchors, 3 of them without a picture" in capsys.readouterr().out
    assert from_frames.shape == np.asarray(Image.open(sheet).convert("L")).shape


def test_sheet_shows_the_frames_that_the_anchors_come_from(
    tiny_scorer: StriqScorer, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = load_images(as_records(frames, "a4c"), (64, 64), quiet=True)
    held = torch.stack([images[5], images[2].flip(-1), 0.5 * images[0]])  # the last is of no frame
    scorer = copy.deepcopy(tiny_scorer)
    scorer.bank.fill(0, scorer.embed(held), [AnchorSource(f"hash{i}", "hash", 0, mirrored=i == 1) for i in range(3)])
    drawn: list[SheetCell] = []
    monkeypatch.setattr("striq.commands.anchor_pictures.draw_sheet", lambda _, cells: drawn.extend(cells))
    write_sheet(scorer, tmp_path / "model.pt", tmp_path / "sheet.png", FramesOptions(frames, "auto", None))
    pictures = [cell.picture for cell in drawn[:3]]
    for picture, image in zip(pictures[:2], held[:2], strict=True):
        assert picture is not None
        assert np.array_equal(picture, np.asarray(as_picture(image[0])))
    assert pictures[2] is None
    counts = [line.split() for cell in drawn[:3] for line in cell.lines if line.startswith("nearest")]
    assert sum(int(words[2]) for words in counts) == 6  # the other frames, of which each is nearest to one anchor
    assert {words[4] for words in counts} == {"6"}


def test_excluding_without_frames_leaves_ranges_and_the_old_model_alone(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, digest = load_scorer(model, "cpu"), hashlib.sha256(model.read_bytes()).hexdigest()
    source = before.bank.sources[0][1]
    listed = write(tmp_path / "poor.txt", "a4c 1\n")
    assert run("anchors", model, "--exclude", listed, "--out", tmp_path / "after") == 0
    out = capsys.readouterr().out
    assert "a4c: 1 anchors left out, 2 stay; ranges and weights left as they were, not refit. Give --frames" in out
    after = load_scorer(tmp_path / "after", "cpu")
    assert after.bank.sources == [[s for s in before.bank.sources[0] if s != source], before.bank.sources[1]]
    assert torch.equal(after.range_low, before.range_low)
    assert hashlib.sha256(model.read_bytes()).hexdigest() == digest
    (note,) = after.info["anchor_changes"]
    assert note["from_model_sha256"] == digest
    assert (note["plane"], note["used"], note["ranges"]) == ("a4c", [], "left as they were, not refit")
    assert [(one["number"], one["path"]) for one in note["excluded"]] == [(1, source.path)]
    assert note["when"].endswith("+00:00")
    stays = before.info.keys() - {"planes"}
    assert {name: after.info[name] for name in stays} == {name: before.info[name] for name in stays}
    assert after.info["planes"] == before.info["planes"] | {
        "a4c": {**before.info["planes"]["a4c"], "anchors": 2, "ranking_stability": None}
    }


def test_scores_of_other_planes_are_the_same_bits(model: Path, frames: Path, tmp_path: Path) -> None:
    listed = write(tmp_path / "poor.csv", "plane,number\na4c,0\n")
    assert run("anchors", model, "--exclude", listed, "--frames", frames, "--out", tmp_path / "after") == 0
    for plane, stays in (("abdomen", True), ("a4c", False)):
        tables: list[list[str]] = []
        for place in (model, tmp_path / "after"):
            out = tmp_path / "scores.csv"
            run("score", frames.parent, "--out", out, "--model", place, "--plane", plane, "--device", "cpu")
            tables.append(out.read_text(encoding="utf-8").splitlines())
        assert (tables[0] == tables[1]) is stays


def test_ranges_are_measured_again_on_frames(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = write(tmp_path / "poor.txt", "a4c 0\n")
    assert run("anchors", model, "--exclude", listed, "--frames", frames, "--out", tmp_path / "after") == 0
    assert "a4c: 1 anchors left out, 2 stay; ranges and weights measured again on 8 frames." in capsys.readouterr().out
    before, after = load_scorer(model, "cpu"), load_scorer(tmp_path / "after", "cpu")
    assert not torch.equal(after.range_low[0], before.range_low[0])
    assert torch.equal(after.range_low[1], before.range_low[1])


def test_frames_become_the_anchors(model: Path, frames: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(frames.read_text(encoding="utf-8").splitlines()))
    chosen = [row for row in rows if row["plane"] == "a4c"][:2]
    lines = [f"{frames.parent / row['path']},a4c,{row['group']}" for row in chosen]
    used = write(tmp_path / "mine.csv", "\n".join(["path,plane,group", *lines]) + "\n")
    write_thumbnails(model.parent, {"a4c": thumbnails(3), "abdomen": thumbnails(3)})
    out = tmp_path / "after" / "mine.pt"
    assert run("anchors", model, "--use", used, "--frames", frames, "--out", out) == 0
    after = load_scorer(out, "cpu")
    held = after.bank.features(0).maps[-1]
    embedded = after.embed(load_images(as_records(frames, "a4c")[:2], (64, 64), quiet=True)).maps[-1]
    torch.testing.assert_close(held, embedded, atol=float(embedded.abs().max()) / 100, rtol=0)
    names = [frames.parent.name, *(row["path"] for row in chosen), *(row["group"] for row in chosen)]
    assert not [name for name in names if name in f"{after.info} {after.bank.sources}"]
    assert [find_thumbnail(out, "a4c", i) is not None for i in range(3)] == [True, True, False]
    assert find_thumbnail(out, "abdomen", 2) is not None
    # A second change adds to the provenance.
    listed = write(tmp_path / "poor.txt", "a4c 0\nabdomen 2\n")
    assert run("anchors", out, "--exclude", listed, "--out", tmp_path / "third") == 0
    notes = load_scorer(tmp_path / "third", "cpu").info["anchor_changes"]
    assert [(note["plane"], len(note["used"]), len(note["excluded"])) for note in notes] == [
        ("a4c", 2, 0),
        ("a4c", 0, 1),
        ("abdomen", 0, 1),
    ]


def test_frames_of_another_plane_become_negative_anchors(
    model: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = as_records(frames, "abdomen")[:2]
    rows = [f"{record.path},a4c,{record.group}" for record in taken]
    listed = write(tmp_path / "negatives.csv", "\n".join(["path,plane,group", *rows]) + "\n")
    assert run("anchors", model, "--negatives", listed, "--out", tmp_path / "after") == 0
    assert "a4c: 2 negative anchors" in capsys.readouterr().out
    before, after = load_scorer(model, "cpu"), load_scorer(tmp_path / "after", "cpu")
    assert [len(sources) for sources in after.negatives.sources] == [2, 0]
    assert str(taken[0].path) not in str(after.info)
    images = load_images(taken, before.config.encoder.size, quiet=True)
    with torch.inference_mode():
        old, new = before(images), after(images)
    assert bool((new[:, 0] <= old[:, 0]).all())
    assert bool((new[:, 0] < old[:, 0] - 1e-3).any())
    assert torch.equal(new[:, 1], old[:, 1])
    capsys.readouterr()
    assert run("info", "--model", tmp_path / "after", "--json") == 0
    assert json.loads(capsys.readouterr().out)["planes"]["a4c"]["negative_anchors"] == 2


def test_thumbnails_follow_the_anchors_that_stay(model: Path, tmp_path: Path) -> None:
    write_thumbnails(model.parent, {"a4c": thumbnails(3)})
    write_thumbnails(tmp_path / "after", {"a4c": thumbnails(5), "abdomen": thumbnails(5)})  # of an earlier model there
    listed = write(tmp_path / "poor.txt", "a4c 1\n")
    options = ["anchors", model, "--exclude", listed, "--out"]
    assert run(*options, tmp_path / "after") == 0
    shown = [find_thumbnail(tmp_path / "after", "a4c", i) for i in range(4)]
    assert [None if picture is None else round(picture.max() / 255, 1) for picture in shown] == [1.0, 0.8, None, None]
    assert find_thumbnail(tmp_path / "after", "abdomen", 0) is None
    assert run(*options, tmp_path / "without", "--no-anchor-images") == 0
    assert not (tmp_path / "without" / "anchors").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--exclude", "LIST"], "Name it: --out NEW_MODEL"),
        (["--exclude", "LIST", "--out", "FOLDER"], "lies in the folder of the model that is changed"),
        (["--exclude", "LIST", "--out", "FOLDER/other.pt"], "lies in the folder of the model that is changed"),
        (["--exclude", "LIST", "--out", "NEW", "--sheet", "s.png"], "--sheet shows a model as it is"),
        (["--frames", "FRAMES"], "none of them is given"),
        (["--exclude", "LIST", "--use", "FRAMES", "--out", "NEW"], "'a4c' is in --exclude and in --use"),
        (["--use", "FRAMES", "--frames", "FRAMES", "--out", "NEW"], "'a4c' would have 8 anchors"),
        (["--exclude", "ALL", "--out", "NEW"], "'a4c' would have 0 anchors"),
        (["--use", "ONE", "--out", "NEW"], "'a4c' has 0 frames to measure its ranges on"),
        (["--negatives", "ONE"], "Name it: --out NEW_MODEL"),
        (["--negatives", "OTHER", "--out", "NEW"], "does not know the plane 'kidney'"),
        (["--negatives", "FRAMES", "--out", "NEW"], "'a4c' would have 8 negative anchors"),
        (["--use", "OTHER", "--frames", "OTHER", "--out", "NEW"], "does not know the plane 'kidney'"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(
    model: Path, frames: Path, tmp_path: Path, options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = frames.parent / "a4c_0.png"
    places = {
        "LIST": write(tmp_path / "poor.txt", "a4c 0\n"),
        "ALL": write(tmp_path / "all.txt", "a4c 0\na4c 1\na4c 2\n"),
        "ONE": write(tmp_path / "one.csv", f"path,plane,group\n{picture},a4c,subject_0\n"),
        "OTHER": write(tmp_path / "other.csv", f"path,plane,group\n{picture},kidney,subject_0\n"),
        "FRAMES": frames,
        "NEW": tmp_path / "new",
        "FOLDER": model.parent,
        "FOLDER/other.pt": model.parent / "other.pt",
    }
    before = model.read_bytes()
    assert run("anchors", model, *(places.get(option, option) for option in options)) == 2
    shown = capsys.readouterr().err
    assert complaint in shown
    assert shown.count("\n") == 1
    assert model.read_bytes() == before
    assert not (tmp_path / "new").exists()
    assert [file.name for file in model.parent.iterdir()] == ["model.pt"]


def test_info_tells_each_change_on_a_line(
    model: Path, tiny_scorer: StriqScorer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = write(tmp_path / "poor.txt", "a4c 0\nabdomen 0\n")
    assert run("anchors", model, "--exclude", listed, "--out", tmp_path / "after") == 0
    capsys.readouterr()
    assert run("info", "--model", tmp_path / "after") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Anchors changed: ")]
    assert len(lines) == 2
    assert tiny_scorer.bank.sources[1][0].path in lines[1]
