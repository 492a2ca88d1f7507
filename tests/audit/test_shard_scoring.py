"""Tests of scoring a batch, of the files of shards, of workers, and of the crash journal."""

from __future__ import annotations

import csv
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

import striq.audit.scoring
from striq import cli
from striq.audit.crash_journal import CrashJournal
from striq.audit.layout import JOURNAL_FOLDER, journal_path, shard_path
from striq.audit.plan import ArchiveFile, AuditSettings, Plan
from striq.audit.planning import plan_audit
from striq.audit.scoring import score_batch, spread
from striq.audit.shard_files import is_done, pending_shards, remove_leftovers, reopen_crashed, score_table
from striq.audit.worker import AuditWorker
from striq.errors import CheckpointError, StriqError
from striq.quality.terms import TERMS
from striq.reporting.rows import score_columns, score_row, term_columns
from striq.scoring.scorer import StriqScorer
from tests.audit.conftest import PATIENT, write_cine


@pytest.fixture
def plan(archive: Path, tmp_path: Path, settings: AuditSettings) -> Plan:
    return plan_audit(archive, tmp_path / "out", settings)


@pytest.fixture
def worker(plan: Plan, tmp_path: Path, tiny_model: Path) -> AuditWorker:
    return AuditWorker(tmp_path / "out", tiny_model, "cpu")


def run_all(worker: AuditWorker) -> list[dict[str, Any]]:
    for number in range(len(worker.plan.shards)):
        worker.run(number)
    return pyarrow.parquet.read_table(worker.folder).to_pylist()


def test_the_folder_is_one_table_with_the_figures_of_striq_score(
    worker: AuditWorker, archive: Path, tmp_path: Path, tiny_model: Path
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["score", str(archive), "--out", str(tmp_path / "s.csv"), "--model", str(tiny_model)])
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as stream:
        scored = {(row["source"], row["frame"]): row for row in csv.DictReader(stream)}
    rows = run_all(worker)
    assert len(rows) == len(scored) == 3 * 2 * 3 + 1 + 1
    for row in rows:
        expected = scored[str(row["source"]), "" if row["frame"] is None else str(row["frame"])]
        for name in score_columns():
            cell = expected[name]
            if isinstance(row[name], float):
                assert row[name] == pytest.approx(float(cell), abs=1e-6)
            else:
                assert row[name] == {"": None, "true": True, "false": False}.get(
                    cell, row["frame"] if name == "frame" else cell
                )


def test_quality_follows_from_the_terms_of_a_row(worker: AuditWorker) -> None:
    rows = [row for row in run_all(worker) if row["error"] is None]
    assert len(rows) == 19
    for row in rows:
        total = sum(row[f"{name}_weight"] * row[f"{name}_normalized"] for name in TERMS)
        assert total == pytest.approx(row["quality"], abs=1e-6)


def test_a_term_that_the_model_lacks_is_null(tiny_scorer: StriqScorer, plan: Plan) -> None:
    frame, *_ = score_batch(tiny_scorer, plan.files[:1], plan.settings)
    assert frame.result.score is not None
    terms = {name: value for name, value in frame.result.score.terms.items() if name != "contrast"}
    lacking = replace(frame, result=replace(frame.result, score=replace(frame.result.score, terms=terms)))
    (row,) = score_table([lacking], plan.settings).to_pylist()
    assert [row[name] for name in term_columns("contrast")] == [None] * 3
    assert isinstance(row["ncc"], float)


def test_every_row_says_where_it_comes_from_and_nothing_of_the_patient(worker: AuditWorker, plan: Plan) -> None:
    rows = run_all(worker)
    assert {row["model_sha256"] for row in rows} == {plan.settings.model_sha256}
    origins = {(row["study_instance_uid"], row["site"], row["operator"]) for row in rows}
    assert origins == {
        ("1.2.0", "North", "Operator^0"),
        ("1.2.1", "South", "Operator^1"),
        ("1.2.2", "North", "Operator^2"),
        (None, None, None),
    }
    assert PATIENT not in str(rows)
    assert "4711" not in str(rows)


def test_a_file_that_cannot_be_read_is_a_row(worker: AuditWorker, archive: Path) -> None:
    failed = [row for row in run_all(worker) if row["error"]]
    assert [(row["source"], row["frame"], row["quality"]) for row in failed] == [
        (str(archive / "stills" / "b.png"), None, None)
    ]


def test_a_batch_depends_on_its_files_and_settings_only(tiny_scorer: StriqScorer, plan: Plan) -> None:
    together = score_batch(tiny_scorer, plan.files, plan.settings)
    alone = [row for file in plan.files for row in score_batch(tiny_scorer, [file], plan.settings)]
    assert [score_row(row.result) for row in together] == [score_row(row.result) for row in alone]


def test_an_unknown_plane_stops_before_any_file(
    tiny_scorer: StriqScorer, settings: AuditSettings, tmp_path: Path
) -> None:
    with pytest.raises(StriqError, match="does not know the plane 'elbow'"):
        score_batch(tiny_scorer, [ArchiveFile(str(tmp_path))], replace(settings, plane="elbow"))


def test_some_frames_of_a_cine_keep_index_time_and_score(
    tiny_scorer: StriqScorer, settings: AuditSettings, tmp_path: Path
) -> None:
    file = ArchiveFile(str(write_cine(tmp_path / "a.dcm", num_frames=9, FrameTime="20")))
    everything = [row.result for row in score_batch(tiny_scorer, [file], settings)]
    some = [row.result for row in score_batch(tiny_scorer, [file], replace(settings, max_frames_per_cine=3))]
    assert [result.index for result in some] == [0, 4, 8]
    for result in some:
        assert result.index is not None
        expected = everything[result.index]
        assert result.score is not None
        assert expected.score is not None
        assert (result.score.index, result.score.time_s) == (result.index, expected.score.time_s)
        assert result.score.quality == pytest.approx(expected.score.quality, abs=1e-6)


@pytest.mark.parametrize("num_frames", [1, 2, 5, 60])
@pytest.mark.parametrize("limit", [0, 1, 2, 7, 100])
def test_spread_frames_are_distinct_and_reach_from_end_to_end(num_frames: int, limit: int) -> None:
    found = spread(num_frames, limit)
    assert found == sorted(set(found))
    assert len(found) == (min(num_frames, limit) if limit else num_frames)
    if limit != 1:
        assert (found[0], found[-1]) == (0, num_frames - 1)
        assert np.ptp(np.diff(found)) <= 1 if len(found) > 1 else True


def test_a_shard_that_is_done_is_not_done_again(worker: AuditWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.run(0)
    monkeypatch.setattr("striq.audit.worker.score_batch", lambda *_: pytest.fail("scored again"))
    worker.run(0)
    assert pending_shards(worker.folder, worker.plan) == [1, 2, 3]


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign"])
def test_a_shard_whose_file_is_damaged_or_of_another_plan_is_done_again(
    worker: AuditWorker, plan: Plan, damage: str
) -> None:
    worker.run(0)
    file = shard_path(worker.folder, 0)
    whole = file.read_bytes()
    if damage == "foreign":
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(file).replace_schema_metadata(None), file)
    else:
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    assert not is_done(worker.folder, 0, plan)
    worker.run(0)
    assert is_done(worker.folder, 0, plan)


def test_what_a_killed_process_left_half_written_counts_for_nothing(worker: AuditWorker) -> None:
    left = worker.folder / ".part-000000.parquet.0123.tmp"
    left.write_bytes(b"PAR1 half of it")
    with CrashJournal(worker.folder, 0).watch(0):
        pass
    assert len(run_all(worker)) == 20
    assert pending_shards(worker.folder, worker.plan) == []
    remove_leftovers(worker.folder)
    assert not left.exists()
    assert list((worker.folder / JOURNAL_FOLDER).iterdir()) == []


def test_a_model_that_has_changed_since_is_refused(worker: AuditWorker, tmp_path: Path, tiny_model: Path) -> None:
    other = tmp_path / "other.pt"
    other.write_bytes(tiny_model.read_bytes() + b"\0")
    with pytest.raises(StriqError, match=r"not the model of this audit\. Expected sha256"):
        AuditWorker(worker.folder, other, "cpu").run(0)
    with pytest.raises(CheckpointError):
        AuditWorker(worker.folder, tmp_path / "nowhere.pt", "cpu").run(0)
    assert not shard_path(worker.folder, 0).exists()


def test_progress_counts_the_files(worker: AuditWorker) -> None:
    done: list[int] = []
    for number in range(4):
        worker.run(number, lambda: done.append(1))
    assert len(done) == len(worker.plan.files)


def die(watch: AbstractContextManager[bool], error: BaseException) -> None:
    with suppress(BaseException), watch:
        raise error


def test_a_file_that_ended_three_processes_is_left_alone(tmp_path: Path) -> None:
    ended = []
    for _ in range(3):
        journal = CrashJournal(tmp_path, 0)
        with journal.watch(0) as may_be_scored:
            assert may_be_scored
        ended.append(journal.watch(1))
        assert ended[-1].__enter__()  # the process ends here, with no chance to note anything
    with CrashJournal(tmp_path, 0).watch(1) as may_be_scored:
        assert not may_be_scored
    with CrashJournal(tmp_path, 0).watch(0) as may_be_scored:
        assert may_be_scored


@pytest.mark.parametrize(("error", "may_be_scored"), [(MemoryError(), False), (KeyboardInterrupt(), True)])
def test_errors_not_foreseen_count_and_interruptions_do_not(
    tmp_path: Path, error: BaseException, may_be_scored: bool
) -> None:
    for _ in range(3):
        die(CrashJournal(tmp_path, 0).watch(0), error)
    with CrashJournal(tmp_path, 0).watch(0) as found:
        assert found is may_be_scored


def killed_in(worker: AuditWorker, name: str, times: int) -> None:
    """Leave the journal that so many kills in a file leave."""
    for number, shard in enumerate(worker.plan.shards):
        for index, file in enumerate(shard):
            if file.path.endswith(name):
                journal = journal_path(worker.folder, number)
                journal.parent.mkdir(parents=True, exist_ok=True)
                journal.write_text(f"start {index}\n" * times)


@pytest.mark.parametrize(("times", "rows"), [(1, 20), (2, 20), (3, 18)])
def test_two_kills_from_outside_do_not_give_a_file_up(worker: AuditWorker, times: int, rows: int) -> None:
    killed_in(worker, "study_01/cine_0.dcm", times)
    found = run_all(worker)
    assert len(found) == rows
    assert sum("--retry-crashed" in str(row["error"]) for row in found) == (times == 3)


def test_file_given_up_is_scored_again_on_demand(worker: AuditWorker) -> None:
    killed_in(worker, "study_01/cine_0.dcm", 3)
    assert len(run_all(worker)) == 18
    assert reopen_crashed(worker.folder, worker.plan) == 1
    assert pending_shards(worker.folder, worker.plan) == [2]
    assert len(run_all(worker)) == 20
    assert reopen_crashed(worker.folder, worker.plan) == 0


def test_any_exception_of_a_file_is_its_row(
    worker: AuditWorker, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = striq.audit.scoring.score_cine

    def failing(scorer: StriqScorer, cine: object, source: str, **options: Any) -> Any:
        yield from list(original(scorer, cine, source, **options))[:1]
        if source.endswith("study_01/cine_0.dcm"):
            msg = "a fault in a library"
            raise RuntimeError(msg)
        yield from list(original(scorer, cine, source, **options))[1:]

    monkeypatch.setattr("striq.audit.scoring.score_cine", failing)
    rows = run_all(worker)
    failed = [row for row in rows if row["error"] and "a fault in a library" in str(row["error"])]
    assert [(row["source"], row["frame"]) for row in failed] == [(str(archive / "study_01" / "cine_0.dcm"), 1)]
    assert len(rows) == 20 - 1
    assert not journal_path(worker.folder, 1).exists()


@pytest.mark.parametrize("moment", ["before", "while"])
def test_a_file_that_is_rewritten_is_one_row_that_says_so(
    worker: AuditWorker, archive: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive / "study_01" / "cine_0.dcm"
    original = striq.audit.scoring.open_cine

    def rewrite(given: str) -> object:
        cine = original(given)
        if given == str(path):
            write_cine(path, seed=77)
        return cine

    if moment == "before":
        write_cine(path, seed=77)
    else:
        monkeypatch.setattr("striq.audit.scoring.open_cine", rewrite)
    rows = [row for row in run_all(worker) if row["source"] == str(path)]
    assert len(rows) == 1
    assert rows[0]["quality"] is None
    when = {"before": "since the audit was planned", "while": "while it was scored"}[moment]
    assert f"was changed {when}" in str(rows[0]["error"])
