"""The table of scores: one row per frame, verdicts that follow the threshold, and the user's own decisions."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

import slicer
import vtk
from slicer.i18n import tr as _

NO_PLANE = "none"
ACCEPTED, REJECTED, UNSCORED = "accepted", "rejected", "not scored"
TERMS = ("similarity", "ncc", "smoothness", "contrast")
NUMBERS = ("time_s", "quality", *TERMS, *(f"{term}_goodness" for term in TERMS), "plane_probability")
TEXTS = ("verdict", "decided_by", "plane", "transform", "box", "anchor", "error")
EXPORTED = ("frame", "time_s", "quality", "verdict", "plane", *TERMS, "plane_probability", "decided_by", "error")
COLUMNS = (*EXPORTED, *(name for name in (*NUMBERS, *TEXTS) if name not in EXPORTED))
BY_SCORE, BY_USER = "score", "user"
KIND, INPUT = "STRIQ.results", "striqInput"


@dataclass(frozen=True)
class FrameResult:
    """One row of the table."""

    frame: int
    timeS: float
    quality: float
    verdict: str
    decidedBy: str
    plane: str
    goodness: dict
    transform: list = field(default_factory=list)
    box: list = field(default_factory=list)
    anchor: str = ""
    error: str = ""

    @property
    def isScored(self):
        """Whether there is a score."""
        return not math.isnan(self.quality)


class Results:
    """Reads and writes one table node; nothing is kept outside the node."""

    def __init__(self, node):
        self.node = node

    @classmethod
    def find(cls, source):
        """Return the newest scores of a source that the scene holds, ``None`` if there are none."""
        tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
        known = [node for node in tables if node.GetAttribute(KIND) and node.GetNodeReference(INPUT) is source.node]
        return cls(known[-1]) if known else None

    @classmethod
    def create(cls, source):
        """Return an empty table for the frames of a source."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{source.name} quality")
        node.SetAttribute(KIND, "1")
        node.AddNodeReferenceID(INPUT, source.node.GetID())
        results = cls(node)
        results._fill(source)
        return results

    def _fill(self, source):
        with slicer.util.NodeModify(self.node):
            for name in COLUMNS:
                column = _newColumn(name)
                column.SetName(name)
                column.SetNumberOfValues(source.numFrames)
                self.node.AddColumn(column)
            times = source.timesS or [math.nan] * source.numFrames
            for row in range(source.numFrames):
                self._set(row, "frame", row)
                for name in NUMBERS:
                    self._set(row, name, times[row] if name == "time_s" else math.nan)
                for name in TEXTS:
                    self._set(row, name, UNSCORED if name == "verdict" else "")

    def __len__(self):
        return self.node.GetNumberOfRows()

    @property
    def isInScene(self):
        """Whether the table is still there."""
        return self.node.GetScene() is not None

    def __getitem__(self, row):
        verdict, plane = self._text(row, "verdict"), self._text(row, "plane")
        return FrameResult(
            frame=row,
            timeS=self._number(row, "time_s"),
            quality=self._number(row, "quality"),
            verdict=verdict,
            decidedBy=self._text(row, "decided_by"),
            plane=plane,
            goodness={term: self._number(row, f"{term}_goodness") for term in TERMS},
            transform=_numbers(self._text(row, "transform")),
            box=[int(edge) for edge in _numbers(self._text(row, "box"))],
            anchor=self._text(row, "anchor"),
            error=self._text(row, "error"),
        )

    def __iter__(self):
        return (self[row] for row in range(len(self)))

    @property
    def inputId(self):
        """Name in the scene of the node that was scored."""
        return self.node.GetNodeReferenceID(INPUT)

    @property
    def threshold(self):
        """Quality above which frames are accepted."""
        return float(self.node.GetAttribute("STRIQ.threshold") or 0.5)

    def rejudge(self, threshold):
        """Judge every frame by another threshold; the user's own decisions stay."""
        self.node.SetAttribute("STRIQ.threshold", f"{threshold:.6g}")
        with slicer.util.NodeModify(self.node):
            for row in range(len(self)):
                self._judge(row)

    def store(self, answers):
        """Write the worker's answers into their rows, with one update of the views."""
        with slicer.util.NodeModify(self.node):
            for answer in answers:
                self._store(answer)

    def _store(self, answer):
        row = answer["index"]
        if "error" in answer:
            self._set(row, "error", answer["error"])
            self._set(row, "quality", math.nan)
        else:
            plane = answer["plane"]
            self._set(row, "quality", _orNan(answer["quality"]))
            self._set(row, "plane", plane)
            self._set(row, "plane_probability", _orNan(answer["plane_probabilities"][plane]))
            for term in TERMS:
                self._set(row, term, _orNan(answer["terms"][term]))
                self._set(row, f"{term}_goodness", answer["goodness"][term])
            self._set(row, "transform", " ".join(f"{value:.9g}" for line in answer["transform"] for value in line))
            self._set(row, "box", " ".join(str(edge) for edge in answer.get("box", ())))
            self._set(row, "anchor", answer["nearest_anchor"]["path"])
            self._set(row, "error", "")
        self._judge(row)

    def decide(self, row, verdict):
        """Put the user's decision in place of the score's; ``None`` takes it back."""
        with slicer.util.NodeModify(self.node):
            self._set(row, "decided_by", BY_USER if verdict else "")
            self._set(row, "verdict", verdict or "")
            self._judge(row)

    def _judge(self, row):
        if self._text(row, "decided_by") == BY_USER:
            return
        quality = self._number(row, "quality")
        if math.isnan(quality):
            self._set(row, "verdict", UNSCORED)
            self._set(row, "decided_by", "")
            return
        isAccepted = quality > self.threshold and self._text(row, "plane") != NO_PLANE
        self._set(row, "verdict", ACCEPTED if isAccepted else REJECTED)
        self._set(row, "decided_by", BY_SCORE)

    def remember(self, **facts):
        """Keep facts about the run, such as the model and the device, with the table."""
        self.node.SetAttribute("STRIQ.run", json.dumps({**self.facts(), **facts}))

    def facts(self):
        """Return what :meth:`remember` kept."""
        return json.loads(self.node.GetAttribute("STRIQ.run") or "{}")

    def exportCsv(self, path):
        """Write the table as CSV, atomically, and return the path."""
        from striq.atomic_files import write_csv

        rows = [[self._cell(row, name) for name in EXPORTED] for row in range(len(self))]
        return write_csv(path, EXPORTED, rows)

    def _cell(self, row, name):
        if name in NUMBERS:
            number = self._number(row, name)
            return "" if math.isnan(number) else f"{number:.9g}"
        return self.node.GetTable().GetValueByName(row, name).ToString()

    def _number(self, row, name):
        return self.node.GetTable().GetColumnByName(name).GetValue(row)

    _text = _number

    def _set(self, row, name, value):
        column = self.node.GetTable().GetColumnByName(name)
        column.SetValue(row, value)
        column.Modified()


def verdictWord(verdict):
    """Return a verdict in the language of the application; the table keeps the English word."""
    return {ACCEPTED: _("accepted"), REJECTED: _("rejected"), UNSCORED: _("not scored")}.get(verdict, verdict)


def _newColumn(name):
    if name == "frame":
        return vtk.vtkIntArray()
    return vtk.vtkDoubleArray() if name in NUMBERS else vtk.vtkStringArray()


def _numbers(text):
    return [float(part) for part in text.split()]


def _orNan(value):
    return math.nan if value is None else value
