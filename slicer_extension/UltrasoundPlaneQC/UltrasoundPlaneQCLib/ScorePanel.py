"""The section *Inputs*: choose frames, plane, model and device, score them, watch the progress."""

from __future__ import annotations

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from .Controls import Controls
from .FrameSource import FrameSource, SourceError, openFrames
from .ModelHolder import ModelHolder
from .Options import AUTO, DEVICES
from .Parameters import scoringOptions
from .Results import Results
from .ScoreChart import ScoreChart
from .Scoring import CANCELLED, EXPORTING, FAILED, LOADING, ScoringRun
from .Session import Session
from .Views import Views
from .WorkerClient import WorkerError

ERRORS = (SourceError, WorkerError, OSError)


class ScorePanel:
    """Controls of scoring.

    Args:
        ui: Controls by name.
        session: What is chosen and scored.
        views: The application's views.
        timer: Calls the panel's :meth:`advance` regularly while it runs.
    """

    def __init__(self, ui: Controls, session: Session, views: Views, timer: qt.QTimer) -> None:
        self.ui, self.session, self.views, self.timer = ui, session, views, timer
        self._shown: slicer.vtkMRMLNode | None = None  # input that the panel shows
        ui.modelPath.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Readable  # its button browses folders
        ui.deviceSelector.addItems(DEVICES)
        ui.planeSelector.addItem(AUTO)
        ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onInput)
        ui.planeSelector.connect("currentTextChanged(QString)", self.onPlane)
        ui.deviceSelector.connect("currentTextChanged(QString)", self.onDevice)
        ui.modelPath.connect("currentPathChanged(QString)", self.onModelPath)
        ui.scoreButton.connect("clicked()", self.onScore)
        ui.cancelButton.connect("clicked()", self.onCancel)
        session.listen(self.refresh)

    @property
    def run(self) -> ScoringRun | None:
        """The current run; ``None`` if there is none."""
        return self.session.run

    def onPlane(self, text: str) -> None:
        """Set the plane; an empty text means ``"auto"``."""
        self.session.parameters.plane = text.strip() or AUTO

    def onDevice(self, text: str) -> None:
        """Set the device."""
        self.session.parameters.device = text

    def onModelPath(self, path: str) -> None:
        """Set the model."""
        self.session.parameters.modelPath = path.strip()

    def show(self) -> None:
        """Show the settings; text that the user is typing is left alone."""
        ui, parameters = self.ui, self.session.parameters
        if (ui.planeSelector.currentText.strip() or AUTO) != parameters.plane:
            ui.planeSelector.setCurrentText(parameters.plane)
        if ui.modelPath.currentPath.strip() != parameters.modelPath:
            ui.modelPath.setCurrentPath(parameters.modelPath)
        ui.deviceSelector.setCurrentText(parameters.device)
        if self._shown is not parameters.inputNode:
            ui.inputSelector.setCurrentNode(parameters.inputNode)
            self.onInput(parameters.inputNode)

    def showScene(self) -> None:
        """Show the settings of a scene that was just opened."""
        self._shown = self.session.parameters.inputNode
        self.ui.inputSelector.setCurrentNode(self._shown)
        self.show()

    def onInput(self, node: slicer.vtkMRMLNode | None) -> None:
        """Take another input; scores of it that the scene already has are shown."""
        if node is self._shown and node is not None:
            return
        self._shown = node
        parameters = self.session.parameters
        parameters.inputNode = node
        source = self.session.source
        known = None if source is None else self._knownResults(source)
        chart = None if known is None else ScoreChart.find(known)
        parameters.resultsNode = None if known is None else known.node
        parameters.chartNode = None if chart is None else chart.node
        self.session.removeObservers()  # of the input before; turning the views would announce many changes
        if source is not None:
            self.views.showVolume(source.volume)
        if known is not None:
            known.applyThreshold(parameters.threshold)
        if chart is not None and known is not None:
            chart.showThresholds(known.thresholds())
            self.views.showChart(chart.node)
        self.session.replaced()

    def _knownResults(self, source: FrameSource) -> Results | None:
        """Return the scores shown if they are of this source, otherwise the newest in the scene."""
        current = self.session.results
        if current is not None and source.node is not None and current.inputId == source.node.GetID():
            return current
        return Results.find(source)

    def onScore(self) -> None:
        """Start scoring."""
        parameters, logic = self.session.parameters, self.session.logic
        try:
            openFrames(parameters.inputNode)  # before anything is installed
            logic.ensureDependencies()
            run = logic.startRun(parameters.inputNode, scoringOptions(parameters))
        except (*ERRORS, RuntimeError) as error:
            slicer.util.errorDisplay(str(error))
            self.ui.statusLabel.setText(str(error))
            return
        self.session.run = run
        parameters.resultsNode = run.results.node
        parameters.chartNode = None
        self.timer.start()
        self.session.replaced()

    def onCancel(self) -> None:
        """End the run; the scores so far stay."""
        if self.run is not None:
            self.run.cancel()

    def abandon(self) -> None:
        """End the run at once: its nodes are about to be removed."""
        run, self.session.run = self.run, None
        if run is not None:
            run.abandon()

    def advance(self) -> bool:
        """Do the next step of the run; return whether there is more to do."""
        run = self.run
        if run is None:
            return False
        try:
            hasNewScores = bool(run.advance())
        except ERRORS:  # the run has failed and holds the reason
            hasNewScores = False
        self._showProgress(run)
        if not run.isRunning:
            self._finish(run)
        elif hasNewScores:
            self.session.changed()
        return self.run is not None

    def _finish(self, run: ScoringRun) -> None:
        self.session.run = None
        parameters = self.session.parameters
        if run.state == FAILED and not run.done:
            slicer.mrmlScene.RemoveNode(run.results.node)
            parameters.resultsNode = None
        else:
            parameters.chartNode = self.session.logic.finishRun(run)
            if parameters.chartNode is not None:
                self.views.showLayout(parameters.chartNode)
        self.session.replaced()
        if run.state == FAILED:
            slicer.util.errorDisplay(run.message, **_details(self.session.logic.holder))

    def _showProgress(self, run: ScoringRun) -> None:
        self.ui.progressBar.setValue(round(100 * run.done / run.total))
        reason = [run.message] if run.state == CANCELLED and run.message else []
        self.ui.statusLabel.setText("\n".join([_progressText(run), *run.notices, *reason]))

    def refresh(self) -> None:
        """Enable what is possible now, and explain why the rest is not."""
        ui, session = self.ui, self.session
        hasInput = session.source is not None
        if session.isLive:
            why = _("Stop the live stream first")
        elif session.isScoring:
            why = _("Frames are being scored")
        else:
            why = _("Score every frame") if hasInput else _("Choose frames first")
        ui.scoreButton.setEnabled(hasInput and not session.isBusy)
        ui.scoreButton.setToolTip(why)
        ui.cancelButton.setEnabled(session.run is not None)
        ui.inputSelector.setEnabled(session.run is None)
        self._offerPlanes()
        ui.aboutLabel.setText(session.logic.holder.describe())

    def _offerPlanes(self) -> None:
        """Offer the planes of the model that is loaded."""
        loaded, selector = self.session.logic.holder.loaded, self.ui.planeSelector
        if loaded is None:
            return
        offered = [AUTO, *loaded["planes"]]
        if offered == [selector.itemText(number) for number in range(selector.count)]:
            return
        selector.blockSignals(True)
        selector.clear()
        selector.addItems(offered)
        selector.setCurrentText(self.session.parameters.plane)
        selector.blockSignals(False)


def _progressText(run: ScoringRun) -> str:
    if run.state == EXPORTING:
        return _("Reading frames")
    if run.state == LOADING:
        return _("Loading the model")
    if run.state == FAILED:
        return run.message
    if run.isRunning:
        return _("{done} of {total} frames, {spent:.0f} s so far{left}").format(
            done=run.done, total=run.total, spent=run.secondsSpent(), left=_timeLeft(run)
        )
    ended = _("cancelled") if run.state == CANCELLED else _("done")
    return _("{done} of {total} frames {ended} on {device}").format(
        done=run.done, total=run.total, ended=ended, device=run.results.facts().get("device", "")
    )


def _timeLeft(run: ScoringRun) -> str:
    seconds = run.secondsLeft()
    return "" if seconds is None else _(", {seconds:.0f} s left").format(seconds=seconds)


def _details(holder: ModelHolder) -> dict[str, str]:
    """Return what the scoring process wrote last, as the detailed text of a message."""
    words = holder.client.lastWords()
    return {"detailedText": words} if words else {}
