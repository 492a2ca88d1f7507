"""A report as text for a terminal, no line of it wider than the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from rich.cells import cell_len

from striq.evaluation.reports.study_report import ReportTable, StudyReport

GAP = "  "  # between columns
NARROWEST = 20  # characters; text is not folded further


def terminal_text(report: StudyReport, width: int) -> str:
    """Return a report as text for a terminal.

    Convention:
        - A table wider than the terminal is printed in parts below one another, each with the first column.

    Args:
        report: The report.
        width: Of the terminal, characters; at least 20 are used.
    """
    width = max(NARROWEST, width)
    lines = [*textwrap.wrap(report.title, width), ""]
    note = [f"Note: {report.note}"] if report.note else []
    for table in report.tables:
        lines += [*textwrap.wrap(table.title, width), ""] if table.title else []
        for part in table_parts(table, width):
            lines += [*part, ""]
        for paragraph in (*table.remarks, *note):
            lines += [*textwrap.wrap(paragraph, width), ""]
    return "\n".join(lines)


def table_parts(table: ReportTable, width: int) -> list[list[str]]:
    """Return the lines of each part of a table; the first column is aligned left, all others right.

    Args:
        table: The table.
        width: Of the widest line, characters.
    """
    columns = list(zip(table.columns, *table.rows, strict=True))
    first = min(_width(columns[0]), width // 3)
    widths = [first, *(min(_width(column), width - first - len(GAP)) for column in columns[1:])]
    parts: list[list[int]] = [[0]]
    for index in range(1, len(columns)):
        used = sum(widths[i] + len(GAP) for i in parts[-1])
        if len(parts[-1]) > 1 and used + widths[index] > width:
            parts.append([0])
        parts[-1].append(index)
    return [_lines([columns[i] for i in part], [widths[i] for i in part]) for part in parts]


def _width(column: Sequence[str]) -> int:
    """Return the width of a column whose heading, the first cell, is folded between words."""
    heading, *cells = column
    return max(1, *map(cell_len, heading.split()), *map(cell_len, cells))


def _lines(columns: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    lines: list[str] = []
    for number, row in enumerate(zip(*columns, strict=True)):
        folded = [textwrap.wrap(cell, wide) for cell, wide in zip(row, widths, strict=True)]
        lines += [_line(cells, widths) for cells in zip_longest(*folded, fillvalue="")]
        if number == 0:
            lines.append(GAP.join("-" * wide for wide in widths))
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (" " * (wide - cell_len(cell)) for cell, wide in zip(cells, widths, strict=True))
    aligned = [cells[0] + first, *(space + cell for space, cell in zip(others, cells[1:], strict=True))]
    return GAP.join(aligned).rstrip()
