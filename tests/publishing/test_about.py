"""Publisher, addresses and version stand in one place; the files that repeat them are written from there."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from striq import about

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "write_about.py"))
OTHER = TOOL["About"]("Clinic of Examples", "https://git.example.net/quality/striq", "7.8.9")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copies of the files that repeat the publisher, written for another one."""
    for name in TOOL["About"].of_project().values():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for path, text in TOOL["outdated"](OTHER, tmp_path).items():
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_every_file_is_up_to_date() -> None:
    outdated = [str(path) for path in TOOL["outdated"](TOOL["About"].of_project())]
    assert not outdated, f"{outdated}: run 'make about'"


def test_the_tool_reads_the_module_of_the_package() -> None:
    read = TOOL["About"].of_project()
    assert (read.publisher, read.repository) == (about.PUBLISHER, about.REPOSITORY)
    assert not about.REPOSITORY.endswith("/")


def test_another_publisher_changes_every_file_and_leaves_nothing_of_the_former(checkout: Path) -> None:
    for name in OTHER.values():
        text = (checkout / name).read_text(encoding="utf-8")
        assert text != (ROOT / name).read_text(encoding="utf-8"), name
        assert about.REPOSITORY not in text, name
        assert about.PUBLISHER not in text, name
    assert TOOL["outdated"](OTHER, checkout) == {}


def test_written_files_are_still_well_formed(checkout: Path) -> None:
    entry = json.loads((checkout / "slicer_extension" / "STRIQ.json").read_text(encoding="utf-8"))
    assert entry["scm_url"] == f"{OTHER.repository}.git"
    metadata = json.loads((checkout / "monai_bundle" / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert (metadata["version"], metadata["required_packages_version"]["striq"]) == ("7.8.9", "7.8.9")
    assert (metadata["authors"], metadata["copyright"]) == (OTHER.publisher, f"Copyright (c) {OTHER.publisher}")
    weights = yaml.safe_load((checkout / "monai_bundle" / "large_files.yml").read_text(encoding="utf-8"))
    assert weights["large_files"][0]["url"] == f"{OTHER.repository}/releases/download/v7.8.9/model.pt"
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["authors"] == [{"name": OTHER.publisher}]
    assert (citation["version"], citation["repository-code"]) == ("7.8.9", OTHER.repository)


def test_placeholders_stand_in_no_other_file() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a checkout of Git")
    allowed = {"striq/about.py", *TOOL["About"].of_project().values()}
    for name in tracked.stdout.splitlines():
        if name in allowed or name.startswith("tests/") or not (ROOT / name).is_file():
            continue
        content = (ROOT / name).read_bytes()
        found = [text for text in (about.REPOSITORY, about.PUBLISHER) if text.encode() in content]
        assert not found, f"{name}: take it from striq.about, or write it by tools/write_about.py"


@pytest.mark.parametrize("text", ["no such field\n", 'url = "a"\nurl = "b"\n'])
def test_field_that_is_missing_or_repeated_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"times, expected once"):
        TOOL["written"](text, {r'^url = "(.*)"$': "c"})
