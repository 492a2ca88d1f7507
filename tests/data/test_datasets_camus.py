"""Tests of ``striq.data.datasets.camus`` on small synthetic folders, and on the real data if present."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from pathlib import Path

import pytest

from striq.data.datasets import load_dataset, recognize_layout
from striq.errors import DatasetError

REAL_DATA = Path(__file__).parents[2].parent / "shared" / "data"


def make_patient(root: Path, name: str, suffix: str, grades: dict[str, str] | None) -> None:
    """Write empty files with the names of one CAMUS patient."""
    folder = root / name
    folder.mkdir(parents=True)
    for view in ("2CH", "4CH"):
        for end in ("ED", "ES", "ED_gt", "ES_gt", "sequence", "half_sequence"):
            (folder / f"{name}_{view}_{end}{suffix}").touch()
        if grades is not None:
            (folder / f"Info_{view}.cfg").write_text(f"ED: 1\nImageQuality: {grades[view]}\nLVef: 63.2\n")


@pytest.fixture
def official(tmp_path: Path) -> Path:
    make_patient(tmp_path, "patient0001", ".mhd", {"2CH": "Good", "4CH": "Poor"})
    make_patient(tmp_path, "patient0002", ".mhd", {"2CH": "Medium", "4CH": "Good"})
    return tmp_path


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    for name in ("patient0001", "patient0002"):
        make_patient(tmp_path / "database_nifti", name, ".nii.gz", None)
    return tmp_path


def write_table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_rating_comes_from_the_info_file_of_the_same_view(official: Path) -> None:
    ratings = {(record.group, record.plane): record.rating for record in load_dataset(official)}
    assert ratings == {
        ("patient0001", "A2C"): 2.0,
        ("patient0001", "A4C"): 0.0,
        ("patient0002", "A2C"): 1.0,
        ("patient0002", "A4C"): 2.0,
    }


@pytest.mark.parametrize("suffix", [".mhd", ".nii.gz"])
def test_only_end_diastole_and_end_systole_are_listed(tmp_path: Path, suffix: str) -> None:
    make_patient(tmp_path, "patient0001", suffix, None)
    names = [record.path.name for record in load_dataset(tmp_path)]
    assert names == [f"patient0001_{view}_{end}{suffix}" for view in ("2CH", "4CH") for end in ("ED", "ES")]


def test_patients_without_info_file_take_their_grade_from_the_table(nifti: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", "patient,image_quality_2ch,image_quality_4ch\npatient0001,Poor,Good\n")
    ratings = {(record.group, record.plane): record.rating for record in load_dataset(nifti, rating_table=table)}
    assert ratings[("patient0001", "A2C")] == 0.0
    assert ratings[("patient0001", "A4C")] == 2.0
    assert ratings[("patient0002", "A4C")] is None


def test_info_file_goes_before_the_table(official: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", "patient,rating\npatient0001,Medium\n")
    ratings = {(record.group, record.plane): record.rating for record in load_dataset(official, rating_table=table)}
    assert ratings[("patient0001", "A4C")] == 0.0


def test_grades_of_the_other_view_are_taken_with_a_warning(
    nifti: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = write_table(tmp_path / "t.csv", "patient,image_quality_2ch\npatient0001,good\n")
    with caplog.at_level(logging.WARNING):
        records = load_dataset(nifti, rating_table=table, planes=("A4C",))
    assert {record.rating for record in records if record.group == "patient0001"} == {2.0}
    assert "the frames of 4CH get the grades of another view, in column image_quality_2ch" in caplog.text


def test_recognized_layout_is_logged(official: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load_dataset(official)
    assert "recognized layout 'camus_official'" in caplog.text
    assert "8 frames of 2 groups, 8 of them rated" in caplog.text


def test_mixed_layouts_must_be_told_apart_by_the_caller(official: Path) -> None:
    make_patient(official / "database_nifti", "patient0009", ".nii.gz", None)
    with pytest.raises(DatasetError, match="ambiguous: camus_official or camus_nifti"):
        load_dataset(official)
    assert {record.group for record in load_dataset(official, layout="camus_nifti")} == {"patient0009"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,rating\np,1\n", r"missing column\(s\) patient; the table has: name, rating"),
        ("patient,age\npatient0001,5\n", "no column with grades. Expected image_quality_2ch or rating"),
        ("patient,rating\npatient0001,Excellent\n", r"line 2: expected the grade Poor, Medium or Good.*'Excellent'"),
        ("patient,rating\npatient0001,1\npatient0001,1\n", "line 3: 'patient0001' is listed twice"),
        ("patient,rating\n001,Good\n", "none of its patients is in the data set.*'patient0001'"),
    ],
)
def test_unusable_table_is_refused_with_its_place(nifti: Path, tmp_path: Path, text: str, message: str) -> None:
    table = write_table(tmp_path / "t.csv", text)
    with pytest.raises(DatasetError, match=message):
        load_dataset(nifti, rating_table=table)


def test_info_file_without_grade_is_refused(official: Path) -> None:
    (official / "patient0002" / "Info_4CH.cfg").write_text("ED: 1\n")
    with pytest.raises(DatasetError, match=r"Info_4CH\.cfg: no line 'ImageQuality"):
        load_dataset(official)


def test_unknown_plane_names_those_present(official: Path) -> None:
    with pytest.raises(DatasetError, match="'4CH'; it has: A2C, A4C"):
        load_dataset(official, planes=("4CH",))


def test_real_official_release_lists_both_frames_of_both_views() -> None:
    root = REAL_DATA / "camus_official"
    if not root.is_dir():
        pytest.skip(f"needs the CAMUS sample at {root}")
    assert Counter(record.plane for record in load_dataset(root)) == {"A2C": 6, "A4C": 6}


def test_real_nifti_release_has_the_grades_of_its_table() -> None:
    root = REAL_DATA / "camus_a4c"
    if not root.is_dir():
        pytest.skip(f"needs the CAMUS sample at {root}")
    assert recognize_layout(root) == "camus_nifti"
    records = load_dataset(root, rating_table=root / "grades_from_2ch.csv", planes=("A4C",))
    with (root / "grades_from_2ch.csv").open(newline="") as stream:
        grades = Counter(row["image_quality_2ch"] for row in csv.DictReader(stream))
    rating_of_patient = {record.group: record.rating for record in records}
    assert Counter(rating_of_patient.values()) == {
        0.0: grades["Poor"],
        1.0: grades["Medium"],
        2.0: grades["Good"],
    }
    assert len(records) == len(list(root.rglob("*_E[DS].nii.gz")))
