"""Chart nodes of quality over time or frames: what the plots of cines and of live streams have in common."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
import vtk
from slicer.i18n import tr as _

QUALITY_COLOR, THRESHOLD_COLOR, CURSOR_COLOR = (0.15, 0.35, 0.65), (0.45, 0.45, 0.45), (0.85, 0.25, 0.1)


def newTable(name: str, columns: Sequence[str], numRows: int = 0) -> slicer.vtkMRMLTableNode:
    """Return a table node of numbers, all zero."""
    table: slicer.vtkMRMLTableNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    for columnName in columns:
        column = vtk.vtkDoubleArray()
        column.SetName(columnName)
        column.SetNumberOfValues(numRows)
        column.Fill(0.0)
        table.AddColumn(column)
    return table


def newChart(name: str, xTitle: str) -> slicer.vtkMRMLPlotChartNode:
    """Return a chart node for quality from 0 to 1."""
    chart: slicer.vtkMRMLPlotChartNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    chart.SetXAxisTitle(xTitle)
    chart.SetYAxisTitle(_("Quality Q"))
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0.0, 1.0)
    chart.SetLegendVisibility(False)  # it would lie over the end of the curve; the title says what the lines are
    return chart


def addSeries(
    chart: slicer.vtkMRMLPlotChartNode,
    name: str,
    table: slicer.vtkMRMLTableNode,
    columns: tuple[str, str],
    color: tuple[float, float, float],
) -> slicer.vtkMRMLPlotSeriesNode:
    """Add a line without markers to a chart and return its node.

    Args:
        chart: The chart.
        name: Name of the line.
        table: Table of its points.
        columns: Columns of x and y.
        color: Red, green and blue in [0, 1].
    """
    series: slicer.vtkMRMLPlotSeriesNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(columns[0])
    series.SetYColumnName(columns[1])
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetColor(*color)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series


def seriesOf(chart: slicer.vtkMRMLPlotChartNode) -> list[slicer.vtkMRMLPlotSeriesNode]:
    """Return the nodes of a chart's lines."""
    return [chart.GetNthPlotSeriesNode(number) for number in range(chart.GetNumberOfPlotSeriesNodes())]
