"""Tests of ``striq.reporting.score_table``: rows that survive whatever ends the run."""

from __future__ import annotations

import csv
import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

from striq.errors import StriqError
from striq.reporting.rows import score_columns, write_scores
from striq.reporting.score_table import GrowingTable, StreamedTable, partial_path, source_cell
from striq.scoring.results import FrameResult
from tests.score_factory import make_score

SETTINGS = {"model_sha256": "abc", "threshold": 0.5}
RESULTS = [
    FrameResult("a.png", 0, make_score(0.7, source="a.png")),
    FrameResult("b.png", None, error="b.png: bad"),
    *(FrameResult("=c.dcm", index, make_score(0.1 * index, source="=c.dcm", index=index)) for index in range(4)),
    FrameResult("d.png", 0, make_score(0.9, source="d.png")),
]


def rows_in(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))[1:]


def scored_so_far(out: Path, count: int) -> Path:
    """Write ``count`` results as a run does that is then killed."""
    table = GrowingTable(out, SETTINGS)
    for result in RESULTS[:count]:
        table.add(result)
    table._stream.close()  # as the system does
    return table.partial


def test_table_is_that_of_all_results_at_once(tmp_path: Path) -> None:
    table = GrowingTable(tmp_path / "s.csv", SETTINGS)
    for result in RESULTS:
        table.add(result)
    assert not table.path.exists()
    table.finish()
    assert table.path.read_bytes() == write_scores(tmp_path / "other.csv", RESULTS).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "s.csv"]


@pytest.mark.parametrize("count", range(len(RESULTS) + 1))
def test_every_row_is_on_the_disk_at_once(count: int, tmp_path: Path) -> None:
    assert len(rows_in(scored_so_far(tmp_path / "s.csv", count))) == count


@pytest.mark.parametrize("count", range(len(RESULTS) + 1))
@pytest.mark.parametrize("cut", [0, 1, 30])
def test_resumed_run_gives_the_table_of_one_run(count: int, cut: int, tmp_path: Path) -> None:
    partial = scored_so_far(tmp_path / "s.csv", count)
    partial.write_bytes(partial.read_bytes()[: len(partial.read_bytes()) - cut])
    table = GrowingTable(tmp_path / "s.csv", SETTINGS, resume=True)
    kept = [result for result in RESULTS if source_cell(result.source) in table.done]
    assert (table.num_rows, table.num_failed) == (len(kept), sum(result.score is None for result in kept))
    assert all(source_cell(result.source) in table.done for result in RESULTS[: max(0, count - 5)])
    for result in RESULTS:
        if source_cell(result.source) not in table.done:
            table.add(result)
    table.finish()
    assert table.path.read_bytes() == write_scores(tmp_path / "other.csv", RESULTS).read_bytes()


def test_rows_of_other_settings_are_not_resumed(tmp_path: Path) -> None:
    partial = scored_so_far(tmp_path / "s.csv", 3)
    before = partial.read_bytes()
    with pytest.raises(StriqError, match="other settings"):
        GrowingTable(tmp_path / "s.csv", {**SETTINGS, "threshold": 0.6}, resume=True)
    assert partial.read_bytes() == before


def test_new_run_starts_anew_and_says_how_many_rows_it_replaces(tmp_path: Path) -> None:
    scored_so_far(tmp_path / "s.csv", 3)
    table = GrowingTable(tmp_path / "s.csv", SETTINGS)
    assert (table.num_replaced, rows_in(table.partial)) == (3, [])
    table.close()


def test_second_run_on_the_same_table_is_refused(tmp_path: Path) -> None:
    first = GrowingTable(tmp_path / "s.csv", SETTINGS)
    first.add(RESULTS[0])
    for resume in (False, True):
        with pytest.raises(StriqError, match="another run is writing this table"):
            GrowingTable(tmp_path / "s.csv", SETTINGS, resume=resume)
    first.finish()
    assert len(rows_in(tmp_path / "s.csv")) == 1
    GrowingTable(tmp_path / "s.csv", SETTINGS).close()


def test_full_disk_leaves_whole_rows(tmp_path: Path) -> None:
    table = GrowingTable(tmp_path / "s.csv", SETTINGS)
    table.add(RESULTS[0])
    stream = table._stream

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(stream, name)

        def write(self, data: bytes) -> int:
            if len(data) > 20:
                return stream.write(data[:20])
            raise OSError(errno.ENOSPC, "No space left on device")

    table._stream = Full()  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space left"):
        table.add(RESULTS[2])
    table.close()
    assert len(rows_in(table.partial)) == 1
    assert table.partial.read_bytes().endswith(b"\n")


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "s.csv").symlink_to(tmp_path / "far" / "real.csv")
    table = GrowingTable(tmp_path / "s.csv", SETTINGS)
    table.add(RESULTS[0])
    table.finish()
    assert (tmp_path / "s.csv").is_symlink()
    assert len(rows_in(tmp_path / "far" / "real.csv")) == 1


def test_stream_takes_each_row_as_it_comes() -> None:
    stream = io.StringIO()
    table = StreamedTable(stream)
    for number, result in enumerate(RESULTS, start=2):
        table.add(result)
        assert stream.getvalue().count("\n") == number
    assert stream.getvalue().splitlines()[0] == ",".join(score_columns())


def test_run_without_rows_leaves_no_file(tmp_path: Path) -> None:
    GrowingTable(tmp_path / "s.csv", SETTINGS).close()
    assert list(tmp_path.iterdir()) == []


def test_partial_file_is_named_after_the_table(tmp_path: Path) -> None:
    assert partial_path(tmp_path / "s.csv").name == "s.csv.partial"
