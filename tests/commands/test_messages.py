"""Messages that tell a user what to do, by the names of options."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from striq.commands.anchor_counts import say_fewer_anchors
from striq.config import QualityConfig, StriqConfig
from striq.data.datasets import load_dataset
from striq.data.splits import group_folds, hold_out
from striq.errors import DatasetError
from striq.types import FrameRecord
from tests.test_cli import only_line, run, write_still


@pytest.fixture
def still(tmp_path: Path) -> Path:
    return write_still(tmp_path / "still.png")


def records_of(num_groups: int, plane: str = "a4c", frames: int = 1) -> list[FrameRecord]:
    return [FrameRecord(Path(f"{g}_{f}.png"), plane, f"g{g}") for g in range(num_groups) for f in range(frames)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "SET", "--out", "OUT"),
        ("train", "SET", "--out", "OUT", "--planes", "none"),
        ("evaluate", "SET", "--out", "OUT"),
        ("list", "SET", "--out", "OUT/list.csv"),
        ("add-plane", "none", "SET", "--out", "OUT"),
        ("study", "ablate", "--dataset", "SET", "--out", "OUT", "--seeds", "1"),
        ("study", "planes", "SET", "--out", "OUT", "--planes", "none"),
        ("study", "robustness", "SET", "--out", "OUT"),
        ("study", "forgetting", "SET", "--out", "OUT"),
        ("study", "benchmark", "SET", "--out", "OUT"),
    ],
    ids=" ".join,
)
def test_a_plane_folder_called_none_is_one_clear_error(
    arguments: tuple[str, ...], still: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for plane in ("none", "a4c"):
        for number in range(3):
            (tmp_path / "set" / plane).mkdir(parents=True, exist_ok=True)
            shutil.copy(still, tmp_path / "set" / plane / f"{plane}_{number}.png")
    places = {"SET": str(tmp_path / "set"), "OUT": str(tmp_path / "out")}
    given = [word.replace("OUT", places["OUT"]) if word != "SET" else places["SET"] for word in arguments]
    assert run(*given) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert "'none' cannot be the name of a plane" in last


def test_a_flat_folder_is_told_to_name_its_plane(
    still: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ((), ("--planes", "a4c", "--planes", "a2c")):
        assert run("train", still.parent, "--out", tmp_path / "out", *more) == 2
        assert "Name the one plane: --planes NAME" in capsys.readouterr().err.splitlines()[-1]


def test_fewer_folds_are_proposed_only_where_there_are_folds() -> None:
    with pytest.raises(DatasetError, match=r"3 groups, but the split needs 5\. Use fewer folds than 5"):
        group_folds(records_of(3), 5, seed=0)
    for split in (lambda: group_folds(records_of(1), 2, seed=0), lambda: hold_out(records_of(1), 0.25, seed=0)):
        with pytest.raises(DatasetError, match=r"1 groups, but the split needs 2\.") as found:
            split()
        assert "folds" not in str(found.value)
        assert "--group-pattern" in str(found.value)


def hints(folder: Path, caplog: pytest.LogCaptureFixture, pattern: str | None = None) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="striq"):
        load_dataset(folder, group_pattern=pattern)
    return [record.getMessage() for record in caplog.records]


def test_frames_that_are_all_their_own_group_are_pointed_out(
    still: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "set" / "a4c"
    place.mkdir(parents=True)
    for name in ("001_1.png", "001_2.png", "002_1.png"):
        shutil.copy(still, place / name)
    (hint,) = hints(tmp_path / "set", caplog)
    assert "each of the 3 frames is its own group" in hint
    assert r"--group-pattern: with '^(\d{3})_'" in hint
    assert hints(tmp_path / "set", caplog, r"^(\d{3})_") == []
    (place / "patient").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(still, place / "patient" / name)
    assert hints(tmp_path / "set", caplog) == []


@pytest.mark.parametrize(("asked", "frames", "said"), [(50, 5, True), (3, 5, False), (None, 5, False), (20, 80, False)])
def test_more_anchors_than_frames_support_are_pointed_out(
    asked: int | None, frames: int, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    config = StriqConfig(quality=QualityConfig(num_anchors=asked or 20))
    say_fewer_anchors(records_of(frames), config, asked)
    printed = capsys.readouterr().err
    assert bool(printed) is said
    if said:
        assert "a4c: 50 anchors are asked for, but its 5 frames give 3 at most" in only_line(printed)


def test_a_table_never_replaces_a_picture(
    still: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = still.read_bytes()
    other = shutil.copyfile(still, tmp_path / "other.png")
    for out in (still, other):
        assert run("score", still, "--out", out, "--model", tiny_model) == 2
        assert "is named as an image or a cine is (.png)" in capsys.readouterr().err
    assert (still.read_bytes(), other.read_bytes()) == (before, before)


def test_what_is_read_is_never_overwritten(
    still: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = still.read_bytes()
    unnamed = shutil.copyfile(still, tmp_path / "unnamed")  # recognized by its content
    assert run("score", unnamed, "--out", unnamed, "--model", tiny_model) == 2
    assert "one of the files to be read" in capsys.readouterr().err
    assert run("score", unnamed, "--out", tmp_path / "s.csv", "--html", unnamed, "--model", tiny_model) == 2
    assert "one of the files to be read" in capsys.readouterr().err
    assert run("explain", still, "--out", still, "--model", tiny_model) == 2
    assert "one of the files to be read" in capsys.readouterr().err
    assert (still.read_bytes(), unnamed.read_bytes()) == (before, before)


def test_a_plane_spelled_otherwise_is_proposed(
    still: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("score", still, "--plane", "A4C", "--out", tmp_path / "s.csv", "--model", tiny_model) == 2
    assert only_line(capsys.readouterr().err).rstrip().endswith("Did you mean 'a4c'?")


def test_an_unknown_kind_of_device_is_named_in_short(
    still: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("score", still, "--device", "gpu", "--out", tmp_path / "s.csv", "--model", tiny_model) == 2
    expected = "Cannot compute on --device 'gpu': there is no such kind of device. Use auto, cpu, cuda or mps."
    assert expected in only_line(capsys.readouterr().err)


def test_a_model_that_is_no_archive_is_no_matter_of_options_of_pytorch(
    still: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.pt").write_text("x", encoding="utf-8")
    assert run("score", still, "--model", tmp_path / "model.pt", "--out", tmp_path / "s.csv") == 2
    assert "cannot be read as a checkpoint (no archive of tensors)" in only_line(capsys.readouterr().err)


def test_a_picture_of_no_format_is_refused_before_any_work(
    still: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explain", still, "--out", tmp_path / "why.txt", "--model", tiny_model) == 2
    assert "why.txt: .txt is no format of pictures. Expected .png, .pdf or .svg" in only_line(capsys.readouterr().err)
