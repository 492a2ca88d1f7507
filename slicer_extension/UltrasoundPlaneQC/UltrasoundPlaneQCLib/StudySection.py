"""The section *Study*: the cines of an examination, its checklist, and its raters."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from .Checklist import judgeByPolicy
from .ChecklistTab import ChecklistTab
from .CinesTab import CinesTab
from .Controls import Controls
from .RatersTab import KEYS, RatersTab
from .Results import Results
from .ScoreChart import ScoreChart
from .Session import Session
from .Study import Study

SETTLE_MS = 250  # tables follow frames, verdicts and the threshold once these have been still for so long


class StudySection:
    """Tabs in the section.

    Args:
        ui: Controls by name.
        session: What is chosen, scored and shown.
        timer: Calls the panel's :meth:`advance` regularly while it runs.
    """

    def __init__(self, ui: Controls, session: Session, timer: qt.QTimer) -> None:
        self.session = session
        self.cines = CinesTab(session, timer)
        self.tabs = qt.QTabWidget()
        self.checklist = ChecklistTab(session, self.cines.open)
        self.raters = RatersTab(session, self.onBlind)
        self.tabs.addTab(self.cines.widget, _("Cines"))
        self.tabs.addTab(self.checklist.widget, _("Checklist"))
        self.tabs.addTab(self.raters.widget, _("Raters"))
        ui.studySection.layout().addWidget(self.tabs)
        self._hidden = (session.parameters.isBlind, session.parameters.rater)
        self._settleTimer = qt.QTimer()
        self._settleTimer.setSingleShot(True)
        self._settleTimer.setInterval(SETTLE_MS)
        self._settleTimer.connect("timeout()", self.settle)
        session.listen(self.onChange)
        session.listenToReplacement(self.onReplacement)

    def keys(self) -> dict[str, qt.QPushButton]:
        """Return the keys of the section, with the buttons that they press."""
        return {key: getattr(self.raters, button) for key, button in KEYS.items()}

    def show(self) -> None:
        """Show the settings."""
        self.raters.show()
        hidden = (self.session.parameters.isBlind, self.session.parameters.rater)
        if hidden != self._hidden:
            self._hidden = hidden
            self.onBlind()

    def onSceneReplaced(self) -> None:
        """Show the study of a scene that was just opened."""
        study = self.session.study
        if study is not None:
            study.endScoring()
        self.checklist.show()
        self.refresh()

    def refresh(self) -> None:
        """Show everything anew."""
        self.cines.refresh()
        self.checklist.refresh()
        self.raters.enable()
        self.raters.refresh()

    def onBlind(self) -> None:
        """Hide or show all scores."""
        self.refresh()
        self.session.changed()

    def onReplacement(self) -> None:
        """Mark the cine whose frames are shown."""
        study = self.session.study
        if study is not None:
            self.cines.table.select(study.keyOf(self.session.parameters.inputNode))

    def onChange(self) -> None:
        """Follow another frame, a verdict or the threshold, soon."""
        self.cines.enable()
        self.raters.enable()
        if self.session.results is not None or self.session.study is not None:
            self._settleTimer.start()

    def settle(self) -> None:
        """Judge all cines by the threshold of the panel, and show the cine of the frame shown."""
        study = self.session.study
        if study is not None:
            if self._applyThreshold(study):
                self.cines.refresh()
            else:
                self.cines.refreshRow(study.keyOf(self.session.parameters.inputNode))
            self.checklist.refresh()
            results = self.session.results
            if results is not None and results.policy is not None:  # frames may have been scored since it was applied
                _drawThresholds(results, self.session.chart)
        self.raters.refresh()

    def _applyThreshold(self, study: Study) -> bool:
        """Judge all cines by the threshold of the panel and the policy; return whether any was judged otherwise."""
        threshold = self.session.parameters.threshold
        scores = study.allResults()
        others = [one for one in scores.values() if abs(one.threshold - threshold) > 1e-6]
        for results in others:
            results.applyThreshold(threshold, announce=False)
        try:
            judged = judgeByPolicy(study, scores)
        except ImportError:  # striq is not installed, as the checklist says
            judged = []
        for results in judged:
            _drawThresholds(results, ScoreChart.find(results))
            results.announce()
        return bool(others or judged)

    def advance(self) -> bool:
        """Do the next step of all work; return whether there is more."""
        wasRunning = self.cines.run is not None
        isBusy = self.cines.advance()
        if wasRunning and self.cines.run is None:
            self.checklist.show()
        return isBusy

    def abandon(self) -> None:
        """End all work at once: the scene is about to be closed."""
        self._settleTimer.stop()
        self.cines.abandon()


def _drawThresholds(results: Results, chart: ScoreChart | None) -> None:
    if chart is not None:
        chart.showThresholds(results.thresholds())
