from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from striq.errors import StriqError
from striq.serve.database import Database
from striq.serve.outbox import REPORT, Item
from striq.serve.queue import MAX_CRASHES
from striq.serve.settings import Disk
from tests.serve.conftest import Bench, make_settings, write_object


def fill(bench: Bench, tmp_path: Path, studies: int = 2, objects: int = 2) -> None:
    for study in range(1, studies + 1):
        for number in range(1, objects + 1):
            assert bench.receive(write_object(tmp_path / "in" / "one.dcm", study, number)) is None
        bench.clock.time += 1


def test_an_object_is_in_the_queue_once_by_uid_and_content(bench: Bench, tmp_path: Path) -> None:
    for _ in range(2):
        assert bench.receive(write_object(tmp_path / "a.dcm")) is None
    assert bench.receive(write_object(tmp_path / "a.dcm", PatientID="other")) is None
    assert bench.queue.counts()["waiting"] == 2
    assert bench.metric("striq_objects_received_total", origin="test") == 2
    assert bench.metric("striq_objects_duplicate_total", origin="test") == 1
    assert len(list(bench.layout.objects.rglob("*.dcm"))) == 2
    assert not list(bench.layout.incoming.iterdir())


def test_the_same_data_set_in_another_file_is_the_same_object(bench: Bench, tmp_path: Path) -> None:
    bench.receive(write_object(tmp_path / "a.dcm"))
    image = write_object(tmp_path / "b.dcm")
    content = image.read_bytes()
    image.write_bytes(b"\1" * 128 + content[128:])  # another preamble
    bench.receive(image)
    assert bench.queue.counts()["waiting"] == 1


def test_the_newest_study_is_scored_first(bench: Bench, tmp_path: Path) -> None:
    fill(bench, tmp_path)
    taken = [bench.queue.take() for _ in range(5)]
    assert [one and (one.study_uid, one.instance_uid[-1]) for one in taken] == [
        ("1.2.2", "1"),
        ("1.2.2", "2"),
        ("1.2.1", "1"),
        ("1.2.1", "2"),
        None,
    ]


def test_a_study_is_due_when_all_is_scored_and_quiet(bench: Bench, tmp_path: Path) -> None:
    fill(bench, tmp_path, studies=1)
    first, second = bench.queue.take(), bench.queue.take()
    assert first is not None
    assert second is not None
    bench.queue.finish(first.number)
    bench.clock.time += 100
    assert not bench.queue.due_studies(10)
    bench.queue.finish(second.number)
    assert [study.uid for study in bench.queue.due_studies(10)] == ["1.2.1"]
    bench.receive(write_object(tmp_path / "late.dcm", 1, 9))
    late = bench.queue.take()
    assert late is not None
    bench.queue.finish(late.number)
    assert not bench.queue.due_studies(10)


def test_what_was_being_scored_waits_again_after_a_restart_behind_the_others(bench: Bench, tmp_path: Path) -> None:
    fill(bench, tmp_path, studies=1)
    interrupted = bench.queue.take()
    assert interrupted is not None
    assert bench.queue.recover() == 1
    order = [bench.queue.take(), bench.queue.take()]
    assert [one and one.number for one in order] == [2, interrupted.number]


def test_the_third_crash_makes_a_dead_letter_that_can_be_tried_again(bench: Bench, tmp_path: Path) -> None:
    fill(bench, tmp_path, studies=1, objects=1)
    for crash in range(1, MAX_CRASHES + 1):
        job = bench.queue.take()
        assert job is not None
        bench.jobs.crashed(job, "exit status -9")
        assert bench.queue.counts()["dead"] == (crash == MAX_CRASHES)
    assert bench.queue.take() is None
    assert bench.queue.dead_objects()[0].error == "exit status -9"
    assert bench.queue.retry_dead() == 1
    assert bench.queue.take() is not None


def test_what_is_sent_to_a_destination_is_there_once(bench: Bench, tmp_path: Path) -> None:
    fill(bench, tmp_path, studies=1, objects=1)
    job = bench.queue.take()
    assert job is not None
    bench.queue.finish(job.number)
    bench.clock.time += 100
    (study,) = bench.queue.due_studies(10)
    for _ in range(2):
        bench.outbox.report_study(
            study, [job.number], [("pacs", Item(REPORT, "1.9", "x")), ("b", Item(REPORT, "1.9", "x"))]
        )
    assert bench.outbox.counts() == {("pacs", "pending"): 1, ("b", "pending"): 1}
    assert not bench.queue.due_studies(10)


def test_a_full_disk_refuses_and_takes_again_once_reports_went_out(tmp_path: Path) -> None:
    size = write_object(tmp_path / "a.dcm").stat().st_size
    settings = make_settings(tmp_path / "service", disk=Disk(max_gb=2.5 * size / 1e9, min_free_gb=0))
    bench = Bench(settings)
    fill(bench, tmp_path, studies=2, objects=1)
    refused = bench.receive(write_object(tmp_path / "c.dcm", 3))
    assert refused is not None
    assert refused.reason.value == "disk_full"
    assert not list(bench.layout.incoming.iterdir())
    for _ in range(2):
        job = bench.queue.take()
        assert job is not None
        bench.queue.finish(job.number)
    bench.clock.time += 100
    for study in bench.queue.due_studies(10):
        item = Item(REPORT, f"1.9.{study.number}", "x")
        objects = [one.number for one in bench.queue.scored_objects(study.number)]
        bench.outbox.report_study(study, objects, [("pacs", item)])
    assert bench.receive(write_object(tmp_path / "c.dcm", 3)) is not None  # reports have not gone out
    bench.outbox.mark_sent(next(sending.number for sending in bench.outbox.due("pacs") if sending.study == 1))
    assert bench.receive(write_object(tmp_path / "c.dcm", 3)) is None
    assert sorted(path.name for path in bench.layout.objects.iterdir() if any(path.iterdir())) == ["1.2.2", "1.2.3"]
    assert bench.receive(write_object(tmp_path / "a.dcm", 1)) is None  # was here: no room is needed
    assert Bench(settings).disk.bytes_kept == bench.disk.bytes_kept == 2 * size


def test_files_that_are_not_in_the_queue_are_removed_at_the_start(bench: Bench, tmp_path: Path) -> None:
    fill(bench, tmp_path, studies=1, objects=1)
    write_object(bench.layout.incoming / "half.dcm")
    write_object(bench.layout.objects / "1.2.77" / "unknown.dcm")
    write_object(bench.layout.objects / "1.2.1" / "unknown.dcm")
    bench.disk.remove_leftovers(at_start=True)
    assert [path.name[:9] for path in bench.settings.root.rglob("*.dcm")] == ["1.2.1.1.1"]
    assert not (bench.layout.objects / "1.2.77").exists()


def test_a_file_that_is_no_queue_is_told(tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StriqError, match="the queue cannot be opened"):
        Database(tmp_path / "queue.sqlite")
    database = Database(tmp_path / "other.sqlite")
    with database.transaction() as connection:
        connection.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(StriqError, match="expected a queue of version 1, got 9"):
        Database(tmp_path / "other.sqlite")


def test_a_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "queue.sqlite")

    def fail() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO studies (uid, first_received, last_received) VALUES ('1', 0, 0)")
            connection.execute("INSERT INTO objects (study) VALUES (1)")

    with pytest.raises(sqlite3.IntegrityError):
        fail()
    assert not database.read("SELECT * FROM studies")
    database.close()
