"""The section *Why this score*: overlay, terms as bars, position in words."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from . import Overlays
from .FrameSource import SourceError
from .Parameters import OVERLAYS
from .Results import TERMS
from .WorkerClient import WorkerError


class WhyPanel:
    """Controls that explain the score of the frame shown.

    Args:
        ui: Controls by name.
        session: What is chosen and scored.
        timer: Ticks while there is work.
    """

    def __init__(self, ui, session, timer):
        self.ui, self.session, self.timer = ui, session, timer
        self._explained = None  # (source, index, explanation) of the last answer
        self._asked = None  # (input, index) of the last question
        ui.overlaySelector.addItems(OVERLAYS)
        ui.explainButton.connect("clicked()", self.explain)
        ui.explainEachFrameCheckBox.connect("toggled(bool)", self.onEachFrame)
        ui.overlaySelector.connect("currentTextChanged(QString)", self.onOverlay)
        ui.opacitySlider.connect("valueChanged(double)", self.onOpacity)
        session.listen(self.refresh)

    def show(self):
        """Show what the parameter node says."""
        parameters = self.session.parameters
        self.ui.overlaySelector.setCurrentText(parameters.overlay)
        self.ui.opacitySlider.setValue(parameters.overlayOpacity)
        self.ui.explainEachFrameCheckBox.setChecked(parameters.explainEachFrame)
        self.refresh()

    def onEachFrame(self, isOn):
        """Explain every frame from now on, or only when asked."""
        self.session.parameters.explainEachFrame = isOn
        self.refresh()

    def onOverlay(self, overlay):
        """Lay something else over the frame."""
        self.session.parameters.overlay = overlay
        self._showOverlay()

    def onOpacity(self, opacity):
        """Change the opacity."""
        self.session.parameters.overlayOpacity = min(max(opacity, 0.0), 1.0)
        self._showOverlay()

    def explain(self):
        """Ask why the frame shown got its score."""
        index, result = self.session.currentFrame()
        if index is None or not result.isScored or self.session.run is not None:
            return
        parameters = self.session.parameters
        try:
            self.session.logic.explainer.ask(
                self.session.source, index, parameters.plane, parameters.modelPath, parameters.device
            )
        except (SourceError, WorkerError, OSError) as error:
            slicer.util.errorDisplay(str(error))
            return
        self._asked = (self._input(), index)
        self.timer.start()

    def advance(self):
        """Take an explanation that has arrived; return whether one is awaited."""
        explainer = self.session.logic.explainer
        try:
            found = explainer.poll()
        except (SourceError, WorkerError) as error:
            explainer.close()
            slicer.util.errorDisplay(str(error))
            return False
        if found is not None:
            self._explained = found
            self._showOverlay()
        return explainer.isBusy

    def _showOverlay(self):
        index, _result = self.session.currentFrame()
        if self._explained is None or self._explained[1] != index or self._explained[0].node is not self._input():
            return
        source, index, explanation = self._explained
        parameters = self.session.parameters
        self.session.logic.showExplanation(source, index, explanation, parameters.overlay, parameters.overlayOpacity)

    def _input(self):
        source = self.session.source
        return None if source is None else source.node

    def refresh(self):
        """Bring bars and words in line with the frame shown; an overlay of another frame is taken away."""
        index, result = self.session.currentFrame()
        isScored = result is not None and result.isScored
        isWaiting = self.session.run is not None
        self.ui.explainButton.setEnabled(isScored and not isWaiting)
        self.ui.explainButton.setToolTip(_whatItDoes(isScored, isWaiting))
        for term in TERMS:
            percent = round(100 * result.goodness[term]) if isScored else 0
            getattr(self.ui, f"{term}Bar").setValue(percent)
        source = self.session.source
        self.ui.transformLabel.setText(self.session.logic.describe(source, result) if isScored else "")
        self.ui.anchorLabel.setText(Path(result.anchor).name if isScored else "")
        Overlays.hideStale(None if source is None else source.volume, index)
        if self._asked != (self._input(), index):
            self._asked = None
        if self.session.parameters.explainEachFrame and isScored and not isWaiting and self._asked is None:
            self.explain()


def _whatItDoes(isScored, isWaiting):
    if isWaiting:
        return _("Frames are being scored; explain them afterwards")
    return (
        _("Show where this frame differs from its nearest reference (E)") if isScored else _("Score frames first (E)")
    )
