"""The section *Results*: threshold, navigation, the user's own verdicts, the table and its export."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from .Controls import Controls
from .FrameResult import FrameResult
from .Judgement import ACCEPTED, BY_USER, REJECTED, verdictWord
from .Results import Results
from .ResultsColumns import columnNames
from .Session import Session
from .Views import Views

SLIDER_STEP = 0.005  # half of the slider's last digit: smaller differences cannot be set
TABLE_MS = 100  # the table shows new verdicts when the slider has been still for so long


class ResultsPanel:
    """Controls of the scores.

    Args:
        ui: Controls by name.
        session: What is chosen and scored.
        views: The application's views.
    """

    def __init__(self, ui: Controls, session: Session, views: Views) -> None:
        self.ui, self.session, self.views = ui, session, views
        self._isFollowing = False  # the slider is moved by the model or the scene, not by the user
        self._shownColumns: list[str] = []
        self._tableTimer = qt.QTimer()
        self._tableTimer.setSingleShot(True)
        self._tableTimer.setInterval(TABLE_MS)
        self._tableTimer.connect("timeout()", self.announce)
        ui.resultsTable.connect("clicked(QModelIndex)", self.onRow)
        ui.thresholdSlider.connect("valueChanged(double)", self.onThreshold)
        logic = session.logic
        for button, action in (
            (ui.bestButton, lambda: self._goTo(logic.bestFrame)),
            (ui.nextAcceptedButton, lambda: self._goToNext(logic.nextAccepted)),
            (ui.nextRejectedButton, lambda: self._goToNext(logic.nextRejected)),
            (ui.acceptButton, lambda: self.decide(ACCEPTED)),
            (ui.rejectButton, lambda: self.decide(REJECTED)),
            (ui.revertButton, lambda: self.decide(None)),
            (ui.exportButton, self.onExport),
            (ui.layoutButton, lambda: self.views.showLayout(session.parameters.chartNode)),
        ):
            button.connect("clicked()", action)
        session.listen(self.refresh)

    def show(self) -> None:
        """Show the settings."""
        self._moveSlider(self.session.parameters.threshold)

    def showTable(self) -> None:
        """Show the table of the scores."""
        results = self.session.results
        self._shownColumns = []
        self.ui.resultsTable.setMRMLTableNode(results.node if results else None)
        self._hideColumns()

    def _hideColumns(self) -> None:
        """Hide the internal columns; the columns of the terms are there once the model is loaded."""
        results = self.session.results
        columns = [] if results is None else columnNames(results.node)
        shown = [*columns, str(self.session.hidesScores)]
        if results is None or shown == self._shownColumns:
            return
        hidden = columns[2:] if self.session.hidesScores else results.internalColumns()  # all but frame and time
        for number, name in enumerate(columns[1:]):  # the first one labels the rows
            self.ui.resultsTable.setColumnHidden(number, name in hidden)
        self._shownColumns = shown

    def onThreshold(self, threshold: float) -> None:
        """Update all verdicts; nothing is scored again."""
        parameters = self.session.parameters
        parameters.threshold = min(max(threshold, 0.0), 1.0)
        if not self._isFollowing:
            parameters.hasOwnThreshold = True
        results, chart = self.session.results, self.session.chart
        if results is not None:
            results.applyThreshold(threshold, announce=False)
            self._tableTimer.start()
        if chart is not None and results is not None:
            chart.showThresholds(results.thresholds())
        self.session.changed()

    def announce(self) -> None:
        """Let the table show what has changed."""
        results = self.session.results
        if results is not None:
            results.announce()

    def close(self) -> None:
        """Stop waiting for the slider."""
        self._tableTimer.stop()

    def followModel(self) -> None:
        """Use the threshold of the model that was loaded, unless the user has set another."""
        loaded, parameters = self.session.logic.holder.loaded, self.session.parameters
        if loaded and not parameters.hasOwnThreshold:
            self._moveSlider(loaded["threshold"])

    def _moveSlider(self, threshold: float) -> None:
        if abs(self.ui.thresholdSlider.value - threshold) < SLIDER_STEP:
            return
        self._isFollowing = True
        self.ui.thresholdSlider.setValue(threshold)
        self._isFollowing = False

    def decide(self, verdict: str | None) -> None:
        """Replace the verdict on the frame shown by the user's; ``None`` goes back to the score's."""
        results, shown = self.session.results, self.session.currentFrame()
        if results is not None and shown is not None:
            results.decide(shown.frame, verdict)
            self.session.changed()

    def _goTo(self, choose: Callable[[Results], int | None]) -> None:
        source, results = self.session.source, self.session.results
        if source is not None and results is not None:
            self.session.logic.goTo(source, choose(results))

    def _goToNext(self, choose: Callable[[Results, int], int | None]) -> None:
        shown = self.session.currentFrame()
        if shown is not None:
            self._goTo(lambda results: choose(results, shown.frame))

    def onPoint(self, series: str, point: int) -> None:
        """Show the frame of a point of the plot."""
        chart, source = self.session.chart, self.session.source
        if chart is not None and source is not None:
            self.session.logic.goTo(source, chart.frameOfPoint(series, point))

    def onRow(self, index: qt.QModelIndex) -> None:
        """Show the frame of a row of the table."""
        source = self.session.source
        if source is not None:
            self.session.logic.goTo(source, index.row())

    def onExport(self) -> None:
        """Ask for a file and write the table."""
        results = self.session.results
        if results is None:
            return
        name = f"{results.node.GetName()}.csv"
        path = qt.QFileDialog.getSaveFileName(self.ui.exportButton, _("Export scores"), name, _("Tables (*.csv)"))
        if path:
            with slicer.util.tryWithErrorDisplay(_("The scores were not written.")):
                results.exportCsv(path)
                self.ui.statusLabel.setText(_("Written: {path}").format(path=path))

    def refresh(self) -> None:
        """Update the controls for the frame shown."""
        ui, shown = self.ui, self.session.currentFrame()
        self._hideColumns()
        self.views.hideChart(self.session.hidesScores and not self.session.isLive)
        for button in (ui.bestButton, ui.nextAcceptedButton, ui.nextRejectedButton):  # they tell what the scores are
            button.setEnabled(shown is not None and not self.session.hidesScores)
        for button in (ui.acceptButton, ui.rejectButton):
            button.setEnabled(shown is not None)
        ui.revertButton.setEnabled(shown is not None and shown.decidedBy == BY_USER)
        ui.exportButton.setEnabled(self.session.results is not None)
        ui.layoutButton.setEnabled(self.session.chart is not None)
        isHidden = shown is not None and self.session.hidesScore
        ui.frameLabel.setText(_hiddenText(shown.frame) if shown is not None and isHidden else _describe(shown))
        if not self.session.isLive:
            self._showVerdict(None if isHidden else shown)

    def _showVerdict(self, shown: FrameResult | None) -> None:
        if shown is None or not shown.isScored:
            self.views.showVerdict("", "")
        else:
            self.views.showVerdict(f"{verdictWord(shown.verdict)}  Q {shown.quality:.2f}", shown.verdict)


def _hiddenText(frame: int) -> str:
    return _("Frame {index}: rate it to see its score").format(index=frame)


def _describe(shown: FrameResult | None) -> str:
    if shown is None:
        return _("No scores yet")
    if not shown.isScored:
        return _("Frame {index}: {why}").format(index=shown.frame, why=shown.error or verdictWord(shown.verdict))
    by = _(" (by you)") if shown.decidedBy == BY_USER else ""
    return _("Frame {index}: Q {quality:.2f}, {verdict}{by}, {plane}").format(
        index=shown.frame, quality=shown.quality, verdict=verdictWord(shown.verdict), by=by, plane=shown.plane
    )
