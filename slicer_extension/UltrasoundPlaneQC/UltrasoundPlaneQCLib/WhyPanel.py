"""The section *Why this score*: overlay, terms as bars, position in words."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from . import Overlays
from .Controls import Controls
from .Explaining import Explanation
from .FrameSource import SourceError
from .Parameters import OVERLAYS, scoringOptions
from .Session import Session
from .TermBars import TermBars
from .WorkerClient import WorkerError


class WhyPanel:
    """Controls that explain the score of the frame shown.

    Args:
        ui: Controls by name.
        session: What is chosen and scored.
        timer: Calls the panel's :meth:`advance` regularly while it runs.
    """

    def __init__(self, ui: Controls, session: Session, timer: qt.QTimer) -> None:
        self.ui, self.session, self.timer = ui, session, timer
        self.bars = TermBars(ui.termsBox)
        self._explained: Explanation | None = None  # the last answer
        self._asked: tuple[slicer.vtkMRMLNode | None, int] | None = None  # input and frame of the last request
        ui.overlaySelector.addItems(OVERLAYS)
        ui.explainButton.connect("clicked()", self.explain)
        ui.explainEachFrameCheckBox.connect("toggled(bool)", self.onEachFrame)
        ui.overlaySelector.connect("currentTextChanged(QString)", self.onOverlay)
        ui.opacitySlider.connect("valueChanged(double)", self.onOpacity)
        session.listen(self.refresh)

    def show(self) -> None:
        """Show the settings."""
        parameters = self.session.parameters
        self.ui.overlaySelector.setCurrentText(parameters.overlay)
        self.ui.opacitySlider.setValue(parameters.overlayOpacity)
        self.ui.explainEachFrameCheckBox.setChecked(parameters.explainEachFrame)
        self.refresh()

    def onEachFrame(self, isOn: bool) -> None:
        """Explain every frame shown from now on, or only on request."""
        self.session.parameters.explainEachFrame = isOn
        self.refresh()

    def onOverlay(self, overlay: str) -> None:
        """Show another overlay."""
        self.session.parameters.overlay = overlay
        self._showOverlay()

    def onOpacity(self, opacity: float) -> None:
        """Change the opacity."""
        self.session.parameters.overlayOpacity = min(max(opacity, 0.0), 1.0)
        self._showOverlay()

    def explain(self) -> None:
        """Request an explanation of the frame shown."""
        source, shown = self.session.source, self.session.currentFrame()
        if source is None or shown is None or not shown.isScored or self.session.isScoring or self.session.hidesScore:
            return
        try:
            self.session.logic.explainer.ask(source, shown.frame, scoringOptions(self.session.parameters))
        except (SourceError, WorkerError, OSError) as error:
            slicer.util.errorDisplay(str(error))
            return
        self._asked = (source.node, shown.frame)
        self.timer.start()

    def advance(self) -> bool:
        """Show an explanation that has arrived; return whether one is awaited."""
        explainer = self.session.logic.explainer
        try:
            explanation = explainer.poll()
        except (SourceError, WorkerError) as error:
            explainer.close()
            slicer.util.errorDisplay(str(error))
            return False
        if explanation is not None:
            self._explained = explanation
            self._showOverlay()
        return explainer.isBusy

    def _showOverlay(self) -> None:
        """Show the overlay of the last explanation if it is about the frame shown."""
        source, shown, explained = self.session.source, self.session.currentFrame(), self._explained
        if source is None or shown is None or explained is None or self.session.hidesScore:
            return
        if explained.index == shown.frame and explained.source.node is source.node:
            parameters = self.session.parameters
            self.session.logic.showExplanation(explained, parameters.overlay, parameters.overlayOpacity)

    def refresh(self) -> None:
        """Update bars and words for the frame shown; remove an overlay of another frame."""
        source, shown, results = self.session.source, self.session.currentFrame(), self.session.results
        isHidden = self.session.hidesScore
        isScored = shown is not None and shown.isScored and not isHidden
        isWaiting = self.session.isScoring
        self.ui.explainButton.setEnabled(isScored and not isWaiting)
        self.ui.explainButton.setToolTip(_whatItDoes(isScored, isWaiting))
        visible = None if isHidden else shown
        self.bars.show(results.terms if results else [], visible)
        position = "" if source is None or visible is None else self.session.logic.describe(source, visible)
        self.ui.transformLabel.setText(position)
        self.ui.referenceLabel.setText("" if visible is None else Path(visible.reference).name)
        Overlays.hideStale(None if source is None else source.volume, None if visible is None else visible.frame)
        if source is None or shown is None or self._asked != (source.node, shown.frame):
            self._asked = None
        if self.session.parameters.explainEachFrame and isScored and not isWaiting and self._asked is None:
            self.explain()


def _whatItDoes(isScored: bool, isWaiting: bool) -> str:
    if isWaiting:
        return _("Frames are being scored; explain them afterwards")
    if not isScored:
        return _("Score frames first (D)")
    return _("Show where this frame differs from its nearest reference (D)")
