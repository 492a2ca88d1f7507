"""Reading of CSV tables that belong to data sets: lists of frames and of ratings."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from striq.csv_cells import plain_cell
from striq.errors import DatasetError


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        cells: Text of each cell by column name.
        where: File and line, for messages.
    """

    cells: dict[str, str]
    where: str

    def text(self, column: str) -> str:
        """Return the text of a cell.

        Raises:
            DatasetError: If the cell is empty.
        """
        value = self.cells[column]
        if not value:
            msg = f"{self.where}: column {column!r} is empty. Fill it in or remove the row."
            raise DatasetError(msg)
        return value

    def number(self, column: str) -> float | None:
        """Return a cell as a finite number, or ``None`` if it is empty.

        Raises:
            DatasetError: If the cell is not a finite number.
        """
        value = self.cells[column]
        if not value:
            return None
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            msg = f"{self.where}: column {column!r} must hold a finite number or be empty, got {value!r}."
            raise DatasetError(msg)
        return number

    def count(self, column: str) -> int:
        """Return a cell as a nonnegative integer, or 0 if it is empty.

        Raises:
            DatasetError: If the cell is not a nonnegative integer.
        """
        value = self.cells[column] or "0"
        if not (value.isascii() and value.isdigit()):
            msg = f"{self.where}: column {column!r} must hold an integer of 0 or more, got {value!r}."
            raise DatasetError(msg)
        return int(value)


def column_name(text: str) -> str:
    """Return the normalized name of a column: lower case, with ``_`` for spaces and hyphens."""
    return text.strip().lower().replace(" ", "_").replace("-", "_")


def read_rows(path: Path, *, delimiter: str = ",") -> list[Row]:
    """Read a comma-separated UTF-8 table with a header line; empty lines are skipped.

    Args:
        path: CSV file.
        delimiter: What separates the cells, for tables that are published with another one.

    Raises:
        DatasetError: If the file is missing, is not such a table, has no rows, or has a row of the wrong length.
    """
    if not path.is_file():
        msg = f"{path}: no such table. Expected a CSV file with a header line."
        raise DatasetError(msg)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:  # spreadsheet programs write a BOM
            reader = csv.reader(stream, strict=True, delimiter=delimiter)
            lines = [(reader.line_num, line) for line in reader if any(cell.strip() for cell in line)]
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: not a comma-separated table in UTF-8 ({error}). Save it as 'CSV UTF-8'."
        raise DatasetError(msg) from error
    if len(lines) < 2:
        msg = f"{path}: the table has no rows. Expected a header line and at least one row."
        raise DatasetError(msg)
    header = [column_name(cell) for cell in lines[0][1]]
    _check_header(header, path)
    return [_row(header, line, f"{path}, line {number}") for number, line in lines[1:]]


def require_columns(rows: list[Row], columns: tuple[str, ...], path: Path) -> None:
    """Check that a table has all of ``columns``.

    Raises:
        DatasetError: If columns are missing; the message names all of them.
    """
    present = rows[0].cells
    missing = [column for column in columns if column not in present]
    if missing:
        msg = f"{path}: missing column(s) {', '.join(missing)}; the table has: {', '.join(present)}."
        raise DatasetError(msg)


def _check_header(header: list[str], path: Path) -> None:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        msg = f"{path}: the header {header[0]!r} is one column. Expected commas between columns."
        raise DatasetError(msg)
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        msg = f"{path}: column(s) {', '.join(map(repr, repeated))} appear more than once; a name must be unique."
        raise DatasetError(msg)


def _row(header: list[str], line: list[str], where: str) -> Row:
    if len(line) != len(header):
        msg = f"{where}: expected {len(header)} cells ({', '.join(header)}), got {len(line)}."
        raise DatasetError(msg)
    return Row(dict(zip(header, (plain_cell(cell.strip()) for cell in line), strict=True)), where)
