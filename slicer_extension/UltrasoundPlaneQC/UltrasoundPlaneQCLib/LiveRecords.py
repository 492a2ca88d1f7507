"""Records of a live stream: a running plot, and on request a sequence of the images with their scores."""

from __future__ import annotations

import math

import slicer
from slicer.i18n import tr as _

from .Folder import fileNodes
from .LiveScoring import LiveVerdict
from .QualityPlot import QUALITY_COLOR, THRESHOLD_COLOR, addSeries, newChart, newTable, seriesOf
from .ScoreSequence import NAME as SCORE_NAME
from .ScoreSequence import scoreText

LENGTH = 250  # points of the running plot: 10 s at 25 images a second
SPAN_SECONDS = 10.0  # least width of the running plot
MIN_POINTS = 2  # VTK cannot draw a line through fewer
COLUMNS = ("time_s", "quality", "threshold")
FOLDER = "STRIQ live"


class LivePlot:
    """Plot of the latest scores; its length is fixed, so that a long session stays fast."""

    def __init__(self) -> None:
        self.table: slicer.vtkMRMLTableNode | None = None
        self.chart: slicer.vtkMRMLPlotChartNode | None = None

    def begin(self) -> None:
        """Make the nodes, in place of those of the last stream."""
        self._remove()
        table = newTable("STRIQ live quality", COLUMNS)
        chart = newChart("STRIQ live plot", _("Time in seconds"))
        chart.SetTitle(_("Live: blue quality, dashed threshold"))
        chart.SetXAxisRangeAuto(False)  # the plot view fits an axis once, not to points that are added
        chart.SetXAxisRange(0.0, SPAN_SECONDS)
        fileNodes(FOLDER, [table, chart])
        self.table, self.chart = table, chart

    def _addCurves(self, table: slicer.vtkMRMLTableNode, chart: slicer.vtkMRMLPlotChartNode) -> None:
        addSeries(chart, _("Live quality"), table, ("time_s", "quality"), QUALITY_COLOR)
        limit = addSeries(chart, _("Live threshold"), table, ("time_s", "threshold"), THRESHOLD_COLOR)
        limit.SetLineStyle(limit.LineStyleDash)

    def _remove(self) -> None:
        if self.chart is None or self.chart.GetScene() is None:
            return
        for node in (self.chart, *seriesOf(self.chart), self.table):
            slicer.mrmlScene.RemoveNode(node)

    def add(self, live: LiveVerdict, threshold: float) -> None:
        """Add one verdict; the oldest one is dropped when the plot is full."""
        if self.table is None or self.chart is None:
            return
        table = self.table.GetTable()
        values = (live.imageTime, math.nan if live.quality is None else live.quality, threshold)
        isFull = table.GetNumberOfRows() >= LENGTH
        for name, value in zip(COLUMNS, values, strict=True):
            column = table.GetColumnByName(name)
            column.InsertNextValue(value)
            if isFull:
                column.RemoveFirstTuple()
            column.Modified()
        table.Modified()
        self.table.Modified()
        times = table.GetColumnByName("time_s")
        first = times.GetValue(0)
        self.chart.SetXAxisRange(first, max(live.imageTime, first + SPAN_SECONDS))
        if table.GetNumberOfRows() == MIN_POINTS:
            self._addCurves(self.table, self.chart)


class LiveRecorder:
    """Keeps every image of a stream, and the score of each scored one at the same time, in one browser.

    Args:
        name: Name of the browser.
    """

    def __init__(self, name: str = "STRIQ recording") -> None:
        self.browser: slicer.vtkMRMLSequenceBrowserNode | None = None
        self._name = name
        self._images = _newSequence(f"{name} images")
        self._scores = _newSequence(SCORE_NAME)
        self._text = slicer.vtkMRMLTextNode()

    def addImage(self, volume: slicer.vtkMRMLVolumeNode, timeS: float) -> None:
        """Keep one image."""
        self._images.SetDataNodeAtValue(volume, f"{timeS:.4f}")

    def addScore(self, verdict: LiveVerdict) -> None:
        """Keep the score of one image, at the time of the image."""
        quality = verdict.quality
        self._text.SetText(verdict.verdict if quality is None else scoreText(quality, verdict.plane))
        self._scores.SetDataNodeAtValue(self._text, f"{verdict.imageTime:.4f}")

    def finish(self) -> slicer.vtkMRMLSequenceBrowserNode | None:
        """Put the recording into a browser and return it; ``None`` if no image came. May be called again."""
        if self.browser is not None:
            return self.browser
        if self._images.GetNumberOfDataNodes() == 0:
            slicer.mrmlScene.RemoveNode(self._images)
            slicer.mrmlScene.RemoveNode(self._scores)
            return None
        browser: slicer.vtkMRMLSequenceBrowserNode = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLSequenceBrowserNode", self._name
        )
        browser.SetAndObserveMasterSequenceNodeID(self._images.GetID())
        browser.AddSynchronizedSequenceNode(self._scores)
        fileNodes(FOLDER, [browser, self._images, self._scores])
        self.browser = browser
        return browser


def _newSequence(name: str) -> slicer.vtkMRMLSequenceNode:
    """Return an empty sequence over time."""
    sequence: slicer.vtkMRMLSequenceNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    return sequence
