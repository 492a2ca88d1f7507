"""Keep the import graph pointing one way, so the package reads in the order of the data flow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "striq"
# Each layer may import itself and the layers before it, never those after.
LAYERS = (
    {
        "about",
        "types",
        "config",
        "errors",
        "atomic_files",
        "collection",
        "csv_cells",
        "plane_names",
        "shipped_models",
        "signals",
        "verdict",
        "waiting",
        "processors",
        "progress_bar",
        "toml_files",
        "bearer_tokens",
        "policies",
    },
    {"registration"},
    {"data"},
    {"model"},
    {"anchors", "quality"},
    {"scoring"},
    {"baselines"},
    {"training", "evaluation"},
    {"reporting"},
    {"audit"},
    {"dashboard"},
    {"service", "monai_bundle", "serve"},
    {"commands"},
    {"cli", "demo"},
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def imported_units(module: Path) -> set[str]:
    """Return the top-level units of ``striq`` that a module imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom):
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
    return {name.split(".")[1] for name in names if name.startswith("striq.")}


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_backwards(module: Path) -> None:
    unit = module.relative_to(PACKAGE).parts[0].removesuffix(".py")
    too_high = {other for other in imported_units(module) if RANK[other] > RANK[unit]}
    assert not too_high, f"{unit} must not import {sorted(too_high)}"
