"""Tests of ``striq.atomic_files``."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path

import pytest

from striq.atomic_files import replacing, write_bytes, write_csv, write_json, write_text


def test_bytes_come_back_as_written_and_missing_folders_are_made(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "new" / "folder" / "a.bin", b"\x00\r\n\xff")
    assert path.read_bytes() == b"\x00\r\n\xff"


def test_an_error_while_writing_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")

    def write_half() -> None:
        with replacing(path) as stream:
            stream.write(b"half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_content_until_the_block_ends(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")
    with replacing(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_content_is_on_the_disk_before_the_file_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (events.append("replace"), replace(self, to))[1])
    write_text(tmp_path / "a.txt", "new")
    assert events == ["fsync", "replace"]


@pytest.mark.skipif(os.name == "nt", reason="permission bits are POSIX")
def test_a_written_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.touch()
    written = write_text(tmp_path / "written.txt", "x")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_text_is_utf8_with_line_ends_as_given(tmp_path: Path) -> None:
    assert write_text(tmp_path / "a.txt", "ä\n±\r\n").read_bytes() == "ä\n±\r\n".encode()


def test_json_keeps_order_and_values(tmp_path: Path) -> None:
    value = {"b": 1, "a": [None, 0.1, "±"]}
    text = write_json(tmp_path / "a.json", value).read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.index('"b"') < text.index('"a"')


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_a_number_is_refused_and_nothing_is_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match=r"a\.json.*NaN or infinity.*None"):
        write_json(tmp_path / "a.json", {"srcc": value})
    assert not list(tmp_path.iterdir())


def test_csv_cells_with_commas_and_quotes_come_back(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ["name", "value"], [["a,b", 1], ['say "x"', 0.5]])
    with path.open(newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [["name", "value"], ["a,b", "1"], ['say "x"', "0.5"]]


def test_csv_row_of_wrong_length_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 3: expected 2 cells \(a, b\), got 1"):
        write_csv(tmp_path / "a.csv", ["a", "b"], [[1, 2], [3]])
