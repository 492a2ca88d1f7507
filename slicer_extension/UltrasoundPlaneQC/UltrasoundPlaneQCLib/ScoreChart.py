"""The plot of scores over time, with a line at the threshold and a cursor at the frame shown."""

from __future__ import annotations

import math

import slicer
import vtk
from slicer.i18n import tr as _

COLORS = {"quality": (0.15, 0.35, 0.65), "threshold": (0.45, 0.45, 0.45), "cursor": (0.85, 0.25, 0.1)}
LINE_COLUMNS = ("threshold x", "threshold", "cursor x", "cursor")
SERIES_REFERENCE, LINES_REFERENCE, RESULTS_REFERENCE = "striqSeries", "striqLines", "striqResults"


class ScoreChart:
    """Reads and writes one chart node and what belongs to it."""

    def __init__(self, node):
        self.node = node

    @classmethod
    def find(cls, results):
        """Return the chart of a table of scores, ``None`` if it has none."""
        charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
        return next((cls(node) for node in charts if node.GetNodeReference(RESULTS_REFERENCE) is results.node), None)

    @classmethod
    def create(cls, results):
        """Return the chart of a table of scores."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"{results.node.GetName()} plot")
        node.SetTitle(results.node.GetName())
        node.SetYAxisTitle(_("Quality Q"))
        node.SetYAxisRangeAuto(False)
        node.SetYAxisRange(0.0, 1.0)
        chart = cls(node)
        node.AddNodeReferenceID(RESULTS_REFERENCE, results.node.GetID())
        lines = _lineTable(results)
        node.AddNodeReferenceID(LINES_REFERENCE, lines.GetID())
        hasTimes = bool(len(results)) and not math.isnan(results[0].timeS)
        node.SetXAxisTitle(_("Time in seconds") if hasTimes else _("Frame"))
        chart._addSeries(_("Quality"), results.node, "time_s" if hasTimes else "frame", "quality")
        chart._addSeries(_("Threshold"), lines, "threshold x", "threshold")
        chart._addSeries(_("Frame shown"), lines, "cursor x", "cursor")
        chart.showThreshold(results.threshold)
        return chart

    def _addSeries(self, name, table, xColumn, yColumn):
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(xColumn)
        series.SetYColumnName(yColumn)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetColor(*COLORS[yColumn])
        isCurve = yColumn == "quality"
        series.SetMarkerStyle(series.MarkerStyleCircle if isCurve else series.MarkerStyleNone)
        series.SetMarkerSize(6)
        series.SetLineWidth(2)
        series.SetLineStyle(series.LineStyleDash if yColumn == "threshold" else series.LineStyleSolid)
        self.node.AddAndObservePlotSeriesNodeID(series.GetID())
        self.node.AddNodeReferenceID(SERIES_REFERENCE, series.GetID())

    def seriesNodes(self):
        """Return the nodes of the curves."""
        return [self.node.GetNthPlotSeriesNode(number) for number in range(self.node.GetNumberOfPlotSeriesNodes())]

    @property
    def _lines(self):
        return self.node.GetNodeReference(LINES_REFERENCE)

    def places(self):
        """Return where each frame lies on the horizontal axis."""
        table = self.node.GetNodeReference(RESULTS_REFERENCE).GetTable()
        column = table.GetColumnByName(self.node.GetNthNodeReference(SERIES_REFERENCE, 0).GetXColumnName())
        return [column.GetValue(row) for row in range(column.GetNumberOfValues())]

    def showThreshold(self, threshold):
        """Draw the line across all frames."""
        places = self.places() or [0.0]
        self._write("threshold x", (min(places), max(places)))
        self._write("threshold", (threshold, threshold))

    def showFrame(self, frame):
        """Draw the cursor at a frame."""
        places = self.places()
        if 0 <= frame < len(places):
            self._write("cursor x", (places[frame], places[frame]))
            self._write("cursor", (0.0, 1.0))

    def frameOfPoint(self, seriesId, point):
        """Return the frame of a point that was clicked; ``None`` for the threshold and the cursor."""
        curve = self.node.GetNthNodeReference(SERIES_REFERENCE, 0)
        return int(point) if curve is not None and curve.GetID() == seriesId else None

    def _write(self, name, values):
        column = self._lines.GetTable().GetColumnByName(name)
        for row, value in enumerate(values):
            column.SetValue(row, value)
        column.Modified()
        self._lines.GetTable().Modified()
        self._lines.Modified()


def _lineTable(results):
    lines = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{results.node.GetName()} lines")
    lines.SetHideFromEditors(True)
    for name in LINE_COLUMNS:
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        column.SetNumberOfValues(2)
        column.Fill(0.0)
        lines.AddColumn(column)
    return lines
