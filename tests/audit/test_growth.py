"""An audit that grows has the rows of a new audit of the same files."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import striq.audit.worker
from striq.audit.attributes import Attributes
from striq.audit.plan import AuditSettings, FileState, Plan
from striq.audit.planning import plan_audit
from striq.audit.row_updates import update_rows
from striq.audit.shard_files import pending_shards
from striq.audit.summary import summarize
from striq.audit.worker import AuditWorker
from striq.errors import StriqError
from striq.verdict import is_accepted
from tests.audit.conftest import write_cine, write_still

Rows = list[dict[str, Any]]


@pytest.fixture
def said() -> list[str]:
    """What the planning says."""
    return []


@pytest.fixture
def audit(tiny_model: Path, said: list[str]) -> Callable[..., tuple[Plan, Rows]]:
    """Plan an audit, score what is pending, and return plan and rows."""

    def run(archive: Path, out: Path, settings: AuditSettings, *, limit: int | None = None, **more: Any) -> Any:
        plan = plan_audit(archive, out, settings, say=said.append, **more)
        update_rows(out, plan)
        worker = AuditWorker(out, tiny_model, "cpu")
        for number in pending_shards(out, plan)[:limit]:
            worker.run(number)
        return plan, pyarrow.parquet.read_table(out).to_pylist()

    return run


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are scored, in order."""
    names: list[str] = []
    original = striq.audit.worker.score_batch

    def note(scorer: Any, files: Any, *given: Any) -> Any:
        names.extend(Path(file.path).name for file in files)
        return original(scorer, files, *given)

    monkeypatch.setattr(striq.audit.worker, "score_batch", note)
    return names


def change(archive: Path) -> None:
    """Add a study, change a cine, and remove a still."""
    write_cine(archive / "new" / "n.dcm", seed=50, StudyInstanceUID="1.2.99", OperatorsName="New^One")
    write_cine(archive / "study_01" / "cine_0.dcm", seed=60, num_frames=2, StudyInstanceUID="1.2.1")
    (archive / "stills" / "a.png").unlink()


def in_order(rows: Rows, *, without: tuple[str, ...] = ()) -> Rows:
    kept = [{name: value for name, value in row.items() if name not in without} for row in rows]
    return sorted(kept, key=lambda row: (row["source"], -1 if row["frame"] is None else row["frame"]))


def test_new_and_changed_files_are_scored_and_gone_ones_marked(
    archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any, scored: list[str], said: list[str]
) -> None:
    audit(archive, tmp_path / "out", settings)
    scored.clear()
    change(archive)
    plan, rows = audit(archive, tmp_path / "out", settings)
    assert sorted(scored) == ["cine_0.dcm", "n.dcm"]
    assert said == ["Files since the last run: 1 new, 1 changed, 1 gone."]
    assert {Path(row["source"]).name for row in rows if row["gone"]} == {"a.png"}
    assert plan.num_gone == 1
    _, expected = audit(archive, tmp_path / "fresh", settings)
    assert in_order([row for row in rows if not row["gone"]]) == in_order(expected)


def test_the_same_archive_is_not_scored_again(
    archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any, scored: list[str], said: list[str]
) -> None:
    before = audit(archive, tmp_path / "out", settings)
    scored.clear()
    assert audit(archive, tmp_path / "out", settings) == before
    assert scored == said == []


def test_interrupted_growth_goes_on(
    archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any, scored: list[str]
) -> None:
    audit(archive, tmp_path / "out", settings, limit=2)  # the stills and study 0
    assert len(scored) == 4
    change(archive)
    (archive / "study_02" / "cine_0.dcm").unlink()  # in a shard that is pending
    audit(archive, tmp_path / "out", settings, limit=1)
    _, rows = audit(archive, tmp_path / "out", settings)
    assert len(scored) == 4 + 4  # the changed, the new and the two others that are left
    _, expected = audit(archive, tmp_path / "fresh", settings)
    assert in_order([row for row in rows if not row["gone"]]) == in_order(expected)
    assert {Path(row["source"]).name for row in rows if row["gone"]} == {"a.png"}


def test_a_file_that_is_back_is_no_longer_marked(
    archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any, scored: list[str]
) -> None:
    _, before = audit(archive, tmp_path / "out", settings)
    scored.clear()
    away = tmp_path / "away.png"
    (archive / "stills" / "a.png").rename(away)
    plan, rows = audit(archive, tmp_path / "out", settings)
    assert sum(row["gone"] for row in rows) == 1
    summary = summarize(tmp_path / "out", plan)
    assert (summary.num_files, summary.num_gone, summary.num_scored) == (7, 1, 18)
    away.rename(archive / "stills" / "a.png")
    _, again = audit(archive, tmp_path / "out", settings)
    assert in_order(again) == in_order(before)
    assert scored == []


def test_another_threshold_is_applied_without_scoring(
    archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any, scored: list[str]
) -> None:
    _, rows = audit(archive, tmp_path / "out", settings)
    middle = sorted(row["quality"] for row in rows if row["quality"] is not None)[9]
    scored.clear()
    plan, changed = audit(archive, tmp_path / "out", replace(settings, threshold=middle))
    assert scored == []
    assert in_order(changed, without=("threshold", "accepted")) == in_order(rows, without=("threshold", "accepted"))
    for row in changed:
        if row["quality"] is None:
            assert row["threshold"] is row["accepted"] is None
        else:
            assert row["threshold"] == pytest.approx(middle, abs=1e-7)
            assert row["accepted"] == is_accepted(row["quality"], row["plane"], middle)
    assert summarize(tmp_path / "out", plan).whole.num_accepted == sum(bool(row["accepted"]) for row in changed)
    assert audit(archive, tmp_path / "out", settings)[1] == rows


def test_other_values_of_a_manifest_are_taken_over_without_scoring(
    tmp_path: Path, settings: AuditSettings, audit: Any, scored: list[str]
) -> None:
    write_still(tmp_path / "a.png")
    write_cine(tmp_path / "b.dcm", InstitutionName="Header")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,site\na.png,North\nb.dcm,North\n")
    audit(manifest, tmp_path / "out", settings)
    scored.clear()
    manifest.write_text("path,site\na.png,South\nb.dcm,\n")
    _, rows = audit(manifest, tmp_path / "out", settings)
    assert {(Path(row["source"]).name, row["site"]) for row in rows} == {("a.png", "South"), ("b.dcm", "Header")}
    assert scored == []


def test_only_files_since_a_date_are_added(
    archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any, said: list[str]
) -> None:
    for name in ("a.png", "b.png"):  # without a date of their own
        os.utime(archive / "stills" / name, (0, 0))
    since = datetime.date(2024, 3, 1)
    plan, _ = audit(archive, tmp_path / "out", settings, since=since)
    assert {Path(file.path).parent.name for file in plan.files} == {"study_02"}
    assert said == ["6 files of before 2024-03-01 are left out."]
    plan, _ = audit(archive, tmp_path / "out", settings)
    assert len(plan.files) == 8
    write_cine(archive / "study_00" / "cine_0.dcm", seed=80, StudyInstanceUID="1.2.0", StudyDate="20240115")
    plan, rows = audit(archive, tmp_path / "out", settings, since=since)
    assert len(plan.files) == 8  # a file that was audited is not dropped because it has changed
    assert str(archive / "study_00" / "cine_0.dcm") in {row["source"] for row in rows}


def test_files_that_change_again_and_again_have_one_set_of_rows(
    tmp_path: Path, settings: AuditSettings, audit: Any
) -> None:
    path = tmp_path / "archive" / "a.dcm"
    write_cine(tmp_path / "archive" / "b.dcm", seed=1)
    for seed in range(3):
        write_cine(path, seed=seed + 10, num_frames=seed + 1)
        plan, rows = audit(tmp_path / "archive", tmp_path / "out", settings)
        assert sum(row["source"] == str(path) for row in rows) == seed + 1
    states = [file.state for shard in plan.shards for file in shard if file.path == str(path)]
    assert states == [FileState.CHANGED, FileState.CHANGED, FileState.CURRENT]
    path.unlink()
    _, rows = audit(tmp_path / "archive", tmp_path / "out", settings)
    assert sum(row["gone"] for row in rows) == 3


def test_an_archive_that_is_not_there_marks_nothing(
    archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any
) -> None:
    before = audit(archive, tmp_path / "out", settings)
    write_still(tmp_path / "other" / "x.png")
    with pytest.raises(StriqError, match=r"has none of the 8 files of the audit.*the same archive under the same path"):
        audit(tmp_path / "other", tmp_path / "out", settings)
    shutil.move(archive, tmp_path / "away")
    archive.mkdir()
    with pytest.raises(StriqError, match="no file of ultrasound frames"):
        audit(archive, tmp_path / "out", settings)
    archive.rmdir()
    shutil.move(tmp_path / "away", archive)
    assert audit(archive, tmp_path / "out", settings) == before


def test_keep_plan_looks_for_nothing(archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any) -> None:
    plan, _ = audit(archive, tmp_path / "out", settings)
    change(archive)
    again, rows = audit(archive, tmp_path / "out", replace(settings, threshold=0.7), keep_plan=True)
    assert again.shards == plan.shards
    assert {row["threshold"] for row in rows if row["quality"] is not None} == {0.7}


def test_an_operator_keeps_the_pseudonym_as_the_audit_grows(
    archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any
) -> None:
    hashed = replace(settings, hash_operators=True)
    plan, _ = audit(archive, tmp_path / "out", hashed)
    known = {file.attributes.operator for file in plan.files} - {""}
    write_cine(archive / "new" / "n.dcm", seed=50, OperatorsName="Operator^1")
    write_cine(archive / "new" / "m.dcm", seed=51, OperatorsName="Operator^9")
    plan, rows = audit(archive, tmp_path / "out", hashed)
    by_name = {Path(file.path).name: file.attributes for file in plan.files}
    first = next(file for file in plan.files if "study_01" in file.path)
    assert by_name["n.dcm"] == Attributes(operator=first.attributes.operator)
    assert by_name["m.dcm"].operator not in known
    assert "Operator^" not in str(rows)


def test_the_size_of_shards_may_change(archive: Path, tmp_path: Path, settings: AuditSettings, audit: Any) -> None:
    plan, before = audit(archive, tmp_path / "out", settings)
    for number in range(4):
        write_still(archive / "more" / f"{number}.png", number)
    grown, rows = audit(archive, tmp_path / "out", replace(settings, shard_size=1))
    assert [len(shard) for shard in grown.shards] == [len(shard) for shard in plan.shards] + [1] * 4
    assert len(rows) == len(before) + 4
