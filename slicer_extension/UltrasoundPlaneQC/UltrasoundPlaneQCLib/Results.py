"""The table of scores: one row per frame, with verdicts that follow the threshold and the user's own decisions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from .Cells import csvCells, fillColumn, numbersOf, orNan
from .FrameResult import FrameResult
from .FrameSource import FrameSource
from .Judgement import BY_USER, UNSCORED, judge
from .Messages import FrameAnswer, ScoredFrame, TermDescription
from .PolicyThresholds import SitedPolicy, keepPolicy, policyOf, statePolicy, thresholdsOf
from .ResultsColumns import (
    FIXED,
    INTERNAL,
    LEADING,
    TRAILING,
    addTermColumns,
    newColumn,
    styleTable,
    upgradeColumns,
)
from .Terms import Term

KIND, INPUT = "STRIQ.results", "striqInput"
RATINGS = "STRIQ.ratings"  # attribute; ratings stay with the frames when these are scored again
THRESHOLD, TERMS, RUN = "STRIQ.threshold", "STRIQ.terms", "STRIQ.run"
DEFAULT_THRESHOLD = 0.5  # until a model is loaded


class Results:
    """View of one table node; all values live in the node. A table of an older version is upgraded.

    Views show a change only once it is announced. Each announcement shows the whole table again, which takes a while
    for thousands of frames.

    Args:
        node: Table made by :meth:`create`.
    """

    def __init__(self, node: slicer.vtkMRMLTableNode) -> None:
        self.node = node
        if node.GetAttribute(TERMS) is None:
            self._keepTerms(upgradeColumns(node))
        if not node.GetLocked() and node.GetNumberOfColumns():
            styleTable(node)

    @classmethod
    def find(cls, source: FrameSource) -> Results | None:
        """Return the newest scores of a source in the scene; ``None`` if there are none."""
        return cls.findOf(source.node)

    @classmethod
    def findOf(cls, node: slicer.vtkMRMLNode | None) -> Results | None:
        """Return the newest scores of a browser or volume in the scene; ``None`` if there are none."""
        known = [table for table in resultsTables() if table.GetNodeReference(INPUT) is node]
        return cls(known[-1]) if known and node is not None else None

    @classmethod
    def create(cls, source: FrameSource) -> Results:
        """Return an empty table for the frames of a source; :meth:`setTerms` adds the columns of the terms."""
        before = cls.findOf(source.node)
        node: slicer.vtkMRMLTableNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{source.name} quality")
        if before is not None and len(before) == source.numFrames:
            node.SetAttribute(RATINGS, before.node.GetAttribute(RATINGS))
        node.SetAttribute(KIND, "1")
        node.SetAttribute(TERMS, "[]")
        if source.node is not None:
            node.AddNodeReferenceID(INPUT, source.node.GetID())
        with slicer.util.NodeModify(node):
            for name in FIXED:
                node.AddColumn(newColumn(name, source.numFrames))
            fillColumn(node.GetTable().GetColumnByName("verdict"), [UNSCORED] * source.numFrames)
            fillColumn(node.GetTable().GetColumnByName("time_s"), source.timesS or [])
        return cls(node)

    def setTerms(self, descriptions: Sequence[TermDescription]) -> None:
        """Add the columns of the terms that the scoring process describes."""
        terms = [Term.of(description) for description in descriptions]
        with slicer.util.NodeModify(self.node):
            addTermColumns(self.node, terms)
            self._keepTerms(terms)

    def _keepTerms(self, terms: Sequence[Term]) -> None:
        self.node.SetAttribute(TERMS, json.dumps([asdict(term) for term in terms]))

    @property
    def terms(self) -> list[Term]:
        """Terms that the table has columns for."""
        return [Term.of(description) for description in json.loads(self.node.GetAttribute(TERMS) or "[]")]

    def __len__(self) -> int:
        return self.node.GetNumberOfRows()

    @property
    def isInScene(self) -> bool:
        """Whether the table is still in the scene."""
        return self.node.GetScene() is not None

    def __getitem__(self, row: int) -> FrameResult:
        return self._row(row, self.terms)

    def __iter__(self) -> Iterator[FrameResult]:
        terms = self.terms
        return (self._row(row, terms) for row in range(len(self)))

    def _row(self, row: int, terms: Sequence[Term]) -> FrameResult:
        return FrameResult(
            frame=row,
            timeS=self._get(row, "time_s"),
            quality=self._get(row, "quality"),
            verdict=self._get(row, "verdict"),
            decidedBy=self._get(row, "decided_by"),
            plane=self._get(row, "plane"),
            normalized={term.name: self._get(row, term.normalizedColumn) for term in terms},
            weights={term.name: self._get(row, term.weightColumn) for term in terms},
            transform=numbersOf(self._get(row, "transform")),
            crop=[int(edge) for edge in numbersOf(self._get(row, "crop"))],
            reference=self._get(row, "reference"),
            error=self._get(row, "error"),
        )

    def column(self, name: str) -> list[Any]:
        """Return the values of a column."""
        column = self.node.GetTable().GetColumnByName(name)
        return [column.GetValue(row) for row in range(column.GetNumberOfValues())]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the values of a column of numbers as an array of its own."""
        return np.array(slicer.util.arrayFromTableColumn(self.node, name), np.float64)

    def value(self, row: int, name: str) -> Any:
        """Return the value of one cell."""
        return self._get(row, name)

    def announce(self) -> None:
        """Let views show what has changed in the table."""
        with slicer.util.NodeModify(self.node):
            self.node.GetTable().Modified()
            self.node.Modified()

    @property
    def inputId(self) -> str | None:
        """ID of the node that was scored."""
        return self.node.GetNodeReferenceID(INPUT)

    def setInput(self, node: slicer.vtkMRMLNode) -> None:
        """Set the node that the scores belong to."""
        self.node.SetNodeReferenceID(INPUT, node.GetID())

    @property
    def threshold(self) -> float:
        """Quality that an accepted frame exceeds, where a policy states no other."""
        return float(self.node.GetAttribute(THRESHOLD) or DEFAULT_THRESHOLD)

    def applyThreshold(self, threshold: float, *, announce: bool = True) -> None:
        """Set the threshold and update all verdicts except the user's own.

        Args:
            threshold: Quality that an accepted frame exceeds.
            announce: Whether views show it at once; otherwise :meth:`announce` is to be called.
        """
        wasDisabled = self.node.GetDisableModifiedEvent()
        self.node.SetDisableModifiedEvent(True)
        self.node.SetAttribute(THRESHOLD, f"{threshold:.6g}")
        self.node.SetDisableModifiedEvent(wasDisabled)
        self._updateVerdicts(range(len(self)))
        if announce:
            self.announce()

    def thresholds(self) -> list[float]:
        """Return the quality that each frame is to exceed."""
        return thresholdsOf(self.node, self.threshold)

    @property
    def policy(self) -> SitedPolicy | None:
        """The policy that judges these frames; ``None`` where the threshold alone does."""
        return policyOf(self.node)

    def applyPolicy(self, policy: SitedPolicy | None, *, announce: bool = True) -> None:
        """Judge the frames by a policy, except those that the user has decided on; ``None``: by the threshold alone.

        Args:
            policy: The policy and the site of the cine.
            announce: Whether views show it at once; otherwise :meth:`announce` is to be called.

        Raises:
            ImportError: If striq is not installed.
        """
        keepPolicy(self.node, policy)
        self._updateVerdicts(range(len(self)))
        if announce:
            self.announce()

    def store(self, answers: Sequence[FrameAnswer], *, announce: bool = True) -> None:
        """Write scores into their rows.

        Args:
            answers: Scores of frames, or why they have none.
            announce: Whether views show them at once; otherwise :meth:`announce` is to be called.
        """
        for answer in answers:
            self._store(answer)
        rows = [answer["index"] for answer in answers]
        statePolicy(self.node, rows)
        self._updateVerdicts(rows)
        if announce:
            self.announce()

    def _store(self, answer: FrameAnswer) -> None:
        row = answer["index"]
        if "error" in answer:
            self._set(row, "error", answer["error"])
            self._set(row, "quality", math.nan)
        else:
            self._set(row, "error", "")
            self._storeScore(row, answer)

    def _storeScore(self, row: int, answer: ScoredFrame) -> None:
        plane = answer["plane"]
        self._set(row, "quality", orNan(answer["quality"]))
        self._set(row, "plane", plane)
        self._set(row, "plane_probability", orNan(answer["plane_probabilities"][plane]))
        for term in self.terms:
            self._set(row, term.name, orNan(answer["terms"][term.name]))
            self._set(row, term.normalizedColumn, orNan(answer["normalized_terms"][term.name]))
            self._set(row, term.weightColumn, orNan(answer["weights"][term.name]))
        self._set(row, "transform", " ".join(f"{value:.9g}" for line in answer["transform"] for value in line))
        self._set(row, "crop", " ".join(str(edge) for edge in answer["crop"]))
        self._set(row, "reference", f"{answer['scored_plane']} {answer['anchor_number'] + 1}")

    def decide(self, row: int, verdict: str | None) -> None:
        """Replace the verdict of a frame by the user's; ``None`` goes back to the score's."""
        self._set(row, "decided_by", BY_USER if verdict else "")
        self._set(row, "verdict", verdict or "")
        self._updateVerdicts([row])
        self.announce()

    def _updateVerdicts(self, rows: Iterable[int]) -> None:
        judge(self.node, rows, self.thresholds())

    def keepFacts(self, **facts: object) -> None:
        """Store facts about the run, such as the model and the device, in the table."""
        self.node.SetAttribute(RUN, json.dumps({**self.facts(), **facts}))

    def facts(self) -> dict[str, Any]:
        """Return the facts that :meth:`keepFacts` stored."""
        return json.loads(self.node.GetAttribute(RUN) or "{}")

    def internalColumns(self) -> list[str]:
        """Return the names of the columns that a user need not see in the panel."""
        return [*INTERNAL, *(name for term in self.terms for name in term.columns if name != term.name)]

    def exportCsv(self, path: str | Path) -> Path:
        """Write the table as CSV, atomically, and return the path.

        Q is the sum over the terms of ``NAME_weight`` times ``NAME_normalized``.
        """
        from striq.atomic_files import write_csv

        header, rows = self.exportedRows()
        return write_csv(path, header, rows)

    def exportedRows(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the CSV file."""
        terms = [name for term in self.terms for name in term.columns]
        header = [*LEADING, *terms, "threshold", *TRAILING]
        thresholds = self.thresholds()
        columns = [csvCells(name, thresholds if name == "threshold" else self.column(name)) for name in header]
        return header, [list(row) for row in zip(*columns, strict=True)]

    def _get(self, row: int, name: str) -> Any:
        return self.node.GetTable().GetColumnByName(name).GetValue(row)

    def _set(self, row: int, name: str, value: float | str) -> None:
        column = self.node.GetTable().GetColumnByName(name)
        column.SetValue(row, value)
        column.Modified()


def resultsTables() -> list[slicer.vtkMRMLTableNode]:
    """Return all tables of scores in the scene, the oldest first."""
    tables: list[slicer.vtkMRMLTableNode] = slicer.util.getNodesByClass("vtkMRMLTableNode")
    return [node for node in tables if node.GetAttribute(KIND)]
