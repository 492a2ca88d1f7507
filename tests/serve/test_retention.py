from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from striq.serve.history import day_path
from striq.serve.outbox import REPORT, Item
from striq.serve.retention import DAY_S, Expiry
from striq.serve.settings import Retention
from striq.serve.status import expired_files
from tests.serve.conftest import Bench, write_object

BOTH = Retention(pages_days=30, parquet_days=30)


@pytest.fixture
def old(bench: Bench, tmp_path: Path) -> Bench:
    """Three studies of 40 days ago, reported but not sent; the second and the third came on one day."""
    for study in (1, 2, 3):
        bench.receive(write_object(tmp_path / "a.dcm", study))
        bench.layout.page(f"1.2.{study}").write_text("page", encoding="utf-8")
        day_path(bench.layout.audit, bench.clock.time).write_bytes(b"rows")
        bench.clock.time += DAY_S if study == 1 else 1
    while (one := bench.queue.take()) is not None:
        bench.queue.finish(one.number)
    bench.clock.time += 100
    for study in bench.queue.due_studies(10):
        objects = [one.number for one in bench.queue.scored_objects(study.number)]
        bench.outbox.report_study(study, objects, [("pacs", Item(REPORT, f"1.9.{study.number}", "x"))])
    bench.clock.time += 40 * DAY_S
    return bench


def send(bench: Bench, *studies: int) -> None:
    for sending in bench.outbox.due("pacs"):
        if sending.study in studies:
            bench.outbox.mark_sent(sending.number)


def expiry(bench: Bench, settings: Retention = BOTH) -> Expiry:
    return Expiry(bench.layout, bench.database, settings, bench.clock)


def kept(bench: Bench) -> tuple[list[str], int]:
    """Return the studies whose pages are there, and the number of Parquet files."""
    return sorted(path.stem for path in bench.layout.pages.iterdir()), len(list(bench.layout.audit.iterdir()))


def test_nothing_is_removed_unless_days_are_set_and_the_log_says_so(old: Bench) -> None:
    send(old, 1, 2, 3)
    off = expiry(old, Retention())
    off.announce(old.log)
    off.remove(old.log)
    assert not off.is_on
    assert kept(old) == (["1.2.1", "1.2.2", "1.2.3"], 2)
    assert [json.loads(line)["event"] for line in old.lines.getvalue().splitlines()][-1] == "retention is off"


def test_what_is_old_and_delivered_is_removed_and_counted(old: Bench) -> None:
    send(old, 1, 2)
    found = expiry(old)
    found.announce(old.log)
    found.remove(old.log)
    assert kept(old) == (["1.2.3"], 1)  # the third study waits to be sent, and its rows are in the file of the second
    begun, removed = [json.loads(line) for line in old.lines.getvalue().splitlines()][-2:]
    assert (begun["event"], begun["pages_days"], begun["parquet_days"]) == ("retention", 30, 30)
    assert (removed["event"], removed["pages"], removed["parquet_files"]) == ("removed by age", 2, 1)
    send(old, 3)
    found.remove(old.log)
    assert kept(old) == ([], 0)


def test_each_kind_of_file_has_its_own_days(old: Bench) -> None:
    send(old, 1, 2, 3)
    expiry(old, Retention(pages_days=39.5)).remove(old.log)
    assert kept(old) == ([], 2)
    expiry(old, Retention(parquet_days=40.5)).remove(old.log)
    assert kept(old) == ([], 1)


@pytest.mark.parametrize("state", ["late object", "dead object", "dead letter"])
def test_a_study_that_is_not_finished_keeps_its_files(old: Bench, tmp_path: Path, state: str) -> None:
    send(old, 1, 2, 3)
    if state == "late object":
        old.receive(write_object(tmp_path / "b.dcm", 1, 2))
        old.clock.time += 40 * DAY_S
    elif state == "dead object":
        with old.database.transaction() as connection:
            connection.execute("UPDATE objects SET state = 'dead' WHERE study = 1")
    else:
        with old.database.transaction() as connection:
            connection.execute("UPDATE outbox SET state = 'dead' WHERE study = 1")
    expiry(old).remove(old.log)
    assert kept(old) == (["1.2.1"], 1)


def test_a_dry_run_names_the_files_and_removes_none(old: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    send(old, 1)
    monkeypatch.setattr("striq.serve.retention.time.time", old.clock)
    found = expired_files(replace(old.settings, retention=BOTH))
    assert [path.name for path in found] == ["1.2.1.html", day_path(Path(), 1_760_000_000.0).name]
    assert kept(old) == (["1.2.1", "1.2.2", "1.2.3"], 2)
