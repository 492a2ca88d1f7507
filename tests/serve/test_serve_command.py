from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from striq.cli import main
from striq.collection import LOADING_THRESHOLD, begin_loading
from striq.serve.requirements import PACKAGES
from tests.serve.conftest import Bench, make_settings, write_object


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["serve", *words])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


@pytest.fixture
def settings(tmp_path: Path, tiny_model: Path) -> Path:
    path = tmp_path / "striq.toml"
    path.write_text(f'folder = "{tmp_path / "service"}"\n[scoring]\nmodel = "{tiny_model}"\n', encoding="utf-8")
    return path


def test_the_example_that_is_printed_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = run(capsys, "--example")
    assert status == 0
    (tmp_path / "striq.toml").write_text(text, encoding="utf-8")
    status, text, _ = run(capsys, str(tmp_path / "striq.toml"), "--check")
    assert status == 0
    assert text.startswith("The settings are valid. Model: ")


def test_wrong_settings_end_with_status_2(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings.write_text(settings.read_text(encoding="utf-8") + "threshhold = 0.5\n", encoding="utf-8")
    status, _, error = run(capsys, str(settings), "--check")
    assert status == 2
    assert "line 4: scoring.threshhold: expected one of" in error
    assert "Did you mean threshold?" in error


def test_a_settings_file_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, error = run(capsys)
    assert status == 2
    assert "striq serve --example > striq.toml" in error


def test_questions_exclude_one_another(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, str(settings), "--check", "--retry")[0] == 2


def test_without_the_extra_the_message_names_it(
    settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PACKAGES, "no_such_module", "no-such-package")
    status, _, error = run(capsys, str(settings), "--check")
    assert status == 2
    assert "needs no-such-package. Install the extra: pip install 'striq[serve]'." in error


def test_the_service_collects_garbage_and_ends_with_status_0_on_sigterm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "striq.toml"
    settings.write_text(f'folder = "{tmp_path / "service"}"\n', encoding="utf-8")
    thresholds: list[int] = []

    class Started:
        def __init__(self, *given: object) -> None:
            pass

        def run(self) -> None:
            thresholds.append(gc.get_threshold()[0])
            raise SystemExit(143)

    begin_loading()
    monkeypatch.setattr("striq.serve.service.Service", Started)
    monkeypatch.setattr("striq.serve.logs.silence_libraries", lambda: None)
    assert run(capsys, str(settings))[0] == 0
    gc.unfreeze()
    assert thresholds[0] < LOADING_THRESHOLD


def test_status_and_retry_of_dead_letters(settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no queue" in run(capsys, str(settings), "--status")[2]
    bench = Bench(make_settings(tmp_path / "service"))
    bench.receive(write_object(tmp_path / "a.dcm"))
    for _ in range(3):
        job = bench.queue.take()
        assert job is not None
        bench.jobs.crashed(job, "exit status -9")
    _, text, _ = run(capsys, str(settings), "--status")
    assert "Objects: 0 waiting, 0 scoring, 0 scored, 1 dead" in text
    assert "dead object 1: 1.2.1.1.1 of study 1.2.1: exit status -9" in text
    _, text, _ = run(capsys, str(settings), "--status", "--json")
    assert json.loads(text)["dead_objects"][0]["error"] == "exit status -9"
    assert run(capsys, str(settings), "--retry")[1] == "Tried again: 1 objects, 0 reports and messages.\n"
    assert bench.queue.counts()["waiting"] == 1
    assert run(capsys, str(settings), "--expired")[1] == "No file would be removed by age.\n"
    assert json.loads(run(capsys, str(settings), "--expired", "--json")[1]) == []
    bench.database.close()
