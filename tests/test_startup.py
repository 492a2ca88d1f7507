"""What a program loads before it does something, counted in modules, which do not depend on the machine."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from striq.collection import begin_loading, end_loading
from striq.data.phantom import make_phantom

# Loading any of these takes 20 ms or more.
LARGE = {"torch", "scipy", "monai", "ignite", "matplotlib", "pydicom", "nibabel", "nrrd", "jinja2", "PIL", "pandas"}
NEEDED = {"torch", "scipy", "PIL"}  # to score a picture
MAX_MODULES = 700  # of a program that only speaks; 569 when this was written
MAX_OWN_MODULES = 170  # of a program that scores
MAX_OTHER_MODULES = 900  # of all but PyTorch and the package

REPORT = """
import json, sys
from striq.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""


def modules_of(*arguments: str, folder: Path) -> list[str]:
    """Return the modules that a program has loaded at its end."""
    ended = subprocess.run(
        [sys.executable, "-c", REPORT, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(ended.stdout.splitlines()[-1])


def packages(modules: list[str]) -> set[str]:
    return {name.split(".")[0] for name in modules}


@pytest.mark.parametrize("arguments", [["--help"], ["score", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_no_large_package(arguments: list[str], tmp_path: Path) -> None:
    loaded = modules_of(*arguments, folder=tmp_path)
    assert packages(loaded) & LARGE == set()
    assert len(loaded) <= MAX_MODULES


def test_score_of_a_picture_loads_what_it_needs(tiny_model: Path, tmp_path: Path) -> None:
    frame = next(iter(make_phantom(1, 1, planes=("kidney",), size=(96, 96))))
    Image.fromarray((frame.pixels * 255).astype("uint8")).save(tmp_path / "a.png")
    loaded = modules_of("score", "a.png", "--model", str(tiny_model), "--out", "scores.csv", folder=tmp_path)
    assert (tmp_path / "scores.csv").is_file()
    assert packages(loaded) & LARGE == NEEDED
    assert sum(name.split(".")[0] == "striq" for name in loaded) <= MAX_OWN_MODULES
    assert sum(name.split(".")[0] not in {"striq", "torch", "torchgen"} for name in loaded) <= MAX_OTHER_MODULES


def test_collection_is_as_before_when_loading_has_ended() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        begin_loading()
        assert gc.get_threshold() != before
        end_loading()
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() > frozen
        end_loading()  # a second call, or one of a program that did not begin, changes nothing
        assert gc.get_threshold() == before
    finally:
        gc.unfreeze()
