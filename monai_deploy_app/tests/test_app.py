"""The application, run as its users run it: ``python monai_deploy_app -i INPUT -o OUTPUT -m MODEL``."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest

from striq.quality.terms import TERMS
from striq.reporting.rows import score_columns

ROOT = Path(__file__).parents[2]
APP = ROOT / "monai_deploy_app"
REAL_DATA = ROOT.parent / "shared" / "data" / "dicom_us"
ALLOWED_DIFFERENCE = 1e-5
NUMBERS = [name for name, kind in score_columns().items() if kind is float]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of files that ``tests/ultrasound_files.py`` writes."""
    folder = tmp_path_factory.mktemp("files")
    subprocess.run([sys.executable, str(ROOT / "tests" / "ultrasound_files.py"), str(folder)], check=True)
    return folder


def run_app(source: Path, out: Path, *, model: Path | None, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the application on the CPU, from a folder that is not its own."""
    given = [] if model is None else ["-m", str(model)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, str(APP), "-i", str(source), "-o", str(out), *given]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False)


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as rows:
        return list(csv.DictReader(rows))


def rows_of_command_line(source: Path, out: Path, model: Path | None) -> list[dict[str, str]]:
    """Return what ``striq score`` writes for the same folder."""
    program = "import sys; from striq.cli import main; sys.exit(main())"
    given = [] if model is None else ["--model", str(model)]
    command = [sys.executable, "-c", program, "score", str(source), "--out", str(out), "--device", "cpu", *given]
    subprocess.run(command, capture_output=True, timeout=900, check=False)
    return rows_of(out)


def assert_same_scores(found: list[dict[str, str]], expected: list[dict[str, str]]) -> None:
    def key(row: dict[str, str]) -> tuple[str, int]:
        return row["source"], int(row["frame"] or -1)

    assert [key(row) for row in sorted(found, key=key)] == [key(row) for row in sorted(expected, key=key)]
    for one, other in zip(sorted(found, key=key), sorted(expected, key=key), strict=True):
        assert (one["plane"], one["accepted"], one["time_s"]) == (other["plane"], other["accepted"], other["time_s"])
        assert bool(one["error"]) == bool(other["error"])
        if not one["error"]:
            for name in NUMBERS:
                numbers = [float(row[name] or "nan") for row in (one, other)]
                assert numbers[0] == pytest.approx(numbers[1], abs=ALLOWED_DIFFERENCE, nan_ok=True)


@pytest.fixture(scope="module")
def scored(files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run over a good study among files that are damaged, no DICOM, or no ultrasound."""
    work = tmp_path_factory.mktemp("run")
    source = work / "input"
    shutil.copytree(files / "series", source / "sub")
    shutil.copy(files / "cine.dcm", source)
    whole = (files / "cine.dcm").read_bytes()
    (source / "no_header.dcm").write_bytes(whole[:300])
    (source / "no_pixels.dcm").write_bytes(whole[: len(whole) - 30_000])
    (source / "notes.txt").write_text("not DICOM")
    other = pydicom.dcmread(files / "cine.dcm")
    other.Modality, other.SeriesInstanceUID, other.SOPInstanceUID = "CT", "1.2.3", "1.2.3.4"
    other.save_as(source / "ct.dcm")
    (work / "models").mkdir()  # a folder of this name beside the run is not the model that was asked for
    finished = run_app(source, work / "out", model=files / "model.pt", cwd=work)
    return {"finished": finished, "source": source, "out": work / "out", "work": work, "model": files / "model.pt"}


def test_run_among_damaged_files_ends_well(scored: dict[str, Any]) -> None:
    assert scored["finished"].returncode == 0, scored["finished"].stderr[-4000:]


def test_scores_equal_those_of_the_command_line(scored: dict[str, Any]) -> None:
    found = rows_of(scored["out"] / "striq_scores.csv")
    expected = rows_of_command_line(scored["source"], scored["work"] / "expected.csv", scored["model"])
    expected = [row for row in expected if Path(row["source"]).name != "ct.dcm"]
    assert sum(not row["error"] for row in found) >= 8
    assert_same_scores(found, expected)


def test_json_names_model_instances_summaries_and_frames(scored: dict[str, Any], files: Path) -> None:
    content = json.loads((scored["out"] / "striq_scores.json").read_text())
    assert "never for diagnosis" in content["notice"]
    assert len(content["model"]["sha256"]) == 64
    instances = {Path(one["file"]).name: one for series in content["series"] for one in series["instances"]}
    header = pydicom.dcmread(files / "cine.dcm", stop_before_pixels=True)
    cine = instances["cine.dcm"]
    assert cine["sop_instance_uid"] == header.SOPInstanceUID
    qualities = [frame["quality"] for frame in cine["frames"]]
    assert cine["summary"]["quality"] == sorted(qualities)[2]
    assert cine["summary"]["best_frame"] == qualities.index(max(qualities))
    for frame in cine["frames"]:
        assert set(frame["terms"]) == set(frame["normalized_terms"]) == set(frame["weights"]) == set(TERMS)
        total = sum(frame["weights"][name] * frame["normalized_terms"][name] for name in TERMS)
        assert total == pytest.approx(frame["quality"], abs=1e-6)


def test_instances_of_a_series_come_in_the_order_of_their_numbers(scored: dict[str, Any]) -> None:
    content = json.loads((scored["out"] / "striq_scores.json").read_text())
    names = [[Path(one["file"]).name for one in series["instances"]] for series in content["series"]]
    assert ["2.dcm", "1.dcm"] in names  # 2.dcm holds instance 1


def test_damaged_files_are_named_with_the_reason_and_cost_only_themselves(scored: dict[str, Any]) -> None:
    rows = rows_of(scored["out"] / "striq_scores.csv")
    errors = {Path(row["source"]).name: row["error"] for row in rows if row["error"]}
    assert set(errors) == {"no_header.dcm", "no_pixels.dcm"}
    assert "StudyInstanceUID" in errors["no_header.dcm"]
    assert all("Copy or export the file again" in error for error in errors.values())


def test_other_modalities_are_left_out(scored: dict[str, Any]) -> None:
    assert "ct.dcm" not in (scored["out"] / "striq_scores.csv").read_text()


def test_instances_at_one_place_in_space_are_all_scored(files: Path, tmp_path: Path) -> None:
    source = tmp_path / "input"
    source.mkdir()
    for name in ("1.dcm", "2.dcm"):
        image = pydicom.dcmread(files / "series" / name)
        image.ImagePositionPatient = [0, 0, 0]
        image.save_as(source / name)
    assert run_app(source, tmp_path / "out", model=files / "model.pt", cwd=tmp_path).returncode == 0
    assert {Path(row["source"]).name for row in rows_of(tmp_path / "out" / "striq_scores.csv")} == {"1.dcm", "2.dcm"}


@pytest.mark.parametrize(("name", "reason"), [("notes.txt", "no series of modality US"), ("cut.dcm", "damaged")])
def test_run_without_any_score_fails_and_says_why(name: str, reason: str, files: Path, tmp_path: Path) -> None:
    source = tmp_path / "input"
    source.mkdir()
    content = b"text" if name == "notes.txt" else (files / "cine.dcm").read_bytes()[:300]
    (source / name).write_bytes(content)
    finished = run_app(source, tmp_path / "out", model=files / "model.pt", cwd=tmp_path)
    assert finished.returncode != 0
    assert reason in finished.stdout + finished.stderr
    assert (tmp_path / "out" / "striq_scores.json").is_file()


def test_model_that_is_none_fails_and_says_why(files: Path, tmp_path: Path) -> None:
    finished = run_app(files / "series", tmp_path / "out", model=APP / "app.py", cwd=tmp_path)
    assert finished.returncode != 0
    assert "cannot be read as a checkpoint" in finished.stdout + finished.stderr


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"needs the real ultrasound files in {REAL_DATA}")
def test_real_study_gets_the_scores_of_the_command_line_with_the_shipped_model(tmp_path: Path) -> None:
    source = tmp_path / "input"
    source.mkdir()
    # Color with a region, RLE of two frames, JPEG 2000, big endian, and one that no decoder here reads.
    for name in ("YBR_FULL-RLE.dcm", "OBXXXX1A_rle_2frame.dcm", "US1_J2KR.dcm", "ExplVR_BigEnd.dcm"):
        shutil.copy(REAL_DATA / name, source)
    shutil.copy(REAL_DATA / "unsupported_jpegxl_27f.dcm", source)
    finished = run_app(source, tmp_path / "out", model=None, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr[-4000:]
    assert_same_scores(
        rows_of(tmp_path / "out" / "striq_scores.csv"),
        rows_of_command_line(source, tmp_path / "expected.csv", None),
    )
