"""Rules of the Extensions Index for 3D Slicer that need no network: description file, CMake, license, size."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "slicer_extension" / "STRIQ.json"
README = ROOT / "slicer_extension" / "README.md"
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
TYPES = {  # of the catalog entry, schema 1.0.2; other keys are refused
    "$schema": str, "category": str, "scm_url": str, "scm_revision": str, "scm_type": str, "build_dependencies": list,
    "dicom_support_rule": str, "build_subdirectory": str, "enabled": bool, "tier": int,
}  # fmt: skip
REQUIRED = {"$schema", "category", "scm_url"}
MAX_BYTES = 100 * 2**20


def has_slicer_in_its_name(address: str) -> bool:
    """Return whether a repository has a name that the index takes without an exception."""
    return "slicer" in Path(urlsplit(address).path).stem.lower()


@pytest.fixture
def entry() -> dict[str, object]:
    return json.loads(ENTRY.read_text(encoding="utf-8"))


def test_entry_follows_the_schema(entry: dict[str, object]) -> None:
    assert set(entry) >= REQUIRED
    for key, value in entry.items():
        assert isinstance(value, TYPES[key]), key
    assert str(entry["$schema"]).endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["tier"] in range(1, 6)
    assert entry["category"] == "Ultrasound"  # one of the index


def test_address_of_the_repository_has_a_scheme_that_is_taken(entry: dict[str, object]) -> None:
    assert urlsplit(str(entry["scm_url"])).scheme in ("https", "git")


@pytest.mark.parametrize(
    ("address", "isTaken"),
    [
        ("https://host/a/SlicerSTRIQ.git", True),
        ("https://host/a/striq-slicer", True),
        ("https://host/slicer/striq", False),
    ],
)
def test_name_of_the_repository_needs_slicer_or_an_exception(address: str, isTaken: bool) -> None:  # noqa: N803
    assert has_slicer_in_its_name(address) is isTaken


def test_name_that_is_not_taken_is_a_step_of_the_release(entry: dict[str, object]) -> None:
    # The publisher names the repository: the release says what the index asks for.
    if not has_slicer_in_its_name(str(entry["scm_url"])):
        steps = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")
        assert "`Slicer` in its name" in steps


def test_project_is_named_like_the_entry_and_asks_for_the_cmake_of_the_template() -> None:
    assert re.findall(r"project\s*\(\s*([^\s\)]+)", CMAKE)[0] == ENTRY.stem
    assert not ENTRY.stem.startswith("Slicer")
    lowest = re.search(r"cmake_minimum_required\(VERSION (\d+)\.(\d+)", CMAKE)
    assert lowest is not None
    assert (int(lowest[1]), int(lowest[2])) == (3, 28)


@pytest.mark.parametrize(("key", "least"), [("ICONURL", 1), ("SCREENSHOTURLS", 3)])
def test_pictures_are_addresses_on_one_line(key: str, least: int) -> None:
    (listed,) = re.findall(rf'^set\(EXTENSION_{key} "([^"\n]+)"\)$', CMAKE, re.MULTILINE)
    assert len(listed.split()) >= least
    for address in listed.split():
        assert urlsplit(address).scheme == "https"
        assert address.endswith((".png", ".jpg", ".gif"))


def test_license_is_in_the_root_and_the_readme_has_what_reviewers_ask_for() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    for heading in ("Tutorial", "Sample data", "Privacy", "License", "Patents", "How to cite"):
        assert f"**{heading}**" in text, heading
    assert "![" in text


def test_checkout_is_within_the_limit_of_the_index() -> None:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a checkout")
    sizes = {
        name: (ROOT / name).stat().st_size for name in listed.decode().split("\0") if name and (ROOT / name).is_file()
    }
    assert len(sizes) > 100
    assert sum(sizes.values()) < MAX_BYTES / 2, sorted(sizes, key=lambda name: -sizes[name])[
        :5
    ]  # half is for the history
