"""Tests of audits and scores that are judged by a policy."""

from __future__ import annotations

import csv
import datetime
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from striq import cli
from striq.audit.attributes import Attributes
from striq.audit.page import write_summary
from striq.audit.plan import ArchiveFile, AuditSettings, Plan
from striq.audit.row_updates import update_rows
from striq.audit.shard_files import AuditRow, write_shard
from striq.audit.summary import AuditSummary, summarize
from striq.policies.policy import POLICY_COLUMNS
from striq.policies.reading import parse_policy
from striq.reporting.structured_report import write_structured_report
from striq.scoring.columns import score_columns
from striq.scoring.results import FrameResult
from tests.audit.conftest import write_cine
from tests.reporting.images import MODEL, results_of, write_dicom
from tests.score_factory import make_score

POLICY = """
format = 1
name = "Ours"
version = "7"
[thresholds]
a4c = 0.6
[sites.north]
names = ["North"]
threshold = 0.2
[examinations.heart]
match = ["*echo*"]
required = ["a4c", "abdomen", "a2c"]
"""


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY, encoding="utf-8", newline="")
    return file


def study(name: str, site: str, scores: dict[str, float], examination: str = "Adult ECHO") -> list[AuditRow]:
    """One frame of each plane, judged by the threshold 0.5."""
    attributes = Attributes(name, site=site, examination=examination, date=datetime.date(2024, 1, 2))
    file = ArchiveFile(f"/archive/{name}.dcm", attributes=attributes)
    frames = [make_score(quality, plane, index=index) for index, (plane, quality) in enumerate(scores.items())]
    return [AuditRow(file, FrameResult(file.path, frame.index, frame)) for frame in frames]


def audited(folder: Path, settings: AuditSettings, *studies: list[AuditRow]) -> tuple[AuditSummary, Plan]:
    """Write rows without a policy, then judge them by the one of the settings."""
    plan = Plan(replace(settings, policy=""), tuple((rows[0].file,) for rows in studies))
    for number, rows in enumerate(studies):
        write_shard(folder, number, rows, plan)
    plan = replace(plan, settings=settings)
    update_rows(folder, plan)
    return summarize(folder, plan), plan


@pytest.fixture
def by_policy(settings: AuditSettings) -> AuditSettings:
    return replace(settings, policy=POLICY, planes=("a4c", "abdomen"))


def test_another_policy_is_applied_without_scoring(tmp_path: Path, by_policy: AuditSettings) -> None:
    north = study("1.2.1", "North", {"a4c": 0.3, "none": 0.9})
    south = study("1.2.2", "South", {"a4c": 0.55, "abdomen": 0.55})
    _, plan = audited(tmp_path, by_policy, north, south)
    rows = pyarrow.parquet.read_table(tmp_path).to_pylist()
    assert [(row["threshold"], row["accepted"], row["policy_site"]) for row in rows] == [
        (0.2, True, "north"),
        (0.2, False, "north"),
        (0.6, False, None),
        (0.5, True, None),
    ]
    digest = parse_policy(POLICY).sha256
    assert {(row["policy_name"], row["policy_version"], row["policy_sha256"]) for row in rows} == {
        ("Ours", "7", digest)
    }
    assert update_rows(tmp_path, plan) == 0
    without = replace(plan, settings=replace(by_policy, policy=""))
    assert update_rows(tmp_path, without) == 2
    rows = pyarrow.parquet.read_table(tmp_path).to_pylist()
    assert {(row["threshold"], row["policy_name"]) for row in rows} == {(0.5, None)}


def test_the_summary_says_which_studies_are_complete(tmp_path: Path, by_policy: AuditSettings) -> None:
    summary, _ = audited(
        tmp_path,
        by_policy,
        study("1.2.1", "North", {"a4c": 0.3, "abdomen": 0.3}),
        study("1.2.2", "South", {"a4c": 0.55, "abdomen": 0.55}),
        study("1.2.3", "South", {"none": 0.9}),
        study("1.2.4", "South", {"a4c": 0.9}, examination="Liver"),
    )
    heart, other = summary.checklists
    assert (heart.examination, heart.num_studies, heart.num_complete, heart.num_not_assessed) == ("heart", 3, 0, 1)
    assert {one.name: (one.planes("not accepted"), one.planes("missing")) for one in heart.incomplete} == {
        "1.2.2": (["a4c"], []),
        "1.2.3": ([], ["a4c", "abdomen"]),
    }
    assert [(view.plane, view.num_present, view.num_missing, view.is_known) for view in heart.views] == [
        ("a4c", 1, 1, True),
        ("abdomen", 2, 1, True),
        ("a2c", 0, 0, False),
    ]
    assert (other.examination, other.num_studies, other.views) == ("", 1, ())
    page = write_summary(tmp_path / "page.html", summary).read_text(encoding="utf-8")
    for text in ("Ours 7", parse_policy(POLICY).sha256, "not known to the model", "1.2.3", "Completeness"):
        assert text in page


def test_without_a_policy_nothing_is_required(tmp_path: Path, settings: AuditSettings) -> None:
    summary, _ = audited(tmp_path, settings, study("1.2.1", "North", {"a4c": 0.3}))
    assert summary.checklists == ()
    assert "Completeness" not in write_summary(tmp_path / "page.html", summary).read_text(encoding="utf-8")


def test_an_audit_records_its_policy_and_applies_it_while_scoring(
    tmp_path: Path, tiny_model: Path, policy_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cine(tmp_path / "archive" / "a.dcm", num_frames=2, InstitutionName="North", StudyDescription="echo")
    given = ("audit", tmp_path / "archive", "--out", tmp_path / "out", "--model", tiny_model, "--json")
    assert run(*given, "--policy", policy_file) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["policy"]["version"] == "7"
    assert json.loads(printed.out)["examinations"]["heart"]["studies"] == 1
    assert "does not know a2c" in printed.err
    rows = pyarrow.parquet.read_table(tmp_path / "out").to_pylist()
    assert {(row["threshold"], row["policy_site"], row["examination"]) for row in rows} == {(0.2, "north", "echo")}
    assert run(*given, "--policy", policy_file, "--threshold", "0.5") == 2


def test_score_judges_by_the_policy_and_names_it_in_its_reports(
    tmp_path: Path, tiny_model: Path, policy_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cine = write_cine(tmp_path / "a.dcm", num_frames=1, InstitutionName="North")
    page = tmp_path / "page.html"
    assert run("score", cine, "--json", "--html", page, "--model", tiny_model, "--policy", policy_file) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["threshold"] == 0.2
    assert row["accepted"] == (row["quality"] > 0.2 and row["plane"] != "none")
    assert "Ours 7" in page.read_text(encoding="utf-8")


def test_rows_of_score_name_the_policy_if_there_is_one(
    tmp_path: Path, tiny_model: Path, policy_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cine = write_cine(tmp_path / "a.dcm", num_frames=1, InstitutionName="North")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    given = ("score", cine, tmp_path / "broken.png", "--model", tiny_model)
    named = {"policy_name": "Ours", "policy_version": "7", "policy_sha256": parse_policy(POLICY).sha256}
    assert run(*given, "--out", tmp_path / "scores.csv", "--policy", policy_file, "--json") == 1
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for kept in (rows, printed):
        assert [named.items() <= row.items() for row in kept] == [True, True]
        assert [row["policy_site"] or "" for row in kept] == ["north", ""]
        assert [row["error"] in ("", None) for row in kept] == [True, False]
    assert list(rows[0]) == list(printed[0]) == list(score_columns(policy=True))
    assert run(*given, "--out", tmp_path / "plain.csv") == 1
    header = (tmp_path / "plain.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join(score_columns()) == ",".join(name for name in rows[0] if name not in POLICY_COLUMNS)


def test_a_structured_report_names_the_policy_and_the_threshold_of_each_frame(tmp_path: Path) -> None:
    from tests.reporting.test_structured_report import groups_of, numbers

    policy = parse_policy(POLICY)
    results = results_of([0.3, 0.7])
    judged = [
        replace(result, score=replace(result.score, threshold=limit))  # type: ignore[type-var]
        for result, limit in zip(results, (0.2, 0.6), strict=True)
    ]
    report = write_structured_report(
        tmp_path / "a.sr.dcm", write_dicom(tmp_path / "a.dcm", 2), judged, replace(MODEL, policy=policy)
    )
    cine, *frames = groups_of(report)
    assert [numbers(frame) for frame in frames] == [[0.3, 0.2], [0.7, 0.6]]
    texts = {item.get("TextValue") for item in cine[0].ContentSequence}
    assert {"policy: Ours 7", f"policy sha256: {policy.sha256}"} <= texts
    assert not {"threshold"} & {item.name.meaning for item in cine.get_measurements()}


def test_the_command_checks_a_policy_and_prints_examples(
    policy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("policy", policy_file) == 0
    assert "Site north, 1 names: threshold 0.2" in capsys.readouterr().out
    assert run("policy", "--example", "fetal-first-trimester") == 0
    example = tmp_path / "example.toml"
    example.write_text(capsys.readouterr().out, encoding="utf-8")
    assert run("policy", example, "--json") == 0
    assert json.loads(capsys.readouterr().out)["is_example"] is True
    policy_file.write_text("format = 2", encoding="utf-8")
    assert run("policy", policy_file) == 2
    assert str(policy_file) in capsys.readouterr().err
    assert run("policy") == 2
