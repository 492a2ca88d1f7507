"""Tests of ``striq.anchors.exclusion``."""

from __future__ import annotations

from pathlib import Path

import pytest

from striq.anchors.exclusion import read_exclusions
from striq.errors import DatasetError
from striq.types import AnchorSource

ANCHORS = {
    "A4C": [
        AnchorSource("set/one/a.png", "1"),
        AnchorSource("set/two/a.png", "2"),
        AnchorSource("set/two/cine.tif", "2", 3),
        AnchorSource("set/two/cine.tif", "2", 8),
    ],
    "fetal_head": [AnchorSource("set/one/a.png", "1"), AnchorSource("heads/b c.png", "9")],
}


def excluded(text: str, folder: Path) -> dict[str, list[int]]:
    (folder / "list.txt").write_text(text, encoding="utf-8")
    found = read_exclusions(folder / "list.txt", ANCHORS)
    assert found.negatives == {}
    return found.anchors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A4C 1\n", {"A4C": [1]}),
        ("# poor ones\nA4C,1\n\nfetal_head 0  # gain\n", {"A4C": [1], "fetal_head": [0]}),
        ("fetal_head_01.png\nA4C_00\n", {"A4C": [0], "fetal_head": [1]}),
        ("heads/b c.png\n", {"fetal_head": [1]}),
        ("two\\a.png\n", {"A4C": [1]}),
        ("/data/of/set/one/a.png\n", {"A4C": [0], "fetal_head": [0]}),
        ("cine.tif\n", {"A4C": [2, 3]}),
        ("plane,number\nA4C,1\nA4C,0\n", {"A4C": [0, 1]}),
        ("Plane,Number,remark\nA4C,1,dark\n", {"A4C": [1]}),
        ("path,frame\ncine.tif,8\n", {"A4C": [3]}),
        ("path\ncine.tif\n", {"A4C": [2, 3]}),
        ("plane,source\nA4C,one/a.png\n", {"A4C": [0]}),
        ("plane,number,path,group,frame\nA4C,2,set/two/cine.tif,2,3\n", {"A4C": [2]}),
    ],
)
def test_anchors_are_named_by_place_or_file(text: str, expected: dict[str, list[int]], tmp_path: Path) -> None:
    assert excluded(text, tmp_path) == expected


def test_anchors_of_one_frame_go_together(tmp_path: Path) -> None:
    pairs = {"liver": [AnchorSource("a.png", "1"), AnchorSource("b.png", "2")]}
    pairs["liver"].append(AnchorSource("a.png", "1", mirrored=True))
    (tmp_path / "list.txt").write_text("liver 2\n", encoding="utf-8")
    assert read_exclusions(tmp_path / "list.txt", pairs).anchors == {"liver": [0, 2]}


NEGATIVES = {
    "A4C": [
        AnchorSource("aa11", "5"),
        AnchorSource("bb22", "5"),
        AnchorSource("aa11", "5", mirrored=True),
        AnchorSource("bb22", "5", mirrored=True),
    ],
    "fetal_head": [],
}


@pytest.mark.parametrize(
    ("text", "anchors", "negatives"),
    [
        ("A4C 1\n", {"A4C": [1]}, {}),
        ("A4C 1 negative\n", {}, {"A4C": [1, 3]}),
        ("A4C,0,negative  # a heart after all\nA4C_02.png\n", {"A4C": [2]}, {"A4C": [0, 2]}),
        ("A4C_02_negative.png\n", {}, {"A4C": [0, 2]}),
        ("plane,number\nA4C,0\n", {"A4C": [0]}, {}),
        ("plane,number,kind\nA4C,0,\nA4C,1,anchor\nA4C,1,Negative\n", {"A4C": [0, 1]}, {"A4C": [1, 3]}),
        ("plane,number,path,group,frame,mirrored,kind\nA4C,3,bb22,5,0,true,negative\n", {}, {"A4C": [1, 3]}),
        ("aa11\nbb22\n", {}, {"A4C": [0, 1, 2, 3]}),
        ("path\naa11\n", {}, {"A4C": [0, 2]}),
        ("path,kind\naa11,negative\n", {}, {"A4C": [0, 2]}),
    ],
)
def test_negative_anchors_are_named_by_kind_or_path(
    text: str, anchors: dict[str, list[int]], negatives: dict[str, list[int]], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    found = read_exclusions(tmp_path / "list.txt", ANCHORS, NEGATIVES)
    assert (found.anchors, found.negatives) == (anchors, negatives)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A4C 4 negative\n", r"line 1: the model has no negative anchor 'A4C 4'; it has A4C 0 to 3\."),
        ("fetal_head 0 negative\n", "has no negative anchor 'fetal_head 0'"),
        ("path,kind\naa11,anchor\n", "line 2: the model has no anchor 'aa11'; it has A4C 0 to 3, fetal_head 0 to 1"),
        ("path,kind\naa11,neg\n", "line 2: column 'kind' must be anchor, negative or empty, got 'neg'"),
    ],
)
def test_lists_that_do_not_fit_the_negative_anchors_are_refused(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=complaint):
        read_exclusions(tmp_path / "list.txt", ANCHORS, NEGATIVES)


def test_model_without_negative_anchors_says_so(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("A4C 0 negative\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="has no negative anchor 'A4C 0'; it has none"):
        read_exclusions(tmp_path / "list.txt", ANCHORS)


def test_plane_whose_name_ends_like_a_kind_keeps_its_anchors(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("A4C_negative 0\n", encoding="utf-8")
    planes = {"A4C": ANCHORS["A4C"], "A4C_negative": ANCHORS["fetal_head"]}
    assert read_exclusions(tmp_path / "list.txt", planes).anchors == {"A4C_negative": [0]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "names no anchor"),
        ("# nothing\n", "names no anchor"),
        ("A4C 4\n", r"line 1: the model has no anchor 'A4C 4'; it has A4C 0 to 3, fetal_head 0 to 1"),
        ("a.png\n", "line 1: 'a.png' could be set/one/a.png or set/two/a.png"),
        ("plane,number\nA4C,1\nA2C,1\n", "line 3: the model has no anchor 'A2C 1'"),
        ("plane,number,path\nA4C,1,set/one/a.png\n", "line 2: the model has no anchor 'A4C 1 set/one/a.png'"),
        ("plane,number\nA4C,\n", "line 2: names no anchor"),
        ("plane,number\nA4C,first\n", "line 2: column 'number'"),
    ],
)
def test_lists_that_do_not_fit_the_model_are_refused(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=complaint):
        excluded(text, tmp_path)


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(DatasetError, match="cannot be read as text"):
        read_exclusions(tmp_path / "list.png", ANCHORS)
