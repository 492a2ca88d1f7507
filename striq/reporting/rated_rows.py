"""Ratings of the frames in a table of scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from striq.data.datasets.table import Row, read_rows
from striq.data.datasets.us4qa import PATH_COLUMNS, first_column, mean_rating, rating_columns
from striq.errors import DatasetError
from striq.reporting.read_scores import TableRow
from striq.reporting.rows import SCORE_COLUMNS

FILE_COLUMNS = ("source", *PATH_COLUMNS)


@dataclass(frozen=True)
class FrameRatings:
    """Ratings of scored frames.

    Attributes:
        values: Rating of each row of the table of scores, ``None`` for a row without one.
        num_unused: Number of ratings that belong to no row.
    """

    values: list[float | None]
    num_unused: int


def read_ratings(path: Path, rows: Sequence[TableRow]) -> FrameRatings:
    """Return the rating of each row of a table of scores.

    Convention:
        - The file is in the first of ``FILE_COLUMNS`` that exists: an absolute path, a path relative to the table of
          ratings, or any path that ends like the scored one (the shorter of the two is the end of the longer).
        - With a column ``frame``, a rating belongs to that frame, counted from 0; otherwise to all frames of the file.
        - Ratings are in the columns that :func:`striq.data.datasets.us4qa.rating_columns` finds.

    Args:
        path: CSV of ratings.
        rows: Scored frames.

    Raises:
        DatasetError: If a column is missing, a rating could belong to several files, two ratings belong to one frame,
            or no frame is rated.
    """
    table = read_rows(path)
    file_column, columns = first_column(FILE_COLUMNS, table[0]), rating_columns(table, path)
    is_score_table = table[0].cells.keys() >= SCORE_COLUMNS.keys() and "quality" in columns
    if file_column is None or is_score_table:
        msg = f"{path}: is not a table of ratings. Expected columns path and rating, got: {', '.join(table[0].cells)}."
        raise DatasetError(msg)
    sources = _Sources.of(rows)
    ratings: dict[int, float] = {}
    num_unused = 0
    for row in table:
        rating = mean_rating(row, columns)
        found = [] if rating is None else _rows_of(row, sources.find(row, file_column, path.parent))
        num_unused += rating is not None and not found
        for index in found:
            if index in ratings:
                msg = f"{row.where}: frame {rows[index].frame} of {rows[index].source} is rated twice. Remove a row."
                raise DatasetError(msg)
            ratings[index] = float(rating or 0)
    if not ratings:
        example = rows[0].source
        msg = f"{path}: rates no frame of the table of scores, which has files such as {example!r}. Check the paths."
        raise DatasetError(msg)
    return FrameRatings([ratings.get(index) for index in range(len(rows))], num_unused)


def _rows_of(row: Row, frames: Mapping[int, int]) -> list[int]:
    """Return the rows of the table of scores that a rating belongs to, given those of its file by frame number."""
    if "frame" not in row.cells:
        return list(frames.values())
    number = row.count("frame")
    return [frames[number]] if number in frames else []


@dataclass(frozen=True)
class _Sources:
    """Rows of a table of scores by file and frame number.

    Attributes:
        frames: Rows of each file by frame number.
        by_name: Files of each name.
        by_place: Files by resolved path.
    """

    frames: Mapping[str, Mapping[int, int]]
    by_name: Mapping[str, list[str]]
    by_place: Mapping[Path, str]

    @classmethod
    def of(cls, rows: Sequence[TableRow]) -> _Sources:
        frames: dict[str, dict[int, int]] = defaultdict(dict)
        by_name: dict[str, list[str]] = defaultdict(list)
        for index, row in enumerate(rows):
            frames[row.source][row.frame] = index
        for source in frames:
            by_name[_parts(source)[-1]].append(source)
        return cls(frames, by_name, {Path(source).resolve(): source for source in frames})

    def find(self, row: Row, column: str, folder: Path) -> Mapping[int, int]:
        """Return the rows of the file that a rating names, none if the file was not scored."""
        name = row.text(column)
        exact = self.by_place.get((folder / name.replace("\\", "/")).resolve())
        if exact is not None:
            return self.frames[exact]
        parts = _parts(name)
        fitting = [source for source in self.by_name.get(parts[-1], ()) if _one_ends_other(_parts(source), parts)]
        if len(fitting) > 1:
            msg = f"{row.where}: {name!r} could be {fitting[0]} or {fitting[1]}. Give more of the path."
            raise DatasetError(msg)
        return self.frames[fitting[0]] if fitting else {}


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _one_ends_other(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[-shorter:] == other[-shorter:]
