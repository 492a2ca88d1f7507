"""The plot of scores over time, with a line at the threshold and a cursor at the frame shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

import slicer
from slicer.i18n import tr as _

from .QualityPlot import CURSOR_COLOR, QUALITY_COLOR, THRESHOLD_COLOR, addSeries, newChart, newTable, seriesOf
from .Results import Results

LINE_COLUMNS = ("threshold x", "threshold", "cursor x", "cursor")
SERIES_REFERENCE, LINES_REFERENCE, RESULTS_REFERENCE = "striqSeries", "striqLines", "striqResults"


class ScoreChart:
    """View of one chart node, its table of lines and the table of scores that it draws.

    Args:
        node: Chart made by :meth:`create`.
    """

    def __init__(self, node: slicer.vtkMRMLPlotChartNode) -> None:
        self.node = node

    @classmethod
    def find(cls, results: Results) -> ScoreChart | None:
        """Return the chart of a table of scores; ``None`` if it has none."""
        charts: list[slicer.vtkMRMLPlotChartNode] = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
        return next((cls(node) for node in charts if node.GetNodeReference(RESULTS_REFERENCE) is results.node), None)

    @classmethod
    def create(cls, results: Results) -> ScoreChart:
        """Return a new chart of a table of scores."""
        name = results.node.GetName()
        hasTimes = bool(len(results)) and not math.isnan(results[0].timeS)
        node = newChart(f"{name} plot", _("Time in seconds") if hasTimes else _("Frame"))
        node.SetTitle(_("{name}: blue quality, dashed threshold, red frame shown").format(name=name))
        lines = newTable(f"{name} lines", LINE_COLUMNS, numRows=2)
        lines.SetHideFromEditors(True)
        node.AddNodeReferenceID(RESULTS_REFERENCE, results.node.GetID())
        node.AddNodeReferenceID(LINES_REFERENCE, lines.GetID())
        xColumn = "time_s" if hasTimes else "frame"
        curve = addSeries(node, _("Quality"), results.node, (xColumn, "quality"), QUALITY_COLOR)
        curve.SetMarkerStyle(curve.MarkerStyleCircle)
        limit = addSeries(node, _("Threshold"), lines, ("threshold x", "threshold"), THRESHOLD_COLOR)
        limit.SetLineStyle(limit.LineStyleDash)
        cursor = addSeries(node, _("Frame shown"), lines, ("cursor x", "cursor"), CURSOR_COLOR)
        for series in (curve, limit, cursor):
            series.SetMarkerSize(6)
            series.SetLineWidth(2)
            node.AddNodeReferenceID(SERIES_REFERENCE, series.GetID())
        chart = cls(node)
        chart.showThresholds(results.thresholds())
        chart.showFrame(0)
        return chart

    def seriesNodes(self) -> list[slicer.vtkMRMLPlotSeriesNode]:
        """Return the nodes of the lines."""
        return seriesOf(self.node)

    @property
    def _lines(self) -> slicer.vtkMRMLTableNode:
        return self.node.GetNodeReference(LINES_REFERENCE)

    @property
    def _curve(self) -> slicer.vtkMRMLPlotSeriesNode | None:
        return self.node.GetNthNodeReference(SERIES_REFERENCE, 0)

    def places(self) -> list[float]:
        """Return the place of each frame on the horizontal axis."""
        curve = self._curve
        if curve is None:
            return []
        table: slicer.vtkMRMLTableNode = self.node.GetNodeReference(RESULTS_REFERENCE)
        column = table.GetTable().GetColumnByName(curve.GetXColumnName())
        return [column.GetValue(row) for row in range(column.GetNumberOfValues())]

    def showThresholds(self, thresholds: Sequence[float]) -> None:
        """Draw the threshold of each frame; one that all frames have is a line from the first to the last."""
        places = self.places() or [0.0]
        if len(set(thresholds)) > 1:
            points = list(zip(places, thresholds, strict=True))
        else:
            points = [(place, threshold) for threshold in thresholds[:1] for place in (min(places), max(places))]
        self._resize(len(points))
        for name, values in zip(("threshold x", "threshold"), zip(*points, strict=True), strict=False):
            self._write(name, values)

    def showFrame(self, frame: int) -> None:
        """Draw the cursor at a frame."""
        places = self.places()
        if 0 <= frame < len(places):
            self._write("cursor x", (places[frame], places[frame]))
            self._write("cursor", (0.0, 1.0))

    def frameOfPoint(self, seriesId: str, point: int) -> int | None:
        """Return the frame of a point that was clicked; ``None`` for the threshold and the cursor."""
        curve = self._curve
        return int(point) if curve is not None and curve.GetID() == seriesId else None

    def _resize(self, numPoints: int) -> None:
        """Give the table of lines as many rows as the threshold has points; the cursor's last point is repeated."""
        table = self._lines.GetTable()
        columns = [table.GetColumnByName(name) for name in ("cursor x", "cursor")]
        kept = [[column.GetValue(row) for row in range(2)] for column in columns]
        table.SetNumberOfRows(max(2, numPoints))
        for column, values in zip(columns, kept, strict=True):
            self._write(column.GetName(), values)

    def _write(self, name: str, values: Sequence[float]) -> None:
        column = self._lines.GetTable().GetColumnByName(name)
        for row in range(column.GetNumberOfValues()):
            column.SetValue(row, values[min(row, len(values) - 1)])
        column.Modified()
        self._lines.GetTable().Modified()
        self._lines.Modified()
