"""What is chosen, scored and shown, read from the parameter node on every access."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk
from slicer.util import VTKObservationMixin

from .FrameResult import FrameResult
from .FrameSource import FrameSource, SequenceFrames, SourceError, openFrames
from .Logic import PlaneQualityLogic
from .Parameters import Parameters
from .Ratings import Ratings
from .Results import Results
from .ScoreChart import ScoreChart
from .Scoring import ScoringRun
from .Study import Study
from .StudyRun import StudyRun


class Session(VTKObservationMixin):
    """The nodes of one scene, and callbacks for changes of them.

    Args:
        logic: The module's logic.
        parameters: The settings in the scene.
    """

    def __init__(self, logic: PlaneQualityLogic, parameters: Parameters) -> None:
        super().__init__()
        self.logic, self.parameters = logic, parameters
        self.run: ScoringRun | None = None
        self.batch: StudyRun | None = None
        self.isLive = False
        self._onChange: list[Callable[[], None]] = []
        self._onReplacement: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function whenever another frame is shown or a verdict changes."""
        self._onChange.append(listener)

    def listenToReplacement(self, listener: Callable[[], None]) -> None:
        """Call a function whenever other frames or other scores are chosen."""
        self._onReplacement.append(listener)

    def changed(self) -> None:
        """Announce that another frame is shown or a verdict has changed."""
        for listener in self._onChange:
            listener()

    def replaced(self) -> None:
        """Announce that other frames or other scores are chosen."""
        self._watch()
        self._moveCursor()
        for listener in self._onReplacement:
            listener()
        self.changed()

    @property
    def isBusy(self) -> bool:
        """Whether a run or a stream occupies the scoring process; it does one thing at a time."""
        return self.isScoring or self.isLive

    @property
    def isScoring(self) -> bool:
        """Whether a run occupies the scoring process."""
        return self.run is not None or self.batch is not None

    @property
    def study(self) -> Study | None:
        """The cines of the scene's study; ``None`` if it has none."""
        return Study.find()

    @property
    def source(self) -> FrameSource | None:
        """Frames of the input; ``None`` if it has none."""
        node = self.parameters.inputNode
        try:
            return None if node is None else openFrames(node)
        except SourceError:
            return None

    @property
    def results(self) -> Results | None:
        """Scores of the input; ``None`` before it is scored."""
        node = self.parameters.resultsNode
        return None if node is None else Results(node)

    @property
    def chart(self) -> ScoreChart | None:
        """Plot of the scores; ``None`` before it is made."""
        node = self.parameters.chartNode
        return None if node is None else ScoreChart(node)

    @property
    def hidesScores(self) -> bool:
        """Whether the rater may not see the scores of all frames: some frames of the cine are not rated yet."""
        results, parameters = self.results, self.parameters
        if not parameters.isBlind or results is None:
            return parameters.isBlind
        return not parameters.rater or not Ratings(results).isComplete(parameters.rater)

    @property
    def hidesScore(self) -> bool:
        """Whether the rater may not see the score of the frame shown: it is not rated yet."""
        results, source, parameters = self.results, self.source, self.parameters
        if not parameters.isBlind or results is None or source is None:
            return parameters.isBlind
        return not parameters.rater or source.currentIndex() not in Ratings(results).of(parameters.rater)

    def currentFrame(self) -> FrameResult | None:
        """Return the result of the frame shown; ``None`` if there is none."""
        source, results = self.source, self.results
        if source is None or results is None:
            return None
        index = source.currentIndex()
        return results[index] if index < len(results) else None

    def _watch(self) -> None:
        """Observe the nodes that show the frames of the input, and no others."""
        self.removeObservers()
        source = self.source
        if source is None:
            return
        views: list[slicer.vtkMRMLNode] = slicer.util.getNodesByClass("vtkMRMLSliceNode")
        for node in [source.node] if isinstance(source, SequenceFrames) else views:
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onShown)

    def _onShown(self, caller: slicer.vtkMRMLNode, event: str) -> None:
        del caller, event
        self._moveCursor()
        self.changed()

    def _moveCursor(self) -> None:
        chart, result = self.chart, self.currentFrame()
        if chart is not None and result is not None:
            chart.showFrame(result.frame)
