"""The section *Inputs*: choose frames, plane, model and device, score them, watch the progress."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from .FrameSource import SourceError, openFrames
from .Parameters import AUTO, DEVICES
from .Results import Results
from .ScoreChart import ScoreChart
from .Scoring import CANCELLED, EXPORTING, FAILED, LOADING
from .WorkerClient import WorkerError

ERRORS = (SourceError, WorkerError, OSError)


class ScorePanel:
    """Controls of scoring.

    Args:
        ui: Controls by name.
        session: What is chosen and scored.
        views: The application's views.
        timer: Ticks while there is work; the panel's ``advance`` is to be called at each tick.
    """

    def __init__(self, ui, session, views, timer):
        self.ui, self.session, self.views, self.timer = ui, session, views, timer
        self._shown = None  # node of the input that the panel shows
        ui.deviceSelector.addItems(DEVICES)
        ui.planeSelector.addItem(AUTO)
        ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onInput)
        ui.planeSelector.connect("currentTextChanged(QString)", lambda text: self._set("plane", text.strip() or AUTO))
        ui.deviceSelector.connect("currentTextChanged(QString)", lambda text: self._set("device", text))
        ui.modelPath.connect("currentPathChanged(QString)", lambda path: self._set("modelPath", path.strip()))
        ui.scoreButton.connect("clicked()", self.onScore)
        ui.cancelButton.connect("clicked()", self.onCancel)
        session.listen(self.refresh)

    @property
    def run(self):
        """The run that goes on, ``None`` if there is none."""
        return self.session.run

    def _set(self, name, value):
        setattr(self.session.parameters, name, value)

    def show(self):
        """Show what the parameter node says; what the user is typing is left alone."""
        ui, parameters = self.ui, self.session.parameters
        if (ui.planeSelector.currentText.strip() or AUTO) != parameters.plane:
            ui.planeSelector.setCurrentText(parameters.plane)
        if ui.modelPath.currentPath.strip() != parameters.modelPath:
            ui.modelPath.setCurrentPath(parameters.modelPath)
        ui.deviceSelector.setCurrentText(parameters.device)
        if self._shown is not parameters.inputNode:
            ui.inputSelector.setCurrentNode(parameters.inputNode)
            self.onInput(parameters.inputNode)

    def showScene(self):
        """Show a scene that has just come: nothing of the one before counts."""
        self._shown = self.session.parameters.inputNode
        self.ui.inputSelector.setCurrentNode(self._shown)
        self.show()

    def onInput(self, node):
        """Take another input; scores of it that the scene already holds are shown again."""
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
        if source is not None:
            self.views.showVolume(source.volume)
        if known is not None:
            known.rejudge(parameters.threshold)
        if chart is not None:
            chart.showThreshold(parameters.threshold)
            self.views.showChart(chart.node)
        self.session.replaced()

    def _knownResults(self, source):
        """Return the scores shown if they are of this source, else the newest that the scene holds."""
        current = self.session.results
        if current is not None and current.inputId == source.node.GetID():
            return current
        return Results.find(source)

    def onScore(self):
        """Start scoring."""
        parameters, logic = self.session.parameters, self.session.logic
        try:
            openFrames(parameters.inputNode)
            logic.ensureDependencies()
            self.session.run = logic.startRun(
                parameters.inputNode, parameters.plane, parameters.modelPath, parameters.device, parameters.threshold
            )
        except (*ERRORS, RuntimeError) as error:
            slicer.util.errorDisplay(str(error))
            self.ui.statusLabel.setText(str(error))
            return
        parameters.resultsNode = self.run.results.node
        parameters.chartNode = None
        self.timer.start()
        self.session.replaced()

    def onCancel(self):
        """End the run; its scores stay."""
        if self.run is not None:
            self.run.cancel()

    def abandon(self):
        """End the run at once: its nodes are about to go."""
        run, self.session.run = self.run, None
        if run is not None:
            run.abandon()

    def advance(self):
        """Go on with the run; return whether there is one."""
        if self.run is None:
            return False
        try:
            fresh = self.run.advance()
        except ERRORS:  # the run has failed and says why
            fresh = []
        self._showProgress()
        if not self.run.isRunning:
            self._finish()
        elif fresh:
            self.session.changed()
        return self.run is not None

    def _finish(self):
        run, self.session.run = self.run, None
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

    def _showProgress(self):
        run, ui = self.run, self.ui
        ui.progressBar.setValue(round(100 * run.done / run.total))
        if run.state == EXPORTING:
            text = _("Reading frames")
        elif run.state == LOADING:
            text = _("Loading the model")
        elif run.state == FAILED:
            text = run.message
        elif run.isRunning:
            text = _("{done} of {total} frames, {spent:.0f} s so far{left}").format(
                done=run.done, total=run.total, spent=run.secondsSpent(), left=self._timeLeft()
            )
        else:
            ended = _("cancelled") if run.state == CANCELLED else _("done")
            text = _("{done} of {total} frames {ended} on {device}").format(
                done=run.done, total=run.total, ended=ended, device=run.results.facts().get("device", "")
            )
        reason = [run.message] if run.state == CANCELLED and run.message else []
        ui.statusLabel.setText("\n".join([text, *run.notices, *reason]))

    def _timeLeft(self):
        seconds = self.run.secondsLeft()
        return "" if seconds is None else _(", {seconds:.0f} s left").format(seconds=seconds)

    def refresh(self):
        """Offer what can be done now, and say why not."""
        ui, session = self.ui, self.session
        hasInput = session.source is not None
        if session.isLive:
            why = _("Stop the live stream first")
        elif session.run is not None:
            why = _("Frames are being scored")
        else:
            why = _("Score every frame") if hasInput else _("Choose frames first")
        ui.scoreButton.setEnabled(hasInput and not session.isBusy)
        ui.scoreButton.setToolTip(why)
        ui.cancelButton.setEnabled(session.run is not None)
        ui.inputSelector.setEnabled(session.run is None)
        self._offerPlanes()
        ui.aboutLabel.setText(session.logic.holder.describe())

    def _offerPlanes(self):
        """Offer the planes of the model that is loaded, in place of another's."""
        loaded, selector = self.session.logic.holder.loaded, self.ui.planeSelector
        wanted = [AUTO, *loaded["planes"]] if loaded else None
        if wanted is None or wanted == [selector.itemText(number) for number in range(selector.count)]:
            return
        chosen = self.session.parameters.plane
        selector.blockSignals(True)
        selector.clear()
        selector.addItems(wanted)
        selector.setCurrentText(chosen)
        selector.blockSignals(False)


def _details(holder):
    """Return what the worker said last, for the part of a message that can be unfolded."""
    said = holder.client.lastWords()
    return {"detailedText": said} if said else {}
