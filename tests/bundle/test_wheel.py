"""The packed bundle beside an installed wheel, nothing else: from another folder, by MONAI's command line.

``make test-bundle`` builds the wheel and installs it into ``.venv-wheel``.
"""

from __future__ import annotations

import csv
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from test_packing import ROOT, TOOL

import striq
from striq.data.phantom import write_phantom
from striq.data.readers import open_cine

PYTHON = ROOT / ".venv-wheel" / "bin" / "python"
MEGABYTE = 1_000_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.is_file(), reason="no installed wheel: 'make test-bundle' makes one"),
]


def run(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(PYTHON), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the repository with the unpacked bundle and some frames."""
    root = tmp_path_factory.mktemp("outside")
    with zipfile.ZipFile(TOOL.pack(root)) as archive:
        archive.extractall(root)
    write_phantom(root / "frames", 4, 1, planes=("synthetic_kidney",))
    return root


def bundle(folder: Path, run_id: str, name: str, *options: str) -> str:
    config = str(folder / TOOL.NAME / "configs" / name)
    data = f"--dataset_dir={folder / 'frames'}"
    return run(folder, "-m", "monai.bundle", "run", run_id, "--config_file", config, data, "--device=cpu", *options)


def test_package_is_the_installed_one_and_finds_its_model(folder: Path) -> None:
    found = run(folder, "-c", "import striq; print(striq.__file__); print(striq.load_scorer(device='cpu').planes)")
    path, planes = found.strip().splitlines()
    assert Path(path).is_relative_to(ROOT / ".venv-wheel")
    assert "synthetic_kidney" in planes


def test_light_model_is_found_by_its_name(folder: Path) -> None:
    found = run(folder, "-c", "import striq; print(striq.load_scorer('light', device='cpu').planes)")
    assert found.strip() == "['A4C', 'fetal_head', 'liver']"


def test_inference_from_another_folder_gives_the_scores_of_the_scorer(folder: Path) -> None:
    bundle(folder, "inference", "inference.json")
    written = folder / TOOL.NAME / "eval" / "quality.csv"  # of the unpacked bundle, not of the package's
    rows = list(csv.DictReader(written.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 4
    scorer = striq.load_scorer(device="cpu")
    score = scorer.score([open_cine(rows[0]["source"])[0]], "synthetic_kidney")[0]
    assert float(rows[0]["synthetic_kidney"]) == pytest.approx(score.quality, abs=1e-5)


def test_training_from_another_folder_writes_a_model(folder: Path) -> None:
    output = folder / "trained"
    bundle(folder, "training", "train.json", "--max_epochs=1", "--quiet=True", f"--output_dir={output}")
    assert striq.load_scorer(output, device="cpu").planes == ["synthetic_kidney"]


def test_wheel_is_small_enough_to_share() -> None:
    wheels = list((ROOT / "dist").glob("striq-*.whl"))
    assert len(wheels) == 1
    assert wheels[0].stat().st_size < 35 * MEGABYTE  # the two shipped models have 33


def test_wheel_holds_the_bundle_and_no_output_of_any_run() -> None:
    with zipfile.ZipFile(next((ROOT / "dist").glob("striq-*.whl"))) as wheel:
        names = {name.removeprefix("striq/bundle/") for name in wheel.namelist() if name.startswith("striq/bundle/")}
    with zipfile.ZipFile(TOOL.pack(ROOT / "dist")) as packed:
        of_bundle = {name.removeprefix(f"{TOOL.NAME}/") for name in packed.namelist()}
    assert names == of_bundle | {"models/light.pt"}  # a bundle of the Model Zoo has one model
