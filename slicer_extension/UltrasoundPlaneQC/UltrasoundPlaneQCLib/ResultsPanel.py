"""The section *Results*: the threshold, the frames worth seeing, the user's own verdicts, the table and its export."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from .Results import ACCEPTED, BY_USER, REJECTED, TERMS, verdictWord

HIDDEN_COLUMNS = ("transform", "box", *(f"{term}_goodness" for term in TERMS))
WITH_FRAME = ("bestButton", "nextAcceptedButton", "nextRejectedButton", "acceptButton", "rejectButton")
SLIDER_STEP = 0.005  # a model's threshold that differs by less cannot be set on the slider


class ResultsPanel:
    """Controls of the scores.

    Args:
        ui: Controls by name.
        session: What is chosen and scored.
        views: The application's views.
    """

    def __init__(self, ui, session, views):
        self.ui, self.session, self.views = ui, session, views
        self._isFollowing = False  # the slider moves because of the model or the scene, not of the user
        ui.thresholdSlider.connect("valueChanged(double)", self.onThreshold)
        logic = session.logic
        for name, action in (
            ("bestButton", lambda: self._goTo(logic.bestFrame)),
            ("nextAcceptedButton", lambda: self._goToNext(logic.nextAccepted)),
            ("nextRejectedButton", lambda: self._goToNext(logic.nextRejected)),
            ("acceptButton", lambda: self.decide(ACCEPTED)),
            ("rejectButton", lambda: self.decide(REJECTED)),
            ("revertButton", lambda: self.decide(None)),
            ("exportButton", self.onExport),
            ("layoutButton", lambda: self.views.showLayout(session.parameters.chartNode)),
        ):
            getattr(ui, name).connect("clicked()", action)
        session.listen(self.refresh)

    def show(self):
        """Show what the parameter node says."""
        self._moveSlider(self.session.parameters.threshold)

    def showTable(self):
        """Show the table of the scores; what only the program reads stays hidden."""
        table, results = self.ui.resultsTable, self.session.results
        table.setMRMLTableNode(results.node if results else None)
        if results is not None:
            columns = results.node.GetTable()
            for number in range(columns.GetNumberOfColumns()):
                table.setColumnHidden(number, columns.GetColumnName(number) in HIDDEN_COLUMNS)

    def onThreshold(self, threshold):
        """Judge again, without scoring."""
        parameters = self.session.parameters
        parameters.threshold = min(max(threshold, 0.0), 1.0)
        if not self._isFollowing:
            parameters.hasOwnThreshold = True
        results, chart = self.session.results, self.session.chart
        if results is not None:
            results.rejudge(threshold)
        if chart is not None:
            chart.showThreshold(threshold)
        self.session.changed()

    def followModel(self):
        """Take the threshold of the model that was loaded, unless the user has set another."""
        loaded, parameters = self.session.logic.holder.loaded, self.session.parameters
        if loaded and not parameters.hasOwnThreshold:
            self._moveSlider(loaded["threshold"])

    def _moveSlider(self, threshold):
        if abs(self.ui.thresholdSlider.value - threshold) < SLIDER_STEP:
            return
        self._isFollowing = True
        self.ui.thresholdSlider.setValue(threshold)
        self._isFollowing = False

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

    def refresh(self):
        """Bring the controls in line with the frame shown."""
        ui = self.ui
        index, result = self.session.currentFrame()
        for name in WITH_FRAME:
            getattr(ui, name).setEnabled(index is not None)
        ui.revertButton.setEnabled(index is not None and result.decidedBy == BY_USER)
        ui.exportButton.setEnabled(self.session.results is not None)
        ui.layoutButton.setEnabled(self.session.chart is not None)
        ui.frameLabel.setText(_describe(index, result))
        if not self.session.isLive:
            isScored = index is not None and result.isScored
            text = f"{verdictWord(result.verdict)}  Q {result.quality:.2f}" if isScored else ""
            self.views.showVerdict(text, result.verdict if isScored else "")


def _describe(index, result):
    if index is None:
        return _("No scores yet")
    if not result.isScored:
        return _("Frame {index}: {why}").format(index=index, why=result.error or verdictWord(result.verdict))
    by = _(" (by you)") if result.decidedBy == BY_USER else ""
    return _("Frame {index}: Q {quality:.2f}, {verdict}{by}, {plane}").format(
        index=index, quality=result.quality, verdict=verdictWord(result.verdict), by=by, plane=result.plane
    )
