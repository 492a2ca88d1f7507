"""Workflows, templates and hooks are well formed and call what exists."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
LARGE, LARGEST = 7_000_000, 25_000_000  # bytes
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def commands(value: Any) -> list[str]:
    """Return every command that a workflow or a hook runs."""
    if isinstance(value, dict):
        own = [str(value[key]) for key in ("run", "entry") if isinstance(value.get(key), str)]
        return own + [command for child in value.values() for command in commands(child)]
    return [command for child in value for command in commands(child)] if isinstance(value, list) else []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_has_what_a_host_requires(path: Path) -> None:
    workflow = load(path)
    assert workflow["name"]
    assert True in workflow  # YAML reads the key "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["runs-on"], name
        assert job["timeout-minutes"] <= 90, name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1")), step


def test_package_is_tested_on_every_python_and_system_that_it_names() -> None:
    versions = load(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["package"]["strategy"]["matrix"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={versions["python"][0]}"' in project
    assert {system.split("-")[0] for system in versions["os"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".pre-commit-config.yaml"], ids=lambda path: path.name)
def test_every_make_target_exists(path: Path) -> None:
    targets = [
        target
        for command in commands(load(path))
        for line in re.findall(r"\bmake ([\w -]+)", command)
        for target in line.split()
    ]
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_issue_forms_have_fields(path: Path) -> None:
    form = load(path)
    if path.name != "config.yml":
        assert form["name"]
        assert form["description"]
        assert any(field["type"] != "markdown" for field in form["body"])


def test_large_files_are_stored_once_and_stay_below_the_limit() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout of Git")
    files = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    large = [path for path in files if path.stat().st_size > LARGE]
    assert max(path.stat().st_size for path in files) < LARGEST
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in large]
    assert len(hashes) == len(set(hashes)), [path.name for path in large]
    models = sorted(path.name for path in large if path.suffix == ".pt" and path.parent.name == "models")
    assert models == ["light.pt", "model.pt"]
