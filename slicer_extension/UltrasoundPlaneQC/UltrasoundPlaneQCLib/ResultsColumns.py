"""Columns of the table of scores: their names and types, and the names they had in older versions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import slicer
import vtk

from .Terms import Term

LEADING = ("frame", "time_s", "quality", "verdict", "plane")  # the columns of the terms follow
TRAILING = ("plane_probability", "decided_by", "error")
INTERNAL = ("transform", "crop")  # for overlays and the position in words
FIXED = (*LEADING, *TRAILING, *INTERNAL, "reference")
TEXTS = frozenset(("verdict", "decided_by", "plane", "transform", "crop", "reference", "error"))
OLDER_NAMES = {"box": "crop", "anchor": "reference"}
OLDER_SUFFIX = "_goodness"  # of normalized terms


def newColumn(name: str, numRows: int) -> Any:
    """Return a column of empty cells: NaN in a column of numbers, ``""`` in one of texts; frames are numbered."""
    if name in TEXTS:
        texts = vtk.vtkStringArray()
        texts.SetNumberOfValues(numRows)
        texts.SetName(name)
        return texts
    column = vtk.vtkIntArray() if name == "frame" else vtk.vtkDoubleArray()
    column.SetName(name)
    column.SetNumberOfValues(numRows)
    for row in range(numRows):
        column.SetValue(row, row if name == "frame" else math.nan)
    return column


def columnNames(node: slicer.vtkMRMLTableNode) -> list[str]:
    """Return the names of all columns of a table."""
    return [node.GetColumnName(number) for number in range(node.GetNumberOfColumns())]


def addTermColumns(node: slicer.vtkMRMLTableNode, terms: Sequence[Term]) -> None:
    """Insert the columns of terms before the trailing ones, with their labels as headers."""
    table = node.GetTable()
    names = [name for term in terms for name in term.columns]
    for offset, name in enumerate(names):
        table.InsertColumn(newColumn(name, node.GetNumberOfRows()), len(LEADING) + offset)
    node.SetUseColumnTitleAsColumnHeader(True)
    for term in terms:
        node.SetColumnTitle(term.name, term.label)
        node.SetColumnDescription(term.name, term.description)
    node.Modified()


def upgradeColumns(node: slicer.vtkMRMLTableNode) -> list[Term]:
    """Rename the columns of a table that an older version saved, add the missing ones, and return its terms."""
    names = columnNames(node)
    terms = [Term(name, name, "") for name in names if f"{name}{OLDER_SUFFIX}" in names]
    renamed = OLDER_NAMES | {f"{term.name}{OLDER_SUFFIX}": term.normalizedColumn for term in terms}
    for old, new in renamed.items():
        if old in names:
            node.RenameColumn(names.index(old), new)
    for term in terms:
        place = columnNames(node).index(term.normalizedColumn) + 1
        node.GetTable().InsertColumn(newColumn(term.weightColumn, node.GetNumberOfRows()), place)
    node.Modified()
    return terms
