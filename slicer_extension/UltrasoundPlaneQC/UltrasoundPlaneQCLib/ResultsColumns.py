"""Columns of the table of scores: their names and types, and the names they had in older versions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from .Terms import Term

LEADING = ("frame", "time_s", "quality", "verdict", "plane")  # the columns of the terms follow
TRAILING = ("plane_probability", "decided_by", "error")
POLICY_THRESHOLD = "policy_threshold"  # of a frame whose threshold a policy states; added with the policy
FIXED = (*LEADING, *TRAILING, "transform", "crop", "reference")
INTERNAL = ("transform", "crop", POLICY_THRESHOLD)  # for overlays, the position in words, and verdicts
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
    if name != "frame":
        column.Fill(math.nan)
        return column
    for row in range(numRows):
        column.SetValue(row, row)
    return column


def _titles() -> dict[str, str]:
    return {
        "frame": _("Frame"),
        "time_s": _("Time (s)"),
        "quality": _("Quality Q"),
        "verdict": _("Verdict"),
        "plane": _("Plane"),
        "plane_probability": _("Plane probability"),
        "decided_by": _("Decided by"),
        "error": _("Error"),
        "transform": _("Transform"),
        "crop": _("Crop"),
        "reference": _("Reference"),
    }


def styleTable(node: slicer.vtkMRMLTableNode) -> None:
    """Give a table titles as headers and the numbers of the frames as labels of its rows; lock it against edits."""
    titles, names = _titles(), columnNames(node)
    with slicer.util.NodeModify(node):
        for name in names:
            if name in titles:
                node.SetColumnTitle(name, titles[name])
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetUseFirstColumnAsRowHeader(True)
        node.SetLocked(True)


def columnNames(node: slicer.vtkMRMLTableNode) -> list[str]:
    """Return the names of all columns of a table."""
    return [node.GetColumnName(number) for number in range(node.GetNumberOfColumns())]


def addTermColumns(node: slicer.vtkMRMLTableNode, terms: Sequence[Term]) -> None:
    """Insert the columns of terms before the trailing ones, with their labels as titles."""
    table = node.GetTable()
    names = [name for term in terms for name in term.columns]
    for offset, name in enumerate(names):
        table.InsertColumn(newColumn(name, node.GetNumberOfRows()), len(LEADING) + offset)
    for term in terms:
        titles = (term.label, _("{term}, normalized"), _("{term}, weight"))
        for name, title in zip(term.columns, titles, strict=True):
            node.SetColumnTitle(name, title.format(term=term.label))
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
