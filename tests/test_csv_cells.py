"""Tests of ``striq.csv_cells``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from striq.atomic_files import write_csv
from striq.csv_cells import csv_line, plain_cell, printable, safe_cell
from striq.data.datasets.table import read_rows


@pytest.mark.parametrize("text", ["=1+1", "+1 x", "-x", "@SUM(A1)", '=HYPERLINK("http://x")', "=", "-"])
def test_text_that_begins_like_a_formula_is_marked_as_text(text: str) -> None:
    assert safe_cell(text) == "'" + text
    assert plain_cell("'" + text) == text


@pytest.mark.parametrize("value", ["-0.25", "+3", "-1e-05", "-inf", -0.25, 7, None, "plain", "", "a=b", "'quoted'"])
def test_numbers_and_other_text_stay(value: object) -> None:
    assert safe_cell(value) == value


@pytest.mark.parametrize("sign", ["\r", "\n", "\t", "\x1b", "\x07", "\x9b", "\u202e", "\u2028", "\udce4"])
def test_control_characters_are_escapes(sign: str) -> None:
    cell = str(safe_cell(f"a{sign}b"))
    assert sign not in cell
    assert cell.isascii()
    assert sign not in printable(f"a{sign}b")
    assert csv_line([f"a{sign}b", "c"]).count("\n") == 1


def test_letters_of_all_languages_stay() -> None:
    assert printable("Herzöhr 心 é") == "Herzöhr 心 é"


def test_names_come_back_from_a_table(tmp_path: Path) -> None:
    names = ["=x.png", "-y.png", "a,b.png", 'say "z".png']
    write_csv(tmp_path / "a.csv", ["path"], [[name] for name in names])
    assert [row.text("path") for row in read_rows(tmp_path / "a.csv")] == names
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as stream:
        assert not any(cell.startswith(("=", "-")) for line in csv.reader(stream) for cell in line)
