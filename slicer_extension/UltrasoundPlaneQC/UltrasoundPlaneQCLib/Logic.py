"""What the module does, without its window: scoring, navigation, explanations. Needs no Qt."""

from __future__ import annotations

import time
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from . import Navigation, Overlays
from .Dependencies import ensureDependencies
from .Explaining import Explainer, Explanation
from .Folder import fileNodes
from .FrameResult import FrameResult
from .FrameSource import FrameSource, SequenceFrames, SourceError, openFrames
from .ModelHolder import ModelHolder
from .Options import AUTO, ScoringOptions
from .Parameters import MISSING_OVERLAY, NO_OVERLAY, OVERLAYS, REFERENCE_OVERLAY
from .Results import Results
from .ScoreChart import ScoreChart
from .ScoreSequence import attachScores
from .Scoring import FAILED, ScoringRun
from .TransformWords import describeTransform

POLL_SECONDS = 0.01
MIN_PLOTTED = 2  # frames; VTK cannot draw a line through fewer
REQUIREMENTS = Path(__file__).parents[1] / "Resources" / "requirements.txt"


class PlaneQualityLogic:
    """One scoring process and the operations on the scene; the same for the window, scripts and batch jobs.

    Args:
        holder: The scoring process; a new one by default.
    """

    def __init__(self, holder: ModelHolder | None = None) -> None:
        self.holder = holder or ModelHolder()
        self.explainer = Explainer(self.holder)

    def ensureDependencies(self) -> None:
        """Install missing packages after asking the user.

        Raises:
            DependencyError: If something is missing and was not installed.
        """
        ensureDependencies(REQUIREMENTS)

    def startRun(self, node: slicer.vtkMRMLNode | None, options: ScoringOptions | None = None) -> ScoringRun:
        """Return a run over the frames of a node; call its ``advance`` until it has ended.

        Raises:
            SourceError: If the node has no frames.
        """
        source = openFrames(node)
        return ScoringRun(source, self.holder, Results.create(source), options)

    def scoreSequence(
        self,
        node: slicer.vtkMRMLNode,
        plane: str = AUTO,
        modelPath: str = "",
        device: str = AUTO,
        threshold: float | None = None,
    ) -> slicer.vtkMRMLTableNode:
        """Score all frames of a node, wait, and return the table node. For scripts.

        Args:
            node: Sequence browser, sequence or volume.
            plane: Name of the plane, or ``"auto"``.
            modelPath: Model or bundle, or ``"light"``; empty for the shipped one.
            device: ``"auto"``, ``"cuda"``, ``"mps"`` or ``"cpu"``.
            threshold: Quality that an accepted frame exceeds; the model's own by default.

        Raises:
            SourceError: If the node has no frames, or they cannot be scored.
            WorkerError: If the scoring process cannot start or ends on its own.
            DependencyError: If something is missing and was not installed.
        """
        self.ensureDependencies()
        run = self.startRun(node, ScoringOptions(plane, modelPath, device, threshold))
        try:
            _waitFor(run)
        except Exception:
            slicer.mrmlScene.RemoveNode(run.results.node)
            raise
        self.finishRun(run)
        return run.results.node

    def finishRun(self, run: ScoringRun) -> slicer.vtkMRMLPlotChartNode | None:
        """Add the scores to the browser of the frames, put the nodes into a folder and return the chart node.

        ``None`` for a single picture, and if the frames or the scores were removed meanwhile.
        """
        if not (run.source.isInScene and run.results.isInScene):
            return None
        if isinstance(run.source, SequenceFrames):
            attachScores(run.source.browser, run.results)
        if len(run.results) < MIN_PLOTTED:
            fileNodes(f"STRIQ {run.source.name}", [run.results.node])
            return None
        chart = ScoreChart.create(run.results)
        chart.showFrame(run.source.currentIndex())
        fileNodes(f"STRIQ {run.source.name}", [run.results.node, chart.node, *chart.seriesNodes()])
        return chart.node

    def exportCsv(self, table: slicer.vtkMRMLTableNode, path: str | Path) -> Path:
        """Write the scores of a table that :meth:`scoreSequence` returned as CSV; return the path. For scripts."""
        return Results(table).exportCsv(path)

    def explain(
        self, source: FrameSource, index: int, plane: str = AUTO, modelPath: str = "", device: str = AUTO
    ) -> Explanation:
        """Explain one frame, wait, and return the explanation. For scripts.

        Raises:
            SourceError: If the frame cannot be explained.
            WorkerError: If the scoring process cannot start or ends on its own.
        """
        self.explainer.ask(source, index, ScoringOptions(plane, modelPath, device))
        while True:
            explanation = self.explainer.poll()
            if explanation is not None:
                return explanation
            time.sleep(POLL_SECONDS)

    def showExplanation(
        self, explanation: Explanation, overlay: str, opacity: float
    ) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Lay the residual or the reference over the frame and return the overlay's node.

        Args:
            explanation: Explanation of the frame.
            overlay: ``"residual"``, ``"reference"`` (the residual if the model has no pictures),
                ``"missing structure"`` (that all references show and the frame does not), or ``"none"``.
            opacity: Opacity of the overlay.

        Raises:
            ValueError: If the overlay is unknown.
        """
        if overlay not in OVERLAYS:
            raise ValueError(f"'overlay' must be one of {', '.join(OVERLAYS)}, got {overlay!r}.")
        volume, sliceIndex = explanation.source.volumeAt(explanation.index)
        if overlay == NO_OVERLAY:
            node = None
        elif overlay == REFERENCE_OVERLAY and explanation.picture is not None:
            node = Overlays.showAnchor(
                volume,
                sliceIndex,
                explanation.picture,
                explanation.transform,
                explanation.crop,
                explanation.index,
            )
        elif overlay == MISSING_OVERLAY:
            # On the scale of a residual, which reaches 2.
            title = _("Missing, doubled")
            node = Overlays.showResidual(volume, sliceIndex, 2 * explanation.missing, explanation.index, title)
        else:
            node = Overlays.showResidual(volume, sliceIndex, explanation.residual, explanation.index)
        Overlays.showOver(node, volume, opacity)
        return node

    def describe(self, source: FrameSource, result: FrameResult) -> str:
        """Return how a frame lies relative to its reference, in words; empty without a score."""
        if not result.isScored or not result.crop:
            return ""
        return describeTransform(result.transform, result.crop, source.spacingMm)

    def goTo(self, source: FrameSource, index: int | None) -> None:
        """Show a frame; ``None`` changes nothing."""
        if index is not None:
            source.select(index)

    bestFrame = staticmethod(Navigation.bestFrame)
    nextAccepted = staticmethod(Navigation.nextAccepted)
    nextRejected = staticmethod(Navigation.nextRejected)

    def close(self) -> None:
        """End the scoring process and remove temporary files."""
        self.explainer.close()
        self.holder.stop()


def _waitFor(run: ScoringRun) -> None:
    """Advance a run to its end.

    Raises:
        SourceError: If the run failed.
    """
    while run.isRunning:
        run.advance()
        time.sleep(POLL_SECONDS)
    if run.state == FAILED:
        raise SourceError(run.message)
