"""The queries on the history of an audit run on an audit's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from documents import ROOT, code_blocks

from striq.audit.attributes import Attributes, parse_date
from striq.audit.plan import ArchiveFile, AuditSettings, Plan
from striq.audit.shard_files import AuditRow, write_shard
from striq.scoring.results import FrameResult
from tests.score_factory import make_score

QUERIES = code_blocks((ROOT / "docs/how-to/audit-history.md").read_text(encoding="utf-8"), "sql")


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[tuple]]:
    """Answers to the queries, about twelve studies of one operator in two months."""
    duckdb = pytest.importorskip("duckdb")
    files = [
        ArchiveFile(
            f"/archive/{i}.dcm",
            attributes=Attributes(
                f"1.2.{i}", site="North", operator="A", date=parse_date(f"2024-0{1 + i // 6}-01"), scanner_model="M1"
            ),
        )
        for i in range(12)
    ]
    results = [
        [(file, 0.9, "a4c"), (file, 0.2, "none"), (file, 0.3 + 0.02 * i, "liver")] for i, file in enumerate(files)
    ]
    rows = [
        AuditRow(file, FrameResult(file.path, frame, make_score(quality, plane, index=frame)))
        for of_file in results
        for frame, (file, quality, plane) in enumerate(of_file)
    ]
    error = "/archive/0.dcm: The file is damaged. Expected a complete file, got half. Copy it again."
    rows.append(AuditRow(files[0], FrameResult(files[0].path, None, error=error)))
    (tmp_path / "audit").mkdir()
    settings = replace(AuditSettings("", "", "", 0.5), policy='format = 1\nname = "Ours"\nversion = "1"')
    write_shard(tmp_path / "audit", 0, rows, Plan(settings, (tuple(files),)))
    monkeypatch.chdir(tmp_path)
    return [duckdb.sql(query).fetchall() for query in QUERIES]


def test_every_query_answers_its_question(answers: list[list[tuple]]) -> None:
    weekly, operators, monthly, best, policies, errors = answers
    assert [(plane, frames, share) for _, plane, frames, share in weekly][:2] == [("a4c", 12, 0.5), ("liver", 6, 0.0)]
    assert operators == [("A", 12, 36, pytest.approx(13 / 36, abs=5e-4), pytest.approx(1 / 3, abs=5e-4))]
    assert [row[:2] for row in monthly] == [("North", "M1")] * 2
    assert monthly[1][-1] == pytest.approx(1 / 18)
    assert len(best) == 24
    assert best[0][:3] == ("1.2.0", "liver", 0.3)
    assert policies[0][:2] == ("Ours", "1")
    assert errors == [("The file is damaged", 1, "/archive/0.dcm")]
