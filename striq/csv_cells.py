"""Cells of CSV files that no spreadsheet takes for a formula and no terminal for a command."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence

FORMULA_STARTS = ("=", "+", "-", "@")
TEXT_MARK = "'"  # spreadsheets take what follows as text
ESCAPED_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format and surrogate characters, line separators


def printable(text: str, keep: str = "") -> str:
    r"""Return text whose control characters are written as escapes, so that it cannot steer a terminal.

    Args:
        text: Any text.
        keep: Control characters to leave as they are.

    Example:
        >>> printable("red\x1b[31m")
        'red\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(
        sign.encode("unicode_escape").decode("ascii")
        if unicodedata.category(sign) in ESCAPED_CATEGORIES and sign not in keep
        else sign
        for sign in text
    )


def safe_cell(value: object) -> object:
    """Return a cell that a spreadsheet does not take for a formula; numbers stay as they are.

    Convention:
        - Text that begins like a formula gets an apostrophe in front, which :func:`plain_cell` removes.
        - Control characters are written as escapes.

    Example:
        >>> [safe_cell("=1+1"), safe_cell("-0.5"), safe_cell(-0.5)]
        ["'=1+1", '-0.5', -0.5]
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return TEXT_MARK + text if text.startswith(FORMULA_STARTS) and not _is_number(text) else text


def plain_cell(text: str) -> str:
    """Return the text of a cell without the apostrophe that :func:`safe_cell` puts before a formula."""
    return text[1:] if text.startswith(tuple(TEXT_MARK + start for start in FORMULA_STARTS)) else text


def csv_line(cells: Sequence[object]) -> str:
    """Return one line of a CSV file, with its line end."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow([safe_cell(cell) for cell in cells])
    return buffer.getvalue()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
