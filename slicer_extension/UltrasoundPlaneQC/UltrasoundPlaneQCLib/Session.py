"""What is chosen, scored and shown at the moment, read from the parameter node whenever it is asked for."""

from __future__ import annotations

import slicer
import vtk
from slicer.util import VTKObservationMixin

from .FrameSource import SourceError, openFrames
from .Results import Results
from .ScoreChart import ScoreChart


class Session(VTKObservationMixin):
    """The nodes of one scene and who wants to know about them.

    Args:
        logic: The module's logic.
        parameters: The wrapped parameter node.
    """

    def __init__(self, logic, parameters):
        super().__init__()
        self.logic, self.parameters = logic, parameters
        self.run, self.isLive = None, False
        self._listeners, self._replacedListeners = [], []

    def listen(self, listener):
        """Call a function without arguments whenever another frame is shown or a verdict changes."""
        self._listeners.append(listener)

    def listenToReplacement(self, listener):
        """Call a function without arguments whenever other frames or other scores are chosen."""
        self._replacedListeners.append(listener)

    def changed(self):
        """Say that another frame is shown or a verdict has changed."""
        for listener in self._listeners:
            listener()

    def replaced(self):
        """Say that other frames or other scores are chosen."""
        self._watch()
        for listener in self._replacedListeners:
            listener()
        self.changed()

    @property
    def isBusy(self):
        """Whether the worker is taken by a run or a stream; it does one thing at a time."""
        return self.run is not None or self.isLive

    @property
    def source(self):
        """Frames of the input; ``None`` if it has none."""
        node = self.parameters.inputNode
        try:
            return None if node is None else openFrames(node)
        except SourceError:
            return None

    @property
    def results(self):
        """Scores of the input; ``None`` before it is scored."""
        node = self.parameters.resultsNode
        return None if node is None else Results(node)

    @property
    def chart(self):
        """Plot of the scores; ``None`` before there are any."""
        node = self.parameters.chartNode
        return None if node is None else ScoreChart(node)

    def currentFrame(self):
        """Return the number of the frame shown and its result; ``(None, None)`` if it has none."""
        source, results = self.source, self.results
        if source is None or results is None:
            return None, None
        index = source.currentIndex()
        return (index, results[index]) if index < len(results) else (None, None)

    def _watch(self):
        """Observe what shows the frames of the input, and nothing else any more."""
        self.removeObservers()
        source = self.source
        if source is None:
            return
        if source.node.IsA("vtkMRMLSequenceBrowserNode"):
            self.addObserver(source.node, vtk.vtkCommand.ModifiedEvent, self._onShown)
        else:
            for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
                self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._onShown)

    def _onShown(self, caller, event):
        del caller, event
        chart, (index, _) = self.chart, self.currentFrame()
        if chart is not None and index is not None:
            chart.showFrame(index)
        self.changed()
