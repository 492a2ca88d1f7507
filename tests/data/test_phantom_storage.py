"""Tests of writing a phantom data set to a folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.data.phantom import (
    PhantomParameters,
    drawable_planes,
    make_phantom,
    planes_to_draw,
    render_phantom,
    storage,
    write_phantom,
)
from striq.errors import DatasetError

SETTINGS = {"planes": ["a4c", "kidney"], "seed": 6, "size": (64, 80)}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_phantom(tmp_path / "data", 2, 3, **SETTINGS)


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_table_lists_every_picture_with_plane_group_and_rating(table: Path) -> None:
    rows = rows_of(table)
    assert list(rows[0]) == ["path", "plane", "group", "rating"]
    assert [row["path"] for row in rows[2:4]] == ["a4c/subject_000/frame_02.png", "a4c/subject_001/frame_00.png"]
    assert len(rows) == len(list(table.parent.rglob("*.png"))) == 12
    assert {row["group"] for row in rows} == {"subject_000", "subject_001"}
    for row in rows:
        assert row["path"].split("/")[:2] == [row["plane"], row["group"]]


def test_pictures_and_ratings_are_those_of_the_frames_in_order(table: Path) -> None:
    for row, frame in zip(rows_of(table), make_phantom(2, 3, **SETTINGS), strict=True):
        with Image.open(table.parent / row["path"]) as picture:
            stored = np.asarray(picture, dtype=np.float32) / 255
        np.testing.assert_allclose(stored, frame.pixels, atol=0.502 / 255)
        assert float(row["rating"]) == pytest.approx(frame.quality, abs=1e-6)


def test_truth_holds_transforms_and_parameters_that_render_the_picture_again(table: Path) -> None:
    truth = json.loads((table.parent / "phantom.json").read_text())["frames"]
    frames = make_phantom(2, 3, **SETTINGS)
    assert [entry["path"] for entry in truth] == [row["path"] for row in rows_of(table)]
    for entry, frame in zip(truth, frames, strict=True):
        np.testing.assert_array_equal(np.array(entry["transform"], dtype=np.float32), frame.transform)
    stored = truth[4]["parameters"]
    stored["presence"], stored["translation"] = tuple(stored["presence"]), tuple(stored["translation"])
    again = render_phantom(PhantomParameters(**stored), (64, 80))
    np.testing.assert_array_equal(again.pixels, frames[4].pixels)


def test_no_partial_file_is_left(table: Path) -> None:
    assert not list(table.parent.rglob("*.tmp"))


def test_interrupted_writing_leaves_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = iter([b"first"])

    def fail_on_second(_frame: object) -> bytes:
        try:
            return next(written)
        except StopIteration:
            raise OSError(28, "No space left on device") from None

    monkeypatch.setattr(storage, "_png", fail_on_second)
    with pytest.raises(OSError, match="No space left"):
        write_phantom(tmp_path, 1, 2, planes=["a2c"], size=(64, 64))
    assert not (tmp_path / "phantom.csv").exists()


def test_writing_over_a_file_is_refused(tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("mine")
    with pytest.raises(DatasetError, match=r"occupied.*Expected a folder, got a file"):
        write_phantom(occupied, 1, 1)
    assert occupied.read_text() == "mine"


def test_a_marked_plane_is_the_same_pictures_under_another_name(table: Path, tmp_path: Path) -> None:
    marked = write_phantom(tmp_path / "marked", 2, 3, **{**SETTINGS, "planes": ["synthetic_a4c", "kidney"]})
    assert {row["plane"] for row in rows_of(marked)} == {"synthetic_a4c", "kidney"}
    for plain, other in zip(rows_of(table), rows_of(marked), strict=True):
        assert other["plane"].endswith(plain["plane"])
        assert other["path"] == plain["path"].replace(plain["plane"], other["plane"])
        assert (marked.parent / other["path"]).read_bytes() == (table.parent / plain["path"]).read_bytes()


def test_planes_that_can_be_drawn_are_told_from_others() -> None:
    assert drawable_planes(["A4C", "a4c", "synthetic_kidney", "liver", "synthetic_liver"]) == (
        "a4c",
        "synthetic_kidney",
    )


def test_a_model_without_a_plane_to_draw_needs_a_data_set() -> None:
    assert planes_to_draw(["liver", "kidney"]) == ("kidney",)
    with pytest.raises(DatasetError, match=r"none of the model's planes \(A4C, liver\)\. Name a data set"):
        planes_to_draw(["A4C", "liver"])
