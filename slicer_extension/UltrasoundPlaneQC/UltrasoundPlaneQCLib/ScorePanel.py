"""The sections *Inputs* and *Results*: choose, score, watch the progress, go through the frames, decide, export."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from .FrameSource import SourceError, openFrames
from .Parameters import AUTO, DEVICES
from .Results import ACCEPTED, REJECTED, TERMS
from .Scoring import CANCELLED, EXPORTING, FAILED, LOADING
from .WorkerClient import WorkerError

HIDDEN_COLUMNS = ("transform", "box", *(f"{term}_goodness" for term in TERMS))
ERRORS = (SourceError, WorkerError, OSError)


class ScorePanel:
    """Controls of scoring and of its results.

    Args:
        ui: Controls by name.
        session: What is chosen and scored.
        views: The application's views.
        timer: Ticks while there is work; the panel's ``advance`` is to be called at each tick.
    """

    def __init__(self, ui, session, views, timer):
        self.ui, self.session, self.views, self.timer = ui, session, views, timer
        self.run = None
        ui.deviceSelector.addItems(DEVICES)
        ui.planeSelector.addItem(AUTO)
        self._connect()
        session.listen(self.refresh)

    def _connect(self):
        ui = self.ui
        ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onInput)
        ui.planeSelector.connect("currentTextChanged(QString)", lambda text: self._set("plane", text.strip() or AUTO))
        ui.deviceSelector.connect("currentTextChanged(QString)", lambda text: self._set("device", text))
        ui.modelPath.connect("currentPathChanged(QString)", lambda path: self._set("modelPath", path.strip()))
        ui.thresholdSlider.connect("valueChanged(double)", self.onThreshold)
        for name, action in (
            ("scoreButton", self.onScore),
            ("cancelButton", self.onCancel),
            ("bestButton", lambda: self._goTo(self.session.logic.bestFrame)),
            ("nextAcceptedButton", lambda: self._goToNext(self.session.logic.nextAccepted)),
            ("nextRejectedButton", lambda: self._goToNext(self.session.logic.nextRejected)),
            ("acceptButton", lambda: self.decide(ACCEPTED)),
            ("rejectButton", lambda: self.decide(REJECTED)),
            ("revertButton", lambda: self.decide(None)),
            ("exportButton", self.onExport),
            ("layoutButton", lambda: self.views.showLayout(self.session.parameters.chartNode)),
        ):
            getattr(ui, name).connect("clicked()", action)

    def _set(self, name, value):
        setattr(self.session.parameters, name, value)

    def show(self):
        """Show what the parameter node says."""
        ui, parameters = self.ui, self.session.parameters
        ui.inputSelector.setCurrentNode(parameters.inputNode)
        ui.planeSelector.setCurrentText(parameters.plane)
        ui.deviceSelector.setCurrentText(parameters.device)
        ui.modelPath.setCurrentPath(parameters.modelPath)
        ui.thresholdSlider.setValue(parameters.threshold)
        self._showTable()
        self.session.watch()
        self.session.changed()

    def onInput(self, node):
        """Take another input; scores of it that the scene already holds are shown again."""
        parameters = self.session.parameters
        if node is parameters.inputNode and node is not None:
            return
        parameters.inputNode = node
        source = self.session.source
        known = parameters.resultsNode
        if known is not None and (source is None or known.GetNodeReferenceID("striqInput") != source.node.GetID()):
            parameters.resultsNode = parameters.chartNode = None
        self._showTable()
        self.session.watch()
        if source is not None:
            self.views.showVolume(source.volume)
        self.session.changed()

    def onThreshold(self, threshold):
        """Judge again, without scoring."""
        self.session.parameters.threshold = min(max(threshold, 0.0), 1.0)
        results, chart = self.session.results, self.session.chart
        if results is not None:
            results.rejudge(threshold)
        if chart is not None:
            chart.showThreshold(threshold)
        self.session.changed()

    def onScore(self):
        """Start scoring."""
        parameters, logic = self.session.parameters, self.session.logic
        try:
            openFrames(parameters.inputNode)
            logic.ensureDependencies()
            self.run = logic.startRun(
                parameters.inputNode, parameters.plane, parameters.modelPath, parameters.device, parameters.threshold
            )
        except (*ERRORS, RuntimeError) as error:
            slicer.util.errorDisplay(str(error))
            self.ui.statusLabel.setText(str(error))
            return
        parameters.resultsNode = self.run.results.node
        parameters.chartNode = None
        self._showTable()
        self.timer.start()
        self.session.changed()

    def onCancel(self):
        """End the run; its scores stay."""
        if self.run is not None:
            self.run.cancel()

    def abandon(self):
        """End the run at once: its nodes are about to go."""
        run, self.run = self.run, None
        if run is not None:
            run.abandon()

    def advance(self):
        """Go on with the run; return whether there is one."""
        if self.run is None:
            return False
        try:
            fresh = self.run.advance()
        except ERRORS:
            fresh = []
        self._showProgress()
        if not self.run.isRunning:
            self._finish()
        elif fresh:
            self.session.changed()
        return self.run is not None

    def _finish(self):
        run, self.run = self.run, None
        parameters = self.session.parameters
        if run.state == FAILED and not run.done:
            slicer.mrmlScene.RemoveNode(run.results.node)
            parameters.resultsNode = None
        else:
            parameters.chartNode = self.session.logic.finishRun(run)
            self.views.showLayout(parameters.chartNode)
        self._offerPlanes()
        self._showTable()
        self.session.watch()
        self.session.changed()
        if run.state == FAILED:
            slicer.util.errorDisplay(run.message)

    def _offerPlanes(self):
        loaded = self.session.logic.holder.loaded
        for plane in loaded["planes"] if loaded else ():
            if self.ui.planeSelector.findText(plane) < 0:
                self.ui.planeSelector.addItem(plane)

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
            text = _("{done} of {total} frames, {left}").format(done=run.done, total=run.total, left=self._timeLeft())
        else:
            ended = _("cancelled") if run.state == CANCELLED else _("done")
            facts = run.results.facts()
            text = _("{done} of {total} frames {ended} on {device}").format(
                done=run.done, total=run.total, ended=ended, device=facts.get("device", "")
            )
        ui.statusLabel.setText("\n".join([text, *run.notices]))

    def _timeLeft(self):
        seconds = self.run.secondsLeft()
        return "" if seconds is None else _("{seconds:.0f} s left").format(seconds=seconds)

    def decide(self, verdict):
        """Put the user's verdict on the frame shown."""
        index, _result = self.session.currentFrame()
        if index is not None:
            self.session.results.decide(index, verdict)
            self.session.changed()

    def _goTo(self, choose):
        source, results = self.session.source, self.session.results
        if source is not None and results is not None:
            self.session.logic.goTo(source, choose(results))

    def _goToNext(self, choose):
        index, _result = self.session.currentFrame()
        if index is not None:
            self._goTo(lambda results: choose(results, index))

    def onPoint(self, series, point):
        """Show the frame of a point of the plot."""
        chart, source = self.session.chart, self.session.source
        if chart is not None and source is not None:
            self.session.logic.goTo(source, chart.frameOfPoint(series, point))

    def onExport(self):
        """Ask for a file and write the table."""
        results = self.session.results
        if results is None:
            return
        name = f"{results.node.GetName()}.csv"
        path = qt.QFileDialog.getSaveFileName(self.ui.exportButton, _("Export scores"), name, _("Tables (*.csv)"))
        path = path[0] if isinstance(path, tuple) else path  # PythonQt returns the name alone
        if path:
            with slicer.util.tryWithErrorDisplay(_("The scores were not written.")):
                results.exportCsv(path)
                self.ui.statusLabel.setText(_("Written: {path}").format(path=path))

    def _showTable(self):
        table = self.ui.resultsTable
        results = self.session.results
        table.setMRMLTableNode(results.node if results else None)
        if results is not None:
            columns = results.node.GetTable()
            for number in range(columns.GetNumberOfColumns()):
                table.setColumnHidden(number, columns.GetColumnName(number) in HIDDEN_COLUMNS)

    def refresh(self):
        """Bring the controls in line with the frame shown."""
        ui, hasRun = self.ui, self.run is not None
        index, result = self.session.currentFrame()
        hasInput = self.session.source is not None
        ui.scoreButton.setEnabled(hasInput and not hasRun)
        ui.scoreButton.setToolTip(_("Score every frame") if hasInput else _("Choose frames first"))
        ui.cancelButton.setEnabled(hasRun)
        ui.inputSelector.setEnabled(not hasRun)
        for name in ("bestButton", "nextAcceptedButton", "nextRejectedButton", "acceptButton", "rejectButton"):
            getattr(ui, name).setEnabled(index is not None)
        ui.revertButton.setEnabled(index is not None and result.decidedBy == "user")
        ui.exportButton.setEnabled(self.session.results is not None)
        ui.layoutButton.setEnabled(self.session.chart is not None)
        ui.frameLabel.setText(self._describe(index, result))
        if index is not None and not ui.liveButton.isChecked():
            self.views.showVerdict(
                f"{result.verdict}  Q {result.quality:.2f}" if result.isScored else "", result.verdict
            )

    def _describe(self, index, result):
        if index is None:
            return _("No scores yet")
        if not result.isScored:
            return _("Frame {index}: {why}").format(index=index, why=result.error or result.verdict)
        by = _(" (by you)") if result.decidedBy == "user" else ""
        return _("Frame {index}: Q {quality:.2f}, {verdict}{by}, {plane}").format(
            index=index, quality=result.quality, verdict=result.verdict, by=by, plane=result.plane
        )
