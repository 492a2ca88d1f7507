"""What stays of a live stream: a running table for the plot, and on request the images with their scores."""

from __future__ import annotations

import math

import slicer
import vtk
from slicer.i18n import tr as _

from .Folder import fileNodes
from .ScoreSequence import NAME as SCORE_NAME
from .ScoreSequence import scoreText

LENGTH = 250  # points of the running plot: 10 s at 25 frames a second
COLUMNS = ("time_s", "quality", "threshold")


class LivePlot:
    """The last scores as a plot that runs along; its length is fixed, so a long session does not slow it down."""

    def __init__(self):
        self.table = self.chart = None

    def begin(self):
        """Make the nodes in place of those of the stream before."""
        self._remove()
        self.table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "STRIQ live quality")
        for name in COLUMNS:
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            self.table.AddColumn(column)
        self.chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "STRIQ live plot")
        self.chart.SetXAxisTitle(_("Time in seconds"))
        self.chart.SetYAxisTitle(_("Quality Q"))
        self.chart.SetYAxisRangeAuto(False)
        self.chart.SetYAxisRange(0.0, 1.0)
        for name, color in (("quality", (0.15, 0.35, 0.65)), ("threshold", (0.45, 0.45, 0.45))):
            series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", f"Live {name}")
            series.SetAndObserveTableNodeID(self.table.GetID())
            series.SetXColumnName("time_s")
            series.SetYColumnName(name)
            series.SetPlotType(series.PlotTypeScatter)
            series.SetMarkerStyle(series.MarkerStyleNone)
            series.SetColor(*color)
            self.chart.AddAndObservePlotSeriesNodeID(series.GetID())

        fileNodes("STRIQ live", [self.table, self.chart])

    def _remove(self):
        if self.chart is None or self.chart.GetScene() is None:
            return
        series = [self.chart.GetNthPlotSeriesNode(n) for n in range(self.chart.GetNumberOfPlotSeriesNodes())]
        for node in (self.chart, *series, self.table):
            slicer.mrmlScene.RemoveNode(node)

    def add(self, judged, threshold):
        """Add one verdict; beyond the length of the plot the oldest goes."""
        table = self.table.GetTable()
        values = (judged.imageTime, math.nan if judged.quality is None else judged.quality, threshold)
        isFull = table.GetNumberOfRows() >= LENGTH
        for name, value in zip(COLUMNS, values, strict=True):
            column = table.GetColumnByName(name)
            column.InsertNextValue(value)
            if isFull:
                column.RemoveFirstTuple()
            column.Modified()
        table.Modified()
        self.table.Modified()


class LiveRecorder:
    """Keeps every image of a stream, and the score of each scored one at the same time, in one browser."""

    def __init__(self, name="STRIQ recording"):
        self.browser = None
        self._name = name
        self._images = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", f"{name} images")
        self._scores = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", SCORE_NAME)
        for sequence in (self._images, self._scores):
            sequence.SetIndexName("time")
            sequence.SetIndexUnit("s")
        self._text = slicer.vtkMRMLTextNode()

    def addImage(self, volume, timeS):
        """Keep one image."""
        self._images.SetDataNodeAtValue(volume, f"{timeS:.4f}")

    def addScore(self, judged):
        """Keep the score of one image, at the time of the image."""
        if judged.quality is None:
            self._text.SetText(judged.verdict)
        else:
            self._text.SetText(scoreText(judged.quality, judged.plane))
        self._scores.SetDataNodeAtValue(self._text, f"{judged.imageTime:.4f}")

    def finish(self):
        """Put the recording into a browser and return it, ``None`` if nothing came; harmless when done already."""
        if self.browser is not None:
            return self.browser
        if self._images.GetNumberOfDataNodes() == 0:
            slicer.mrmlScene.RemoveNode(self._images)
            slicer.mrmlScene.RemoveNode(self._scores)
            return None
        self.browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", self._name)
        self.browser.SetAndObserveMasterSequenceNodeID(self._images.GetID())
        self.browser.AddSynchronizedSequenceNode(self._scores)
        fileNodes("STRIQ live", [self.browser, self._images, self._scores])
        return self.browser
