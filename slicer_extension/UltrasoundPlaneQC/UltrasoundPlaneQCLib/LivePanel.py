"""The section *Live*: score a stream as it comes."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from .Controls import Controls
from .FrameSource import SourceError
from .Judgement import ACCEPTED, REJECTED, verdictWord
from .LiveRecords import LivePlot, LiveRecorder
from .LiveScoring import LiveScoring, LiveVerdict
from .Parameters import scoringOptions
from .Session import Session
from .Views import Views
from .WorkerClient import WorkerError

# Dark enough for white text; the text gives the verdict too, so that color is never the only sign.
BACKGROUNDS = {ACCEPTED: "#1a7f37", REJECTED: "#b42318"}
OTHER_BACKGROUND = "#6b7280"


class LivePanel:
    """Controls of live scoring.

    Args:
        ui: Controls by name.
        session: What is chosen.
        views: The application's views.
        timer: Calls the panel's :meth:`advance` regularly while it runs.
    """

    def __init__(self, ui: Controls, session: Session, views: Views, timer: qt.QTimer) -> None:
        self.ui, self.session, self.views, self.timer = ui, session, views, timer
        self.live = LiveScoring(session.logic.holder, lambda: session.parameters.threshold, self.onVerdict)
        self._plot = LivePlot()
        self._listeners: list[Callable[[LiveVerdict], str]] = []
        ui.liveSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onStream)
        ui.recordCheckBox.connect("toggled(bool)", self.onRecord)
        ui.liveButton.connect("clicked()", self.onButton)
        session.listen(self.refresh)

    def listen(self, listener: Callable[[LiveVerdict], str]) -> None:
        """Call a function with each verdict; the view shows the text that it returns below the verdict."""
        self._listeners.append(listener)

    def show(self) -> None:
        """Show the settings."""
        parameters = self.session.parameters
        self.ui.liveSelector.setCurrentNode(parameters.liveNode)
        self.ui.recordCheckBox.setChecked(parameters.recordLive)
        self.refresh()

    def onStream(self, node: slicer.vtkMRMLVolumeNode | None) -> None:
        """Take another stream."""
        if self.live.isRunning and node is self.live.volume:
            return
        self.stop()
        self.session.parameters.liveNode = node
        self.refresh()

    def onRecord(self, isOn: bool) -> None:
        """Set whether the next stream is recorded."""
        self.session.parameters.recordLive = isOn

    def onButton(self) -> None:
        """Start or stop."""
        if self.live.isRunning:
            self.stop()
        else:
            self.start()
        self.refresh()

    def start(self) -> None:
        """Start scoring the stream."""
        parameters, logic = self.session.parameters, self.session.logic
        try:
            logic.ensureDependencies()
            recorder = LiveRecorder() if parameters.recordLive else None
            self.live.start(parameters.liveNode, scoringOptions(parameters), recorder)
        except (SourceError, WorkerError, OSError, RuntimeError) as error:
            slicer.util.errorDisplay(str(error))
            return
        self.session.isLive = True
        self.views.showVolume(parameters.liveNode)
        self._plot.begin()
        self.views.showLayout(self._plot.chart)
        self.timer.start()
        self.session.changed()

    def stop(self) -> None:
        """Stop scoring the stream; a recording is put into a browser."""
        if not self.live.isRunning:
            return
        self.live.stop()
        self.session.isLive = False
        self.views.showVerdict("", "")
        self._showVerdict("", "")
        self.ui.liveRateLabel.setText("")
        self.session.changed()

    def advance(self) -> bool:
        """Show verdicts that have arrived; return whether the stream is being scored."""
        try:
            notice = self.live.poll()
        except (SourceError, WorkerError, OSError) as error:
            self.stop()
            self.refresh()
            slicer.util.errorDisplay(str(error))
            return False
        if notice:
            self.ui.statusLabel.setText(notice)
        return self.live.isRunning

    def onVerdict(self, live: LiveVerdict) -> None:
        """Show one verdict."""
        quality = "" if live.quality is None else f"  Q {live.quality:.2f}"
        text = f"{verdictWord(live.verdict)}{quality}"
        self._showVerdict(text if live.quality is None else text.upper(), live.verdict)
        beside = [listener(live) for listener in self._listeners]
        self.views.showVerdict("\n".join(filter(None, [text, *beside])), live.verdict)
        self._plot.add(live, self.session.parameters.threshold)
        received, scored = self.live.rates()
        self.ui.liveRateLabel.setText(
            _("{scored:.1f} of {received:.1f} images per second, {each:.0f} ms each, {late:.0f} ms behind").format(
                scored=scored, received=received, each=live.frameMs, late=live.latencyMs
            )
        )

    def _showVerdict(self, text: str, verdict: str) -> None:
        label = self.ui.liveVerdictLabel
        label.setText(text)
        palette = qt.QPalette(label.palette)
        palette.setColor(qt.QPalette.Window, qt.QColor(BACKGROUNDS.get(verdict, OTHER_BACKGROUND)))
        palette.setColor(qt.QPalette.WindowText, qt.QColor("white"))
        label.setAutoFillBackground(bool(text))
        label.setPalette(palette)

    def refresh(self) -> None:
        """Enable what is possible now, and explain why the rest is not."""
        isOn, hasStream = self.live.isRunning, self.session.parameters.liveNode is not None
        isTaken = self.session.isScoring
        button = self.ui.liveButton
        button.setChecked(isOn)
        button.setText(_("Stop") if isOn else _("Start"))
        button.setEnabled(hasStream and not isTaken)
        if isTaken:
            button.setToolTip(_("Frames are being scored; start the stream afterwards"))
        else:
            button.setToolTip(_("Score every new image, the newest first") if hasStream else _("Choose a stream first"))
        self.ui.recordCheckBox.setEnabled(not isOn)
