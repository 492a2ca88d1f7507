"""Tests of the dashboard: its counts, its page in a browser, and what it says of people."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from striq import cli
from striq.audit.attributes import Attributes
from striq.audit.plan import ArchiveFile, AuditSettings, Plan, write_plan
from striq.audit.shard_files import AuditRow, write_shard
from striq.dashboard.history import History, read_history
from striq.dashboard.page import write_dashboard
from striq.errors import StriqError
from striq.scoring.results import FrameResult
from tests.audit.conftest import write_cine
from tests.reporting.browser import OPTIONS, overflow_in_browser
from tests.score_factory import make_score

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"
POLICY = 'format = 1\nname = "Ours"\nversion = "1"\n[examinations.heart]\nrequired = ["a4c", "abdomen"]\n'
Script = Callable[..., Any]


def rows_of(file: ArchiveFile, *scores: tuple[float, str, str]) -> list[AuditRow]:
    """One row for each Q, plane and plane that scored."""
    frames = [
        make_score(quality, plane, scored_plane=scored, index=i) for i, (quality, plane, scored) in enumerate(scores)
    ]
    return [AuditRow(file, FrameResult(file.path, frame.index, frame)) for frame in frames]


def study(number: int, still: Path, *, operator: str = "Doe^Jane", site: str = "North", day: int = 0) -> list[AuditRow]:
    """Four frames: two accepted, one not, one of no plane."""
    date = datetime.date(2024, 1, 1) + datetime.timedelta(days=day)
    origin = Attributes(
        f"1.2.{number}", site=site, operator=operator, manufacturer="Maker", date=date, scanner_model="M1"
    )
    file = ArchiveFile(str(still), attributes=origin)
    scores = [(0.9, "a4c", "a4c"), (0.6, "abdomen", "abdomen"), (0.3, "a4c", "a4c"), (0.2, "none", "a4c")]
    return rows_of(file, *scores)


@pytest.fixture
def audit(tmp_path: Path, settings: AuditSettings) -> Path:
    """Forty studies, one a week, of two operators; one of them, with a hostile name, has three studies."""
    still = write_cine(tmp_path / "cine.dcm", num_frames=4)
    studies = [
        study(i, still, day=7 * i, operator=HOSTILE if i % 15 == 1 else "Doe^Jane", site=("North", "South")[i % 2])
        for i in range(40)
    ]
    folder = tmp_path / "audit"
    folder.mkdir()
    plan = Plan(replace(settings, policy=POLICY, planes=("a4c", "abdomen")), tuple((rows[0].file,) for rows in studies))
    write_plan(plan, folder)
    for number, rows in enumerate(studies):
        write_shard(folder, number, rows, plan)
    return folder


def history_of(folder: Path, **given: Any) -> History:
    from striq.audit.worker import existing_plan

    return read_history(folder, existing_plan(folder), **given)


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_every_frame_is_counted_once_also_those_named_none(audit: Path) -> None:
    history = history_of(audit)
    rows = pyarrow.parquet.read_table(audit).to_pylist()
    assert sum(history.cells["count"]) == len(rows) == 160
    assert sum(history.cells["accepted"]) == sum(row["accepted"] for row in rows) == 80
    assert sum(history.cells["none"]) == 40
    assert sum(history.cells["quality"]) == pytest.approx(sum(row["quality"] for row in rows))
    assert history.names["plane"] == ["a4c", "abdomen"]  # frames named none count under their likeliest plane
    assert set(history.names["model"]) == {"Maker M1"}
    assert {source for source, _ in history.lowest} == {str(audit.parent / "cine.dcm")}
    assert {frame for _, frame in history.lowest} == {3}
    assert {one.found.state.value for one in history.checklists if one.found} == {"complete"}


def test_operators_have_the_same_pseudonyms_on_every_page(audit: Path) -> None:
    first, second = (history_of(audit).names["operator"] for _ in range(2))
    assert first == second
    assert all(re.fullmatch(r"operator-[0-9a-f]{8}", name) for name in first)
    assert "Doe^Jane" in history_of(audit, show_operators=True).names["operator"]


def test_no_name_of_an_operator_reaches_the_page(audit: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert run("dashboard", audit, "--out", out) == 0
    text = out.read_text(encoding="utf-8")
    assert "Doe" not in text
    assert "data:image/jpeg" in text
    assert run("dashboard", audit, "--out", out, "--show-operators", "--no-pictures") == 0
    text = out.read_text(encoding="utf-8")
    assert "Doe^Jane" in text
    assert "<img src=x" not in text
    assert "\u202e" not in text
    assert "data:image/jpeg" not in text


def test_an_audit_with_pseudonyms_shows_no_pictures(audit: Path, tmp_path: Path) -> None:
    history = history_of(audit)
    hidden = replace(history, settings=replace(history.settings, hash_operators=True))
    assert "data:image/jpeg" not in write_dashboard(tmp_path / "page.html", hidden).read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(audit: Path, tmp_path: Path) -> None:
    text = write_dashboard(tmp_path / "page.html", history_of(audit)).read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)=\"(?!data:)[^\"$]+", text) == []
    assert "default-src 'none'" in text
    assert "http" not in text.replace('<meta http-equiv="Content-Security-Policy"', "")


def test_rows_without_a_plan_have_a_history_too(audit: Path, tmp_path: Path) -> None:
    (audit / "_plan" / "files.parquet").unlink()
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.replace("abdomen", "liver"), encoding="utf-8")
    out = tmp_path / "page.html"
    assert run("dashboard", audit, "--out", out, "--policy", policy) == 0
    text = out.read_text(encoding="utf-8")
    assert "ab" * 32 in text
    assert "policy Ours 1" in text
    assert '["heart","not assessed","",""]' in text  # no frame shows a liver, so that the model may not know it


def test_an_audit_without_frames_is_refused(tmp_path: Path, settings: AuditSettings) -> None:
    with pytest.raises(StriqError, match="no scored frame"):
        read_history(tmp_path, Plan(settings, ((ArchiveFile("/a.png"),),)))
    assert run("dashboard", tmp_path, "--out", tmp_path / "page.html") == 2


def test_filters_recompute_the_figures(script: Script, audit: Path) -> None:
    history = history_of(audit, show_operators=True)
    given = {"cells": history.cells, "names": history.names}
    none = "{plane: -1, site: -1, model: -1, operator: -1, from: null, to: null}"
    count = "totalOf(given.cells, passing(given.cells, {...%s, %s})).count"
    plane, site = (history.names[name].index(value) for name, value in (("plane", "a4c"), ("site", "South")))
    last_day = datetime.date(2024, 1, 14).toordinal() - datetime.date(1970, 1, 1).toordinal()
    filters = [f"plane: {plane}", f"site: {site}", f"to: {last_day}", f"plane: {plane}, site: {site}", "from: 0"]
    found = script(f"[{', '.join(count % (none, one) for one in filters)}]", given)
    assert found == [120, 80, 8, 60, 160]


def test_operators_of_few_studies_are_listed_after_the_others(script: Script, audit: Path) -> None:
    history = history_of(audit, show_operators=True)
    given = {"cells": history.cells, "names": history.names["operator"]}
    groups = script(
        "groupsBy(given.cells, given.cells.count.map((_, i) => i), 'operator', given.names)"
        ".map(one => [one.label, one.few, one.studies.size, one.count, one.none, one.share])",
        given,
    )
    assert groups == [["Doe^Jane", False, 37, 148, 37, 0.5], [groups[1][0], True, 3, 12, 3, 0.5]]


def test_the_csv_holds_weeks_and_groups_and_no_formula(script: Script) -> None:
    cells = {"day": [19000, 19007], "plane": [0, 0], "site": [0, 1], "study": [0, 1], "count": [4, 8]}
    cells |= {"accepted": [1, 8], "none": [1, 0], "quality": [1.0, 7.0]}
    code = "figuresCsv(trendOf(given, [0, 1]), [['site', groupsBy(given, [0, 1], 'site', ['=A1,\"x\"', 'B'])]])"
    rows = list(csv.DictReader(io.StringIO(script(code, cells), newline="")))
    assert [(row["group"], row["name"], float(row["accepted_share"])) for row in rows] == [
        ("week", "2022-W01", 0.25),
        ("week", "2022-W02", 1),
        ("site", '\'=A1,"x"', 0.25),
        ("site", "B", 1),
    ]


def test_the_page_draws_itself_in_a_browser_and_fits_a_phone(audit: Path, tmp_path: Path) -> None:
    page = write_dashboard(tmp_path / "page.html", history_of(audit, show_operators=True))
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium")
    command = [browser, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    drawn = drawn[drawn.index('<dl class="tiles"') : drawn.index("</main>")]
    for text in ("50 %", ">160<", "2024-W01", "not ranked", "Doe^Jane", "&lt;img src=x", "heart"):
        assert text in drawn
    assert "<img src=x" not in drawn
    assert overflow_in_browser(page, 390) == 0


def test_data_are_json(audit: Path, tmp_path: Path) -> None:
    text = write_dashboard(tmp_path / "page.html", history_of(audit)).read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    assert len(json.loads(found[1])["short"]) == 40
