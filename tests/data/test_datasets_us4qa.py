"""Tests of ``striq.data.datasets.us4qa`` on synthetic folders; the real data set is not public."""

from __future__ import annotations

from pathlib import Path

import pytest

from striq.data.datasets import load_dataset, recognize_layout
from striq.errors import DatasetError

HEADER = "path,rating\n"


@pytest.fixture
def us4qa(tmp_path: Path) -> Path:
    """Two planes with two exams each; all four exams hold a file of the same name."""
    for plane in ("Abdomen", "4CH"):
        for exam in ("exam_1", "exam_2"):
            (tmp_path / plane / exam).mkdir(parents=True)
            (tmp_path / plane / exam / "img_001.png").touch()
    write_scores(tmp_path, HEADER + "Abdomen/exam_1/img_001.png,1.5\nAbdomen/exam_2/img_001.png,4.5\n")
    return tmp_path


def write_scores(root: Path, text: str) -> None:
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / "quality_scores.csv").write_text(text)


def ratings(root: Path) -> dict[str, float | None]:
    return {record.path.relative_to(root).as_posix(): record.rating for record in load_dataset(root)}


def test_layout_is_recognized_by_its_table_of_scores(us4qa: Path) -> None:
    assert recognize_layout(us4qa) == "us4qa"


def test_same_file_name_in_two_exams_keeps_two_ratings(us4qa: Path) -> None:
    assert ratings(us4qa) == {
        "4CH/exam_1/img_001.png": None,
        "4CH/exam_2/img_001.png": None,
        "Abdomen/exam_1/img_001.png": 1.5,
        "Abdomen/exam_2/img_001.png": 4.5,
    }


def test_group_is_the_exam_and_plane_the_folder(us4qa: Path) -> None:
    listed = {(record.plane, record.group) for record in load_dataset(us4qa)}
    assert listed == {(plane, exam) for plane in ("Abdomen", "4CH") for exam in ("exam_1", "exam_2")}


@pytest.mark.parametrize(
    "text",
    [
        "Image Path,Quality Score\nAbdomen\\exam_2\\img_001.png,4.5\n",
        "plane,exam,filename,score\nAbdomen,exam_2,img_001.png,4.5\n",
        "file,sonographer_1,sonographer_2,sonographer_3\n./Abdomen/exam_2/img_001.png,4,5,\n",
        "\ufefffile,MOS\nAbdomen/exam_2/img_001.png,4.5\n",
    ],
    ids=["spaces-and-backslashes", "plane-exam-name", "mean-of-raters", "byte-order-mark"],
)
def test_column_names_follow_the_documented_rule(us4qa: Path, text: str) -> None:
    (us4qa / "annotations" / "quality_scores.csv").write_text(text, encoding="utf-8")
    assert ratings(us4qa)["Abdomen/exam_2/img_001.png"] == 4.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEADER + "img_001.png,1\n",
            r"line 2: no image 'img_001\.png'.*Expected a path like '4CH/exam_1/img_001\.png'",
        ),
        (HEADER + "Face/exam_1/img_001.png,1\n", r"no image 'Face/exam_1/img_001\.png'"),
        (HEADER + "4CH/exam_1/img_001.png,1\n4CH/exam_1/img_001.png,2\n", "line 3: .* is listed twice"),
        (HEADER + "4CH/exam_1/img_001.png,good\n", "column 'rating' must hold a finite number.*'good'"),
        (HEADER + "4CH/exam_1/img_001.png,nan\n", "must hold a finite number"),
        (HEADER, "the table has no rows"),
        ("path,age\na,1\n", "no column with ratings. Expected one of rating.*got path, age"),
        ("id,rating\na,1\n", "no column with file paths. Expected one of path.*got id, rating"),
    ],
)
def test_unusable_scores_are_refused_with_their_place(us4qa: Path, text: str, message: str) -> None:
    write_scores(us4qa, text)
    with pytest.raises(DatasetError, match=message):
        load_dataset(us4qa)


def test_image_outside_an_exam_folder_is_refused(us4qa: Path) -> None:
    (us4qa / "Abdomen" / "loose.png").touch()
    with pytest.raises(DatasetError, match=r"loose\.png: no exam folder"):
        load_dataset(us4qa)


def test_missing_table_names_the_layout_without_ratings(us4qa: Path) -> None:
    (us4qa / "annotations" / "quality_scores.csv").unlink()
    with pytest.raises(DatasetError, match=r"no annotations/quality_scores\.csv.*--layout planes"):
        load_dataset(us4qa, layout="us4qa")
    assert all(record.rating is None for record in load_dataset(us4qa, layout="planes"))
