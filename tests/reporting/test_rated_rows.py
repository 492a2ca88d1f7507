"""Tests of ``striq.reporting.rated_rows``."""

from __future__ import annotations

from pathlib import Path

import pytest

from striq.errors import DatasetError
from striq.reporting.rated_rows import read_ratings
from striq.reporting.read_scores import TableRow
from striq.reporting.rows import SCORE_COLUMNS


def row(source: str, frame: int = 0) -> TableRow:
    return TableRow(source, frame, "a4c", "a4c", 0.5, 0.5, {})


def ratings_of(rows: list[TableRow], text: str, folder: Path) -> list[float | None]:
    table = folder / "ratings.csv"
    table.write_text(text, encoding="utf-8")
    return read_ratings(table, rows).values


@pytest.mark.parametrize("name", ["a.png", "in/a.png", "./in/a.png", "in\\a.png", "/far/away/in/a.png"])
@pytest.mark.parametrize("source", ["/far/away/in/a.png", "in/a.png", "in\\a.png"])
def test_paths_meet_from_wherever_they_are_seen(name: str, source: str, tmp_path: Path) -> None:
    rows = [row(source), row("other/b.png")]
    assert ratings_of(rows, f"path,rating\n{name},3\n", tmp_path) == [3.0, None]


def test_exact_path_comes_before_paths_that_end_alike(tmp_path: Path) -> None:
    rows = [row(str(tmp_path / "in" / "a.png")), row(str(tmp_path / "a.png"))]
    assert ratings_of(rows, "path,rating\na.png,3\nin/a.png,1\n", tmp_path) == [1.0, 3.0]


def test_files_of_one_name_are_told_apart_or_refused(tmp_path: Path) -> None:
    rows = [row("x/in/a.png"), row("y/in/a.png"), row("x/banana.png")]
    assert ratings_of(rows, "path,rating\nx/in/a.png,1\ny/in/a.png,2\n", tmp_path) == [1.0, 2.0, None]
    with pytest.raises(DatasetError, match=r"line 2: 'in/a.png' could be x/in/a.png or y/in/a.png"):
        ratings_of(rows, "path,rating\nin/a.png,1\n", tmp_path)


def test_rating_is_of_one_frame_or_of_the_file(tmp_path: Path) -> None:
    rows = [row("c.tif", 0), row("c.tif", 1), row("d.tif", 0)]
    assert ratings_of(rows, "source,rating\nc.tif,2\n", tmp_path) == [2.0, 2.0, None]
    assert ratings_of(rows, "source,frame,rating\nc.tif,1,2\nc.tif,7,5\nd.tif,0,\n", tmp_path) == [None, 2.0, None]
    assert ratings_of(rows, "file,rater_1,rater_2\nd.tif,2,3\n", tmp_path) == [None, None, 2.5]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,rating\nc.tif,1\nc.tif,2\n", "line 3: frame 0 of c.tif is rated twice"),
        ("path,rating\nz.tif,1\n", r"rates no frame of the table of scores, which has files such as 'c.tif'"),
        ("path,quality_of_life\nc.tif,1\n", "no column with ratings"),
        ("name,rating\nc.tif,1\n", "is not a table of ratings"),
        ("path,rating\nc.tif,good\n", "line 2: column 'rating' must hold a finite number"),
    ],
)
def test_tables_that_do_not_fit_are_refused(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=complaint):
        ratings_of([row("c.tif", 0)], text, tmp_path)


def test_table_of_scores_is_no_table_of_ratings_unless_it_has_some(tmp_path: Path) -> None:
    header, cells = ",".join(SCORE_COLUMNS), ",".join("c.tif" if name == "source" else "1" for name in SCORE_COLUMNS)
    with pytest.raises(DatasetError, match="is not a table of ratings"):
        ratings_of([row("c.tif", 1)], f"{header}\n{cells}\n", tmp_path)
    assert ratings_of([row("c.tif", 1)], f"{header},rating\n{cells},4\n", tmp_path) == [4.0]
