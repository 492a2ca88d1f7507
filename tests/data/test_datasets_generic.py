"""Tests of ``striq.data.datasets``: plane folders, flat folders, CSV lists and the choice between layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from striq.commands import options
from striq.data.datasets import load_dataset, recognize_layout
from striq.data.datasets.generic import load_list
from striq.data.layouts import LAYOUTS
from striq.data.phantom import write_phantom
from striq.errors import DatasetError

REAL_HC18 = Path(__file__).parents[2].parent / "shared" / "data" / "hc18_head"
FETUS = r"^(\d{3})_"


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def groups(root: Path, **options: str) -> dict[str, str]:
    return {record.path.name: record.group for record in load_dataset(root, **options)}


def write_list(folder: Path, text: str) -> Path:
    for name in ("a.png", "b.png", "sub/a.png"):
        touch(folder / name)
    path = folder / "frames.csv"
    path.write_text(text)
    return path


def test_plane_is_the_folder_and_group_the_first_folder_below(tmp_path: Path) -> None:
    touch(tmp_path / "kidney" / "exam_7" / "left" / "a.png")
    touch(tmp_path / "kidney" / "b.nii.gz")
    listed = {(record.path.name, record.plane, record.group) for record in load_dataset(tmp_path)}
    assert listed == {("a.png", "kidney", "exam_7"), ("b.nii.gz", "kidney", "b")}


def test_files_that_are_no_images_or_hidden_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "kidney" / "a.PNG")
    for name in ("kidney/notes.txt", "kidney/._a.png", "kidney/.cache/b.png", ".git/c.png", "__MACOSX/d.png"):
        touch(tmp_path / name)
    assert [record.path.name for record in load_dataset(tmp_path)] == ["a.PNG"]


def test_dicom_file_named_by_its_uid_is_listed(tmp_path: Path) -> None:
    path = touch(tmp_path / "kidney" / "1.2.840.5")
    path.write_bytes(bytes(128) + b"DICM")
    assert groups(tmp_path) == {"1.2.840.5": "1.2.840.5"}


def test_a_list_of_frames_that_are_never_split_needs_no_groups(tmp_path: Path) -> None:
    path = write_list(tmp_path, "path,plane\na.png,A4C\nsub/a.png,kidney\n")
    with pytest.raises(DatasetError, match=r"missing column\(s\) group"):
        load_list(path)
    assert [(record.plane, record.group) for record in load_list(path, grouped=False)] == [
        ("A4C", "a"),
        ("kidney", "a"),
    ]
    path.write_text("path,plane,group\na.png,A4C,patient_1\n")
    assert load_list(path, grouped=False) == load_list(path)


def test_flat_folder_is_the_plane_that_the_caller_names(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    assert [record.plane for record in load_dataset(tmp_path, plane="liver")] == ["liver"]
    with pytest.raises(DatasetError, match=r"does not state which plane they show\. Name the one plane: --planes"):
        load_dataset(tmp_path)


def test_group_pattern_joins_the_images_of_one_fetus(tmp_path: Path) -> None:
    for name in ("107_HC.png", "107_2HC.png", "108_HC.png"):
        touch(tmp_path / name)
    found = groups(tmp_path, plane="head", group_pattern=FETUS)
    assert found == {"107_HC.png": "107", "107_2HC.png": "107", "108_HC.png": "108"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"^(\d{4})_", r"107_HC\.png: the file name does not match"),
        (r"^\d{3}_", "must have one pair of parentheses, got 0"),
        (r"^(\d{3}", "is not a valid regular expression"),
    ],
)
def test_unusable_group_pattern_is_refused(tmp_path: Path, pattern: str, message: str) -> None:
    touch(tmp_path / "107_HC.png")
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path, plane="head", group_pattern=pattern)


def test_list_names_frames_relative_to_itself(tmp_path: Path) -> None:
    path = write_list(
        tmp_path / "list",
        "path,plane,group,rating,frame,remark\na.png,A4C,p1,3.5,0,x\na.png,A4C,p1,,2,\nsub/a.png,A2C,p2,1,,\n",
    )
    listed = [(r.path.relative_to(path.parent).as_posix(), r.plane, r.group, r.rating, r.frame_index)
              for r in load_dataset(path)]  # fmt: skip
    assert listed == [
        ("a.png", "A4C", "p1", 3.5, 0),
        ("a.png", "A4C", "p1", None, 2),
        ("sub/a.png", "A2C", "p2", 1.0, 0),
    ]


def test_absolute_paths_of_a_list_stay_as_they_are(tmp_path: Path) -> None:
    image = touch(tmp_path / "elsewhere" / "x.png")
    path = write_list(tmp_path / "list", f"path,plane,group\n{image},A4C,p1\n")
    assert load_dataset(path)[0].path == image


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,plane\na.png,A4C\n", r"missing column\(s\) group; the table has: path, plane"),
        ("path;plane;group\na.png;A4C;p\n", "Expected commas between columns"),
        ("path,plane,group\n", "the table has no rows"),
        ("path,plane,group\nc.png,A4C,p\n", r"line 2: no file .*c\.png"),
        ("path,plane,group,rating\na.png,A4C,p,Good\n", "column 'rating' must hold a finite number.*'Good'"),
        ("path,plane,group,frame\na.png,A4C,p,-1\n", "column 'frame' must hold an integer of 0 or more, got '-1'"),
        ("path,plane,group\na.png,A4C,\n", "line 2: column 'group' is empty"),
        ("path,plane,group\na.png,A4C\n", r"line 2: expected 3 cells \(path, plane, group\), got 2"),
        ("path,plane,group\na.png,A4C,p\n./a.png,A4C,p\n", r"line 3: frame 0 of a\.png is listed twice"),
        ("path,plane,group,group\na.png,A4C,p,q\n", "'group' appear more than once"),
        (
            "path,plane,group,frame\na.png,A4C,p,0\na.png,A4C,q,1\n",
            "line 3: a.png is in group 'q' here and in 'p' above",
        ),
    ],
)
def test_unusable_list_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dataset(write_list(tmp_path, text))


def test_table_of_ratings_fits_plane_folders_too(tmp_path: Path) -> None:
    touch(tmp_path / "data" / "kidney" / "a.png")
    table = tmp_path / "ratings.csv"
    table.write_text("path,rating\nkidney/a.png,3\n")
    assert [record.rating for record in load_dataset(tmp_path / "data", rating_table=table)] == [3.0]


def test_planes_are_selected_by_name(tmp_path: Path) -> None:
    for plane in ("kidney", "face", "abdomen"):
        touch(tmp_path / plane / "a.png")
    assert [record.plane for record in load_dataset(tmp_path, planes=["kidney", "face"])] == ["face", "kidney"]
    with pytest.raises(DatasetError, match="'liver'; it has: abdomen, face, kidney"):
        load_dataset(tmp_path, planes=("kidney", "liver"))


def test_folder_with_images_beside_plane_folders_is_ambiguous(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    touch(tmp_path / "kidney" / "b.png")
    with pytest.raises(DatasetError, match=r"ambiguous: planes or flat\. State it"):
        recognize_layout(tmp_path)
    assert [record.path.name for record in load_dataset(tmp_path, layout="planes")] == ["b.png"]


def test_empty_folder_and_missing_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the data set is empty"):
        load_dataset(tmp_path)
    with pytest.raises(DatasetError, match="Expected an existing folder or CSV list"):
        load_dataset(tmp_path / "missing")


def test_unknown_layout_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'camus'; expected one of auto, camus_official, camus_nifti"):
        load_dataset(tmp_path, layout="camus")  # pyright: ignore[reportArgumentType]


def test_option_that_the_layout_would_ignore_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "kidney" / "a.png")
    with pytest.raises(DatasetError, match="plane cannot be used with layout 'planes'"):
        load_dataset(tmp_path, plane="kidney")


def test_real_head_images_form_one_group_per_fetus() -> None:
    if not REAL_HC18.is_dir():
        pytest.skip(f"needs the HC18 sample at {REAL_HC18}")
    found = groups(REAL_HC18, plane="head", group_pattern=FETUS)
    assert found == {path.name: path.name.split("_")[0] for path in REAL_HC18.glob("*.png")}
    assert len(set(found.values())) < len(found)


def test_folder_with_one_list_is_that_list(tmp_path: Path) -> None:
    table = write_phantom(tmp_path, 2, 1, planes=("kidney",), size=(96, 96))
    (tmp_path / "other.csv").write_text("name,value\na,1\n", encoding="utf-8")
    assert recognize_layout(tmp_path) == "csv"
    assert load_dataset(tmp_path) == load_dataset(table)
    (tmp_path / "again.csv").write_bytes(table.read_bytes())  # two lists: ambiguous
    assert recognize_layout(tmp_path) != "csv"


def test_layouts_of_the_command_line_are_those_of_the_readers() -> None:
    assert options.LAYOUTS == LAYOUTS
