"""Tests that the type stubs declare only what the real MRML, VTK and ``slicer.util`` have."""

from __future__ import annotations

import ast
from types import ModuleType

import pytest
import slicer
import slicer.util
import vtk
from conftest import HERE

STUBS = HERE.parent / "typings"


def declared(path: str) -> list[tuple[str, list[str]]]:
    """Return the functions and classes of a stub with the members of each."""
    body = ast.parse((STUBS / path).read_text()).body
    found: list[tuple[str, list[str]]] = [(node.name, []) for node in body if isinstance(node, ast.FunctionDef)]
    for node in body:
        if isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            values = [part.target.id for part in node.body if isinstance(part, ast.AnnAssign)]
            found.append((node.name, [*methods, *values]))
    return found


@pytest.mark.parametrize(
    ("path", "module", "prefixes", "atLeast"),
    [
        ("vtk.pyi", vtk, ("vtk",), 15),
        ("slicer/__init__.pyi", slicer, ("vtk",), 20),
        ("slicer/util.pyi", slicer.util, (), 20),
    ],
    ids=["vtk", "slicer", "slicer.util"],
)
def test_stubs_declare_what_exists(path: str, module: ModuleType, prefixes: tuple[str, ...], atLeast: int) -> None:
    real = [(name, members) for name, members in declared(path) if not prefixes or name.startswith(prefixes)]
    assert len(real) >= atLeast
    absent = [name for name, _ in real if not hasattr(module, name)]
    assert absent == []
    for name, members in real:
        assert [member for member in members if not hasattr(getattr(module, name), member)] == [], name
