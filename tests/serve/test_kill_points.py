"""However the service is killed, each study is reported exactly once, and no object is lost."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet
import pytest

from striq.audit.plan import ArchiveFile, AuditSettings
from striq.audit.shard_files import AuditRow
from striq.scoring.results import FrameResult
from striq.serve import database
from striq.serve.delivery import Delivery
from striq.serve.history import write_rows
from striq.serve.messages import Done, ReportJob, StudyFigures
from striq.serve.outbox import REPORT, WEBHOOK, Item
from striq.serve.queue import QueuedObject
from striq.serve.senders import Send
from tests.score_factory import make_score
from tests.serve.conftest import Bench, Clock, make_settings, write_object

SETTINGS = AuditSettings("sha", "model.pt", "0", 0.5)
OBJECTS = [(1, 1), (1, 2), (2, 1)]  # study and number


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill of the process, unlike a loss of power, loses nothing that was written."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(database, "SYNCHRONOUS", "OFF")


class Killed(BaseException):
    """The program ends here."""


class Killer:
    """Ends the program at chosen points, which are counted over all its lives."""

    def __init__(self, *points: int) -> None:
        self.points, self.count = set(points), 0

    def __call__(self) -> None:
        self.count += 1
        if self.count in self.points:
            raise Killed


class Receiver:
    """A destination: it keeps each instance once, as a PACS does, and notices another content."""

    def __init__(self, killer: Killer) -> None:
        self.kept: dict[str, bytes] = {}
        self.killer = killer

    @contextmanager
    def session(self) -> Generator[Send, None, None]:
        yield self.send

    def send(self, path: Path, uid: str) -> None:
        content = path.read_bytes()
        assert self.kept.setdefault(uid, content) == content
        self.killer()  # after it arrived, before the service knows


class World:
    """What outlives the service: sender, destinations, disk."""

    def __init__(self, folder: Path, killer: Killer) -> None:
        self.settings, self.clock, self.killer = make_settings(folder / "service"), Clock(), killer
        self.unsent = [
            write_object(folder / "sender" / f"{study}_{number}.dcm", study, number) for study, number in OBJECTS
        ]
        self.pacs, self.hook = Receiver(killer), Receiver(killer)

    def live(self) -> None:
        """Run the service until nothing is left to do, or it is killed."""
        bench = Bench(self.settings, self.clock)
        commit = bench.database.commit

        def watched_commit() -> None:
            self.killer()
            commit()
            self.killer()

        bench.database.commit = watched_commit  # type: ignore[method-assign]
        try:
            bench.disk.remove_leftovers(at_start=True)
            bench.queue.recover()
            self._receive(bench)
            self._work(bench)
        finally:
            bench.database.close()

    def _receive(self, bench: Bench) -> None:
        while self.unsent:
            assert bench.receive(self.unsent[0]) is None
            del self.unsent[0]  # acknowledged: the sender forgets it

    def _work(self, bench: Bench) -> None:
        deliveries = [
            Delivery(name, to, bench.layout, bench.outbox, bench.metrics, bench.log, self.clock)
            for name, to in (("pacs", self.pacs), ("hook", self.hook))
        ]
        for _ in range(3):
            self.clock.time += 100
            while (job := bench.jobs.next()) is not None:
                bench.jobs.done(job, Done(self._do(bench, job), 0.1))
            for delivery in deliveries:
                delivery.step()

    def _do(self, bench: Bench, job: QueuedObject | ReportJob) -> object:
        """Do what a worker does, with small files in the place of reports."""
        if isinstance(job, QueuedObject):
            source = bench.layout.source(job.study_uid, job.instance_uid, job.digest)
            assert source.is_file()
            result = FrameResult(str(source), 0, make_score())
            write_rows(bench.layout.result(job.number), [AuditRow(ArchiveFile(str(source)), result)], SETTINGS)
            return 1
        items = [
            self._item(bench, job, REPORT, f"{one.instance_uid}.9") for one in job.objects if one.number in job.new
        ]
        message = self._item(bench, job, WEBHOOK, f"{job.study.uid}.{job.study.revision}")
        return StudyFigures((*items, message), {}, 0)

    def _item(self, bench: Bench, job: ReportJob, kind: str, uid: str) -> Item:
        path = bench.layout.reports(job.study.uid, job.study.revision) / uid
        path.parent.mkdir(parents=True, exist_ok=True)
        if not any(other.name == uid for other in bench.layout.outbox.rglob(uid) if other != path):
            path.write_bytes(uid.encode() + bytes(str(self.clock.time), "ascii"))  # written again: other bytes
        return Item(kind, uid, str(path.relative_to(bench.layout.root)))

    def check(self) -> None:
        """Check that each study was reported exactly once, and that every object has its rows once."""
        uids = {f"1.2.{study}.1.{number}" for study, number in OBJECTS}
        assert set(self.pacs.kept) == {f"{uid}.9" for uid in uids}
        reported = Counter(uid.rpartition(".")[0] for uid in self.hook.kept)
        assert set(reported) == {f"1.2.{study}" for study, _ in OBJECTS}
        assert set(reported.values()) == {1}, "a study was reported twice"
        sources = pyarrow.parquet.read_table(self.settings.root / "audit")["source"].to_pylist()
        assert sorted(Path(source).name.split("_")[0] for source in sources) == sorted(uids)


def live_until_done(world: World) -> int:
    """Start the service again after each kill; return how often it was killed."""
    kills = 0
    while True:
        try:
            world.live()
        except Killed:
            kills += 1
        else:
            return kills


@pytest.fixture
def num_points(tmp_path: Path) -> int:
    killer = Killer()
    world = World(tmp_path / "count", killer)
    assert live_until_done(world) == 0
    world.check()
    return killer.count


def test_a_kill_at_any_point_loses_and_doubles_nothing(tmp_path: Path, num_points: int) -> None:
    assert num_points > 35
    for point in range(1, num_points + 1):
        world = World(tmp_path / str(point), Killer(point))
        assert live_until_done(world) == 1
        world.check()


def several(num_points: int) -> Iterator[tuple[int, ...]]:
    generator = random.Random(7)
    for _ in range(10):
        yield tuple(generator.sample(range(1, 2 * num_points), generator.randint(2, 8)))


def test_several_kills_lose_and_double_nothing(tmp_path: Path, num_points: int) -> None:
    for number, points in enumerate(several(num_points)):
        world = World(tmp_path / str(number), Killer(*points))
        live_until_done(world)
        world.check()


def test_the_test_sees_a_service_that_acknowledges_too_early(tmp_path: Path, num_points: int) -> None:
    def lost(point: int) -> bool:
        world = World(tmp_path / str(point), Killer(point))
        receive = Bench.receive

        def early(self: Bench, file: Path) -> None:
            world.unsent.remove(file)
            receive(self, file)
            world.unsent.insert(0, file)  # only so that the caller can remove it

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Bench, "receive", early)
            live_until_done(world)
        try:
            world.check()
        except (AssertionError, FileNotFoundError):
            return True
        return False

    assert any(lost(point) for point in range(1, min(12, num_points)))
