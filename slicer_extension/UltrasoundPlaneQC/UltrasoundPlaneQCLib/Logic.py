"""What the module does, without its window: scoring, verdicts, frames to show, explanations. Needs no Qt."""

from __future__ import annotations

import time
from pathlib import Path

import slicer

from . import Navigation, Overlays
from .Dependencies import ensureDependencies
from .Explaining import Explainer
from .Folder import fileNodes
from .FrameSource import SourceError, openFrames
from .ModelHolder import ModelHolder
from .Results import Results
from .ScoreChart import ScoreChart
from .ScoreSequence import attachScores
from .Scoring import FAILED, ScoringRun
from .TransformWords import describeTransform

POLL_SECONDS = 0.01
REQUIREMENTS = Path(__file__).parents[1] / "Resources" / "requirements.txt"


class PlaneQualityLogic:
    """One worker and the operations on the scene; the same for the window, scripts and batch."""

    def __init__(self, holder=None):
        self.holder = holder or ModelHolder()
        self.explainer = Explainer(self.holder)

    def ensureDependencies(self):
        """Install what is absent, after asking."""
        ensureDependencies(REQUIREMENTS)

    def startRun(self, node, plane="auto", modelPath="", device="auto", threshold=None):
        """Return a run over the frames of a node; call its ``advance`` until it has ended."""
        source = openFrames(node)
        return ScoringRun(source, self.holder, Results.create(source), plane, modelPath, device, threshold)

    def scoreSequence(self, node, plane="auto", modelPath="", device="auto", threshold=None):
        """Score all frames of a node and wait for it; return the table node. For scripts.

        Args:
            node: Sequence browser or volume.
            plane: Name of the plane, or ``"auto"``.
            modelPath: Model or bundle; empty for the shipped one.
            device: ``"auto"``, ``"cuda"``, ``"mps"`` or ``"cpu"``.
            threshold: Quality above which a frame is accepted; the model's own by default.

        Raises:
            SourceError: If the node holds no frames, or the worker refuses them.
        """
        self.ensureDependencies()
        run = self.startRun(node, plane, modelPath, device, threshold)
        try:
            _drive(run)
        except Exception:
            slicer.mrmlScene.RemoveNode(run.results.node)
            raise
        self.finishRun(run)
        return run.results.node

    def finishRun(self, run):
        """Put the scores into the browser of the frames and file the nodes; return the chart node.

        ``None`` if the frames or the scores were removed meanwhile.
        """
        if not (run.source.isInScene and run.results.isInScene):
            return None
        if run.source.node.IsA("vtkMRMLSequenceBrowserNode"):
            attachScores(run.source.browser, run.results)
        chart = ScoreChart.create(run.results)
        fileNodes(f"STRIQ {run.source.name}", [run.results.node, chart.node, *chart.seriesNodes()])
        return chart.node

    def exportCsv(self, table, path):
        """Write the scores of a table node that :meth:`scoreSequence` returned as CSV; return the path. For scripts."""
        return Results(table).exportCsv(path)

    def explain(self, source, index, plane="auto", modelPath="", device="auto"):
        """Explain one frame and wait for it; return the worker's answer. For scripts."""
        self.explainer.ask(source, index, plane, modelPath, device)
        while True:
            found = self.explainer.poll()
            if found is not None:
                return found[2]
            time.sleep(POLL_SECONDS)

    def showExplanation(self, source, index, explanation, overlay, opacity):
        """Lay the residual or the reference over the frame; return the overlay's node, ``None`` if there is none."""
        volume, sliceIndex = source.volumeAt(index)
        if overlay == "anchor" and explanation["anchor_picture"] is not None:
            picture, transform, box = (explanation[key] for key in ("anchor_picture", "transform", "box"))
            node = Overlays.showAnchor(volume, sliceIndex, picture, transform, box, index)
        elif overlay in ("anchor", "residual"):  # a model without pictures has the residual only
            node = Overlays.showResidual(volume, sliceIndex, explanation["residual"], index)
        else:
            node = None
        Overlays.showOver(node, volume, opacity)
        return node

    def describe(self, source, result):
        """Return how a frame lies relative to its reference, in words."""
        if not result.isScored or not result.box:
            return ""
        return describeTransform(result.transform, result.box, source.spacingMm)

    def goTo(self, source, index):
        """Show a frame; ``None`` shows nothing new."""
        if index is not None:
            source.select(index)

    bestFrame = staticmethod(Navigation.bestFrame)
    nextAccepted = staticmethod(Navigation.nextAccepted)
    nextRejected = staticmethod(Navigation.nextRejected)

    def close(self):
        """End the worker and remove temporary files."""
        self.explainer.close()
        self.holder.stop()


def _drive(run):
    """Wait for a run to end."""
    while run.isRunning:
        run.advance()
        time.sleep(POLL_SECONDS)
    if run.state == FAILED:
        raise SourceError(run.message)
