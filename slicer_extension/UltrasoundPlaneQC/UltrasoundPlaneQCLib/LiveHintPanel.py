"""The part of the section *Live* that helps while scanning: hint, hold, best frame, sound."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from .BestFrames import BestFrames, addFrameNode
from .Controls import Controls
from .LiveHints import HintWords, SoundCue
from .LivePanel import LivePanel
from .LiveScoring import LiveVerdict
from .Sections import rowOf
from .Session import Session
from .Views import Views

HINT_ROW = 3  # of the section, below the verdict
LONGEST_SECONDS = 60.0
HELD, BEST = "STRIQ held frame", "STRIQ best frame"


class LiveHintPanel:
    """Controls beside the live verdict.

    Args:
        ui: Controls by name.
        session: What is chosen.
        views: The application's views.
        live: The section that scores the stream.
    """

    def __init__(self, ui: Controls, session: Session, views: Views, live: LivePanel) -> None:
        self.session, self.views, self.live = session, views, live
        self.words, self.sound = HintWords(), SoundCue()
        self.best = BestFrames(session.parameters.bestSeconds)
        self._latest: LiveVerdict | None = None
        self._held: slicer.vtkMRMLVolumeNode | None = None
        self._stream: slicer.vtkMRMLVolumeNode | None = None  # whose frames are in the buffer
        self._makeControls(ui)
        live.listen(self.onVerdict)
        session.listen(self.refresh)

    def _makeControls(self, ui: Controls) -> None:
        self.hintLabel = qt.QLabel("")
        self.hintLabel.setObjectName("hintLabel")
        self.hintLabel.setWordWrap(True)
        self.hintLabel.setAlignment(qt.Qt.AlignCenter)
        self.hintLabel.setToolTip(
            _("How the picture must move on the screen to lie like the nearest reference; the probe may move otherwise")
        )
        font = qt.QFont(self.hintLabel.font)
        font.setPointSize(14)
        self.hintLabel.setFont(font)
        self.holdButton = qt.QPushButton(_("Hold"))
        self.holdButton.setObjectName("holdButton")
        self.holdButton.setCheckable(True)
        self.bestButton = qt.QPushButton(_("Keep best"))
        self.bestButton.setObjectName("keepBestButton")
        self.secondsBox = qt.QDoubleSpinBox()
        self.secondsBox.setObjectName("bestSecondsBox")
        self.secondsBox.setRange(1.0, LONGEST_SECONDS)
        self.secondsBox.setDecimals(0)
        self.secondsBox.setPrefix(_("of the last "))
        self.secondsBox.setSuffix(_(" s"))
        self.secondsBox.setToolTip(_("How far back the best accepted frame is looked for"))
        self.soundBox = qt.QCheckBox(_("Sound"))
        self.soundBox.setObjectName("soundCheckBox")
        self.soundBox.setToolTip(_("Beep when the verdict turns to accepted, at most once a second"))
        row = rowOf(self.holdButton, self.bestButton, self.secondsBox, self.soundBox)
        section = ui.liveSection.layout()
        section.insertRow(HINT_ROW, self.hintLabel)
        section.insertRow(HINT_ROW + 1, row)
        self.holdButton.connect("clicked()", self.onHold)
        self.bestButton.connect("clicked()", self.onBest)
        self.secondsBox.connect("valueChanged(double)", self.onSeconds)
        self.soundBox.connect("toggled(bool)", self.onSound)

    def show(self) -> None:
        """Show the settings."""
        parameters = self.session.parameters
        self.best.seconds = parameters.bestSeconds
        self.secondsBox.setValue(parameters.bestSeconds)
        self.soundBox.setChecked(parameters.liveSound)
        self.refresh()

    def onSeconds(self, seconds: float) -> None:
        """Set how far back the best frame is looked for."""
        self.session.parameters.bestSeconds = self.best.seconds = seconds

    def onSound(self, isOn: bool) -> None:
        """Set whether accepted frames are heard."""
        self.session.parameters.liveSound = isOn

    def onVerdict(self, live: LiveVerdict) -> str:
        """Take one verdict and return the hint, which the view shows below the verdict."""
        volume = self.live.live.volume
        if volume is not self._stream:
            self.forget()
            self._stream = volume
        self._latest = live
        self.best.add(live)
        hint = self.words.of(live)
        self.hintLabel.setText(hint)
        if self.session.parameters.liveSound and self.sound.isDue(live):
            qt.QApplication.beep()
        self.refresh()
        return hint.replace(", ", "\n").replace(_(" and "), "\n")

    def onHold(self) -> None:
        """Stop judging and keep the frame shown, or go on with the stream."""
        self.release() if self._held is not None else self.hold()
        self.refresh()

    def hold(self) -> None:
        """Show the latest frame that was judged; images that arrive are not judged."""
        stream, latest = self.live.live.volume, self._latest
        if stream is None or latest is None or latest.pixels is None:
            return
        self.live.live.isHeld = True
        self._held = addFrameNode(latest, stream, HELD)
        self.views.showVolume(self._held)

    def release(self) -> None:
        """Go on with the stream."""
        self.live.live.isHeld = False
        held, self._held = self._held, None
        if held is not None and held.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(held)
            self.views.showVolume(self.session.parameters.liveNode)

    def onBest(self) -> None:
        """Keep the best accepted frame of the last seconds as a node of its own."""
        best, stream = self.best.best, self._stream
        if best is None or stream is None or stream.GetScene() is None:
            return
        name = slicer.mrmlScene.GenerateUniqueName(f"{BEST} Q {best.quality:.2f}")
        addFrameNode(best, stream, name)
        self.live.ui.statusLabel.setText(_("Kept: {name}").format(name=name))

    def forget(self) -> None:
        """Forget the frames of the stream before, and of a scene that is closed."""
        self.release()
        self._latest = self._stream = None
        self.words.reset()
        self.best.reset()
        self.hintLabel.setText("")

    def refresh(self) -> None:
        """Enable what is possible now, and explain why the rest is not."""
        if not self.live.live.isRunning:
            if self._held is not None:
                self.release()
            self.hintLabel.setText("")
            self.words.reset()
        isHeld, canHold = self._held is not None, self.live.live.isRunning and self._latest is not None
        self.holdButton.setChecked(isHeld)
        self.holdButton.setText(_("Go on") if isHeld else _("Hold"))
        self.holdButton.setEnabled(canHold)
        self.holdButton.setToolTip(
            _("Keep the frame and its verdict on the screen; press again to go on")
            if canHold
            else _("Start a stream first")
        )
        hasBest = self.best.best is not None
        self.bestButton.setEnabled(hasBest)
        self.bestButton.setToolTip(
            _("Keep the best accepted frame of the last seconds in the scene")
            if hasBest
            else _("No frame of the last seconds was accepted")
        )
