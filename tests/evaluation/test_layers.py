"""Imports inside the evaluation point one way: statistics, reports, agreement, studies, reproduction."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "striq" / "evaluation"
LAYERS = ("statistics", "reports", "agreement", "studies", "reproduction")  # each may import itself and those before it
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def imported_layers(source: str) -> set[str]:
    """Return the layers of the evaluation that a module imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
    return {name.split(".")[2] for name in names if name.startswith("striq.evaluation.")}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_backwards(module: Path) -> None:
    layer = module.relative_to(PACKAGE).parts[0]
    later = imported_layers(module.read_text(encoding="utf-8")) - set(LAYERS[: LAYERS.index(layer) + 1])
    assert not later, f"{layer} must not import {sorted(later)}"


@pytest.mark.parametrize(
    "line", ["import striq.evaluation.studies.ablation", "from striq.evaluation.studies import ablation"]
)
def test_imports_are_found_in_every_form(line: str) -> None:
    assert imported_layers(f"def later():\n    {line}\n") == {"studies"}
