"""Tests of the MONAI Label app's parts that need no MONAI Label; `make test-label` runs the app itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from score_factory import make_score
from ultrasound_files import phantom_pictures, write_files, write_ultrasound

from striq.data.readers import open_cine
from striq.scoring.results import FrameResult
from striq.scoring.scorer import StriqScorer
from striq.service import answers, client
from striq.shipped_models import NAMED

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "monailabel_app"))  # as MONAI Label does

from lib.image_scores import combine_files, model_mark  # noqa: E402 (the path comes first)
from lib.scorer_process import PROTOCOL, FileScores, RefusedError, ScorerProcess, UnavailableError  # noqa: E402
from lib.settings import NAMED_MODELS, Settings, SettingsError  # noqa: E402
from lib.sources import image_files, may_be_named, stamp  # noqa: E402
from lib.striq_client import load_client  # noqa: E402
from lib.worklist import ROUND_SECONDS, error_note, is_current, score_note, turn  # noqa: E402

ALLOWED_DIFFERENCE = 1e-5
MODEL = {"model": "/somewhere/model.pt", "sha256": "ab" * 32, "version": "0.1.0"}
NOW = 1e9


@pytest.fixture(scope="module")
def scorer(tiny_model: Path) -> Iterator[ScorerProcess]:
    process = ScorerProcess(Settings(sys.executable, str(tiny_model), device="cpu"))
    yield process
    process.stop()


# Settings


def test_settings_come_from_the_server_and_default_to_the_models_own() -> None:
    settings = Settings.of({"striq_python": sys.executable, "models": "of MONAI Label"}, {})
    assert settings == Settings(sys.executable, model=None, plane="auto", threshold=None, device="auto")
    given = Settings.of({"striq_model": str(ROOT), "plane": "kidney", "threshold": "0.25"}, {"STRIQ_PYTHON": "python3"})
    assert Path(given.python).is_absolute()
    assert (given.model, given.plane, given.threshold) == (str(ROOT), "kidney", 0.25)


def test_a_shipped_model_is_given_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuple(NAMED) == NAMED_MODELS
    monkeypatch.chdir(tmp_path)
    conf = {"striq_python": sys.executable, "striq_model": "light"}
    assert Settings.of(conf, {}).model == "light"
    Path("light").mkdir()
    assert Settings.of(conf, {}).model == str(tmp_path / "light")


@pytest.mark.parametrize(
    ("conf", "complaint"),
    [
        ({}, "does not know where STRIQ is installed"),
        ({"striq_python": "/nowhere/python"}, "not an interpreter"),
        ({"striq_python": sys.executable, "striq_model": "/nowhere"}, "there is no '/nowhere'"),
        ({"striq_python": sys.executable, "threshold": "high"}, "from 0 to 1, got 'high'"),
        ({"striq_python": sys.executable, "threshold": "nan"}, "from 0 to 1"),
        ({"striq_python": sys.executable, "threshold": "1.5"}, "from 0 to 1"),
    ],
)
def test_wrong_settings_are_refused_in_words(conf: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Settings.of(conf, {})


# The scoring process


@pytest.mark.slow
def test_scores_of_the_process_equal_those_of_the_scorer(
    scorer: ScorerProcess, tiny_scorer: StriqScorer, tiny_model: Path, tmp_path: Path
) -> None:
    loaded = scorer.start()
    assert (loaded["model"], loaded["planes"]) == (str(tiny_model), tiny_scorer.planes)
    path = write_ultrasound(tmp_path / "c.dcm", phantom_pictures("a4c", 5), series="1.2", study="1.3")
    found = scorer.score(path)
    expected = [score.quality for score in tiny_scorer.score(open_cine(path))]
    assert [frame["quality"] for frame in found.frames] == pytest.approx(expected, abs=ALLOWED_DIFFERENCE)
    assert found.summary["quality"] == pytest.approx(np.median(expected), abs=ALLOWED_DIFFERENCE)


@pytest.mark.slow
def test_refusal_leaves_the_process_ready(scorer: ScorerProcess, tmp_path: Path) -> None:
    scorer.start()
    write_files(tmp_path)
    with pytest.raises(RefusedError, match="cannot be read"):
        scorer.score(tmp_path / "broken.png")
    with pytest.raises(RefusedError, match="does not know the plane 'face'"):
        scorer.score(tmp_path / "good.png", plane="face")
    assert scorer.score(tmp_path / "good.png").summary["num_scored"] == 1


@pytest.mark.slow
def test_requests_at_once_do_not_mix_their_answers(scorer: ScorerProcess, tmp_path: Path) -> None:
    paths = [
        write_ultrasound(tmp_path / f"{n}.dcm", phantom_pictures("a4c", n), series=f"1.{n}", study="1.2")
        for n in (1, 2, 3)
    ]
    found: dict[int, int] = {}

    def ask(number: int) -> None:
        found[number] = len(scorer.score(paths[number - 1]).frames)

    threads = [threading.Thread(target=ask, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {1: 1, 2: 2, 3: 3}


def program(tmp_path: Path, text: str, **given: float) -> ScorerProcess:
    """Return a process that runs a small program in the place of the worker."""
    path = tmp_path / "program.py"
    path.write_text(text)
    return ScorerProcess(Settings(sys.executable), arguments=(str(path),), **given)


READY = json.dumps({"event": "ready", "protocol": PROTOCOL, "version": "0"})
LOADED = json.dumps({"event": "loaded", "id": 1, "model": "m", "planes": [], "threshold": 0.5})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import sys; sys.exit('no luck today')", "ended: no luck today"),
        (f"print('{READY}'.replace('2', '9'), flush=True); input()", "speaks protocol 9, this program 2"),
        (f"print('{READY}', flush=True); input(); raise SystemExit('gone')", "ended: gone"),
        ("import time; time.sleep(60)", r"no answer within 0\.5 s"),
    ],
)
def test_process_that_does_not_come_up_is_reported(text: str, complaint: str, tmp_path: Path) -> None:
    seconds = 0.5 if "sleep" in text else 30.0
    with pytest.raises(UnavailableError, match=complaint):
        program(tmp_path, text, answer_seconds=seconds).start()


def ending_once(tmp_path: Path) -> ScorerProcess:
    """Return a process that ends instead of scoring, the first time only."""
    mark = tmp_path / "second"
    answer = json.dumps({"event": "finished", "id": 0, "summary": {"quality": 1.0}})
    return program(
        tmp_path,
        f"""
import json, pathlib, sys
mark = pathlib.Path({str(mark)!r})
print('{READY}', flush=True)
for line in sys.stdin:
    command = json.loads(line)
    answer = json.loads('{LOADED}' if command["command"] == "load" else '{answer}')
    if command["command"] == "score" and not mark.exists():
        mark.touch()
        sys.exit("out of memory")
    print(json.dumps({{**answer, "id": command["id"]}}), flush=True)
""",
    )


def test_process_that_ends_over_an_image_is_reported_and_started_again_for_the_next(tmp_path: Path) -> None:
    process = ending_once(tmp_path)
    with pytest.raises(UnavailableError, match="out of memory"):
        process.score("a.png")
    assert process.score("a.png").summary == {"quality": 1.0}
    process.stop()
    process.stop()


def test_image_is_not_blamed_for_a_process_that_was_there_before_it(tmp_path: Path) -> None:
    process = ending_once(tmp_path)
    process.start()
    assert process.score("a.png").summary == {"quality": 1.0}
    process.stop()


def test_app_is_written_for_the_protocol_of_the_service() -> None:
    assert answers.PROTOCOL == PROTOCOL


def test_client_is_loaded_from_the_installation_of_striq() -> None:
    module = load_client(sys.executable)
    assert Path(module.__file__ or "").samefile(client.__file__)
    assert {"ServiceClient", "RefusedError", "EndedError", "ServiceError"} <= vars(module).keys()


def test_client_is_loaded_where_nothing_is_installed() -> None:
    # -I and -S leave the standard library only, less than MONAI Label's environment has.
    program = (
        f"import sys; sys.path.append({str(ROOT / 'monailabel_app')!r}); paths = list(sys.path); "
        "from lib.striq_client import load_client; "
        f"print(load_client({sys.executable!r}).__file__, sys.path == paths)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [client.__file__, "True"]


@pytest.mark.parametrize("reason", ["No module named 'striq'", "broken installation"])
def test_interpreter_without_striq_is_reported(reason: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "{reason}" >&2\nexit 1\n')
    python.chmod(0o755)
    with pytest.raises(UnavailableError, match=f"does not find STRIQ's scoring process: {reason}.*Expected the python"):
        ScorerProcess(Settings(str(python))).start()


def test_packages_of_the_server_are_not_handed_to_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/packages/of/the/server")
    text = "import os, sys; sys.exit('path: ' + os.environ.get('PYTHONPATH', 'none'))"
    with pytest.raises(UnavailableError, match="path: none"):
        program(tmp_path, text).start()


# The score of an image


def scores(*qualities: float | None, plane: str = "kidney", accepted: bool = True) -> FileScores:
    results = [
        FrameResult("c", index, error="empty")
        if quality is None
        else FrameResult("c", index, make_score(quality, plane, accepted=accepted, index=index))
        for index, quality in enumerate(qualities)
    ]
    frames = [answers.frame(1, result, ms=1.0) for result in results]
    done = [quality for quality in qualities if quality is not None]
    quality = float(np.median(done)) if done else None
    return FileScores(frames, {"quality": quality, "accepted": accepted, "plane": plane})


def test_single_file_is_scored_by_its_own_summary() -> None:
    score = combine_files({"c.dcm": scores(0.2, None, 0.8)}, MODEL, 0.5)
    assert score["quality"] == score["prediction"][0]["score"] == 0.5
    assert (score["verdict"], score["plane"]) == ("accepted", "kidney")
    assert (score["num_frames"], score["num_scored"]) == (3, 2)
    assert score["best_frame"] == {"file": "c.dcm", "frame": 2, "quality": 0.8}
    assert score["frames"][1] == {"file": "c.dcm", "frame": 1, "error": "empty"}
    assert score["model"] == {"name": "model.pt", "sha256": "ab" * 32, "striq_version": "0.1.0"}
    assert json.loads(json.dumps(score, allow_nan=False)) == score


def test_files_of_a_series_count_the_same_whatever_their_length() -> None:
    series = {"1.dcm": scores(0.9), "2.dcm": scores(0.1, 0.1, 0.1, 0.1), "3.dcm": scores(0.8)}
    assert combine_files(series, MODEL, 0.5)["quality"] == 0.8


def test_file_that_is_refused_costs_only_itself() -> None:
    score = combine_files({"1.dcm": RefusedError("damaged"), "2.dcm": scores(0.6)}, MODEL, 0.5)
    assert score["quality"] == 0.6
    assert score["frames"][0] == {"file": "1.dcm", "frame": None, "error": "damaged"}


@pytest.mark.parametrize(
    ("scored", "reason"),
    [({"c.png": RefusedError("damaged")}, "damaged"), ({"c.png": scores(None)}, "empty"), ({}, "holds no file")],
)
def test_image_without_any_score_is_refused(scored: dict[str, FileScores | RefusedError], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        combine_files(scored, MODEL, 0.5)


# Notes in the datastore, and the order of the worklist


def test_score_is_current_until_model_or_file_changes() -> None:
    mark = model_mark(MODEL)
    score = combine_files({"c.png": scores(0.6)}, MODEL, 0.5)
    for note in (score_note(score, mark, "s", NOW), error_note("damaged", mark, "s", NOW)):
        assert is_current(note, mark, "s")
        assert not is_current(note, mark, "other")
        assert not is_current(note, model_mark({**MODEL, "sha256": "cd" * 32}), "s")
    assert not is_current({}, mark, "")


def test_error_takes_back_what_an_earlier_score_noted() -> None:
    noted = score_note(combine_files({"c.png": scores(0.6)}, MODEL, 0.5), "m", "s", NOW)
    noted |= error_note("damaged", "m", "s2", NOW)
    assert noted["striq_quality"] is noted["striq_verdict"] is noted["striq_plane"] is None
    assert noted["striq_error"] == "damaged"
    noted |= score_note(combine_files({"c.png": scores(0.6)}, MODEL, 0.5), "m", "s", NOW)
    assert (noted["striq_quality"], noted["striq_error"]) == (0.6, None)


def shown(ago: float, **note: float) -> dict[str, object]:
    return {**note, "strategy": {"worst_first": {"ts": NOW - ago}}}


def test_worklist_goes_from_the_worst_to_the_best_then_to_those_without_a_score() -> None:
    infos = {
        "best": {"striq_quality": 0.9},
        "none": {},
        "worst": {"striq_quality": 0.0},
        "bad": {"striq_quality": None},
    }
    order = sorted(infos, key=lambda image: turn(infos[image], "worst_first", NOW))
    assert order == ["worst", "best", "none", "bad"]


def test_image_shown_of_late_comes_after_all_others_and_the_longest_ago_first() -> None:
    infos = {
        "now": shown(5, striq_quality=0.1),
        "before": shown(50, striq_quality=0.2),
        "new": {"striq_quality": 0.9},
        "unscored": {},
    }
    order = sorted(infos, key=lambda image: turn(infos[image], "worst_first", NOW))
    assert order == ["new", "unscored", "before", "now"]


def test_image_shown_before_it_had_its_score_or_a_day_ago_counts_as_new() -> None:
    for info in (shown(50, striq_quality=0.3, striq_ts=NOW - 10), shown(ROUND_SECONDS + 1, striq_quality=0.3)):
        assert turn(info, "worst_first", NOW) == (0.0, 0.3)
    assert turn(shown(50, striq_quality=0.3), "random", NOW) == (0.0, 0.3)  # shown by another strategy


# Files of an image


def test_series_is_read_in_the_order_of_its_instance_numbers(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "series" / "damaged.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 20)
    names = [path.name for path in image_files(tmp_path / "series")]
    assert names == ["damaged.dcm", "2.dcm", "1.dcm"]
    assert image_files(tmp_path / "good.png") == [tmp_path / "good.png"]


def test_stamp_changes_with_any_file_and_only_then(tmp_path: Path) -> None:
    write_files(tmp_path)
    before = stamp(tmp_path / "series"), stamp(tmp_path / "good.png")
    assert before == (stamp(tmp_path / "series"), stamp(tmp_path / "good.png"))
    assert all(before)
    for path in (tmp_path / "series" / "1.dcm", tmp_path / "good.png"):
        path.write_bytes(path.read_bytes() + b"\0")
    assert stamp(tmp_path / "series") != before[0]
    assert stamp(tmp_path / "good.png") != before[1]
    assert stamp(tmp_path / "nowhere") == ""


def test_app_carries_the_version_of_the_package() -> None:
    version = re.compile(r'^ *version ?= ?"([^"]+)"', re.MULTILINE)
    files = (ROOT / "pyproject.toml", ROOT / "monailabel_app" / "main.py")
    assert len({version.search(file.read_text())[1] for file in files}) == 1  # type: ignore[index]


# Images that a request may name


def test_request_names_images_of_the_datastore_and_uploads_alone(tmp_path: Path) -> None:
    studies, outside = tmp_path / "studies", tmp_path / "secret.png"
    (studies / "deep").mkdir(parents=True)
    (studies / "deep" / "a.png").touch()
    outside.touch()
    (studies / "link.png").symlink_to(outside)
    folders = [str(studies), ""]
    for identifier in ("an identifier", "a" * 5000, "a\0b", "\ud800", "../studies/none.png"):
        assert may_be_named(identifier, folders)  # MONAI Label finds no such image
    assert may_be_named(str(studies / "deep" / "a.png"), folders)
    with tempfile.NamedTemporaryFile(suffix=".png") as upload:
        assert may_be_named(upload.name, folders)
    for path in (outside, studies / ".." / "secret.png", studies / "link.png", tmp_path, Path("README.md"), Path("/")):
        assert not may_be_named(str(path), folders), path
