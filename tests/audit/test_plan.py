"""Tests of ``striq.audit.plan`` and ``striq.audit.planning``."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet
import pytest

from striq.audit.attributes import Attributes
from striq.audit.layout import FORMER_PLAN_NAME, PLAN_NAME, shard_path
from striq.audit.plan import (
    CONTENT_KEY,
    ArchiveFile,
    AuditSettings,
    FileState,
    Plan,
    make_shards,
    read_plan,
    write_plan,
)
from striq.audit.planning import plan_audit
from striq.errors import DatasetError, StriqError
from tests.audit.conftest import write_cine, write_still


def files_of(*sizes: int) -> list[ArchiveFile]:
    """One study per number, with that many files."""
    return [
        ArchiveFile(f"/{study:02d}/{file}.dcm", attributes=Attributes(study_instance_uid=str(study)))
        for study, size in enumerate(sizes)
        for file in range(size)
    ]


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (3, 3, 3), (9, 1, 2), (4, 4), (1,)])
def test_shards_hold_every_file_once_and_whole_studies(sizes: tuple[int, ...]) -> None:
    files = files_of(*sizes)
    shards = make_shards(files, 4)
    assert [file for shard in shards for file in shard] == files
    for study in {file.study for file in files}:
        assert sum(any(file.study == study for file in shard) for shard in shards) == 1
    for shard in shards:
        assert len(shard) <= 4 or len({file.study for file in shard}) == 1


def test_shards_do_not_depend_on_the_order_of_the_files() -> None:
    files = files_of(3, 1, 4, 1, 5)
    mixed = random.Random(0).sample(files, len(files))
    assert make_shards(mixed, 4) == make_shards(files, 4)


def test_files_of_no_known_study_stand_alone() -> None:
    shards = make_shards([ArchiveFile(f"/{name}.png") for name in "abcde"], 2)
    assert [len(shard) for shard in shards] == [2, 2, 1]


def test_a_study_in_two_folders_stays_together() -> None:
    study = Attributes(study_instance_uid="1")
    files = [
        ArchiveFile("/a/1.dcm", attributes=study),
        ArchiveFile("/b.dcm"),
        ArchiveFile("/c/1.dcm", attributes=study),
    ]
    assert [[file.path for file in shard] for shard in make_shards(files, 1)] == [["/a/1.dcm", "/c/1.dcm"], ["/b.dcm"]]


def test_a_plan_is_read_as_it_was_written(tmp_path: Path, settings: AuditSettings) -> None:
    files = [*files_of(2, 3), ArchiveFile("/old\udce4.png", 5, 7)]  # how Python decodes a byte that is not UTF-8
    files += [replace(files[0], path="/b", stated="abc", state=state) for state in FileState]
    plan = Plan(settings, (*make_shards(files, 2), ()))
    write_plan(plan, tmp_path)
    assert read_plan(tmp_path) == plan


def test_the_identity_of_a_shard_tells_models_settings_and_files_apart(settings: AuditSettings) -> None:
    (file,) = files_of(1)
    plan = Plan(settings, ((file,),))
    others = [
        replace(plan, settings=replace(settings, **{name: value}))
        for name, value in (("model_sha256", "b"), ("plane", "a4c"), ("precision", "mixed"), ("striq_version", "99"))
    ]
    others += [Plan(settings, ((replace(file, **{name: 7}),),)) for name in ("size", "mtime_ns")]
    assert len({one.identity(0) for one in [plan, *others]}) == 7


def test_the_threshold_and_what_became_of_a_file_change_rows_and_not_scores(settings: AuditSettings) -> None:
    (file,) = files_of(1)
    plan = Plan(settings, ((file,),))
    others = [
        replace(plan, settings=replace(settings, threshold=0.6)),
        Plan(settings, ((replace(file, state=FileState.GONE),),)),
        Plan(settings, ((replace(file, attributes=Attributes(site="North")),),)),
    ]
    assert {one.identity(0) for one in others} == {plan.identity(0)}
    assert len({one.row_state(0) for one in [plan, *others]}) == 4


def test_a_damaged_plan_is_refused(archive: Path, tmp_path: Path, settings: AuditSettings) -> None:
    out = tmp_path / "out"
    plan_audit(archive, out, settings)
    (out / PLAN_NAME).write_bytes((out / PLAN_NAME).read_bytes()[:-20])
    with pytest.raises(StriqError, match="the plan of this audit cannot be read"):
        read_plan(out)


def test_a_plan_of_other_settings_than_this_version_knows_is_refused(
    archive: Path, tmp_path: Path, settings: AuditSettings
) -> None:
    plan_audit(archive, tmp_path / "out", settings)
    table = pyarrow.parquet.read_table(tmp_path / "out" / PLAN_NAME)
    content = json.loads(table.schema.metadata[CONTENT_KEY])
    content["settings"]["novelty"] = 1
    changed = table.replace_schema_metadata({CONTENT_KEY: json.dumps(content)})
    pyarrow.parquet.write_table(changed, tmp_path / "out" / PLAN_NAME)
    with pytest.raises(StriqError, match=r"cannot be read.*novelty"):
        read_plan(tmp_path / "out")


def test_an_audit_of_the_version_before_is_refused_with_what_to_do(
    archive: Path, tmp_path: Path, settings: AuditSettings
) -> None:
    former = tmp_path / "out" / FORMER_PLAN_NAME
    former.parent.mkdir(parents=True)
    former.write_text(json.dumps({"listing": "0", "settings": asdict(settings)}))
    with pytest.raises(StriqError, match=r"earlier version of STRIQ.*Give another --out folder"):
        plan_audit(archive, tmp_path / "out", settings)


def test_the_plan_of_the_start_is_the_plan_resumed(archive: Path, tmp_path: Path, settings: AuditSettings) -> None:
    plan = plan_audit(archive, tmp_path / "out", settings)
    assert [len(shard) for shard in plan.shards] == [2, 2, 2, 2]
    before = (tmp_path / "out" / PLAN_NAME).stat().st_mtime_ns
    assert plan_audit(archive, tmp_path / "out", settings) == plan
    assert (tmp_path / "out" / PLAN_NAME).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_sha256", "another"),
        ("striq_version", "99"),
        ("plane", "a4c"),
        ("max_frames_per_cine", 5),
        ("hash_operators", True),
        ("precision", "mixed"),
    ],
)
def test_other_settings_are_never_mixed(
    archive: Path, tmp_path: Path, settings: AuditSettings, name: str, value: object
) -> None:
    plan_audit(archive, tmp_path / "out", settings)
    other = AuditSettings(**{**asdict(settings), name: value})
    with pytest.raises(StriqError, match=f"started with other settings: {name} was .*, is now {value}"):
        plan_audit(archive, tmp_path / "out", other, keep_plan=True)


def test_a_model_may_have_another_name(archive: Path, tmp_path: Path, settings: AuditSettings) -> None:
    plan = plan_audit(archive, tmp_path / "out", settings)
    assert plan_audit(archive, tmp_path / "out", replace(settings, model_name="copy.pt")) == plan


def test_a_folder_with_shards_of_another_audit_is_refused(
    archive: Path, tmp_path: Path, settings: AuditSettings
) -> None:
    stray = shard_path(tmp_path / "out", 77)
    stray.parent.mkdir()
    stray.write_bytes(b"another audit's")
    with pytest.raises(StriqError, match=r"part-000077\.parquet: does not belong to this audit"):
        plan_audit(archive, tmp_path / "out", settings)
    assert not (tmp_path / "out" / PLAN_NAME).exists()


def test_nothing_is_planned_where_there_is_nothing_to_audit(tmp_path: Path, settings: AuditSettings) -> None:
    with pytest.raises(DatasetError):
        plan_audit(tmp_path, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_the_manifest_goes_before_the_header(tmp_path: Path, settings: AuditSettings) -> None:
    write_cine(tmp_path / "a.dcm", StudyInstanceUID="1.2", InstitutionName="Header", OperatorsName="A^B")
    (tmp_path / "manifest.csv").write_text("path,site,operator\na.dcm,Manifest,\n")
    plan = plan_audit(tmp_path / "manifest.csv", tmp_path / "out", settings)
    assert plan.files[0].attributes == Attributes(study_instance_uid="1.2", site="Manifest", operator="A^B")


def test_rows_of_a_manifest_that_repeat_a_file_are_said(tmp_path: Path, settings: AuditSettings) -> None:
    write_still(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("path\na.png\na.png\n")
    said: list[str] = []
    plan_audit(tmp_path / "manifest.csv", tmp_path / "out", settings, say=said.append)
    assert said == [f"{tmp_path / 'manifest.csv'}: 1 rows repeat a file; each file is scored once."]


def test_pseudonyms_tell_operators_apart_and_leave_no_name(
    archive: Path, tmp_path: Path, settings: AuditSettings
) -> None:
    hashed = replace(settings, hash_operators=True)
    plain = [file.attributes.operator for file in plan_audit(archive, tmp_path / "plain", settings).files]
    found = [file.attributes.operator for file in plan_audit(archive, tmp_path / "hashed", hashed).files]
    assert len(set(zip(plain, found, strict=True))) == len(set(plain)) == len(set(found))
    assert {name == "" for name in found} == {name.startswith("operator-") is False for name in found}
    written = b"".join(path.read_bytes() for path in (tmp_path / "hashed").rglob("*") if path.is_file())
    assert b"Operator^" not in written
    assert found != [f.attributes.operator for f in plan_audit(archive, tmp_path / "again", hashed).files]
