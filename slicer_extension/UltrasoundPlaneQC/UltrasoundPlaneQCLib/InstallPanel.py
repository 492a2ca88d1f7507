"""The tab *Installation*: what scoring needs, how much it is, and one button that installs it."""

from __future__ import annotations

from pathlib import Path

import qt
from slicer.i18n import tr as _

from .Dependencies import DependencyError, ensureTorch, isInstalled
from .Installation import INSTALLING, READY, Installation, requirements
from .Sections import MoreSection, rowOf, statusText
from .Session import Session

REQUIREMENTS = Path(__file__).parents[1] / "Resources" / "requirements.txt"
PACKAGES = ("striq", "torch")


class InstallPanel:
    """Controls of the installation.

    Args:
        more: Section of the tabs.
        session: What is scored meanwhile.
        timer: Calls the panel's :meth:`advance` regularly while it runs.
    """

    def __init__(self, more: MoreSection, session: Session, timer: qt.QTimer) -> None:
        self.session, self.timer, self.work = session, timer, Installation()
        self._isComplete = False
        self._makeControls(more)
        session.listen(self.onChange)
        self.refresh()
        if not self._isComplete:
            more.showPage(self.page)

    def _makeControls(self, more: MoreSection) -> None:
        self.page, rows = more.addPage(_("Installation"))
        self.sourceEdit = qt.QLineEdit()
        self.sourceEdit.setObjectName("installSourceEdit")
        self.sourceEdit.setToolTip(
            _("Empty: package index or checkout. Or a folder of wheels (needs no network), or the address of a wheel")
        )
        self.folderButton = qt.QPushButton(_("Folder"))
        self.folderButton.setObjectName("installFolderButton")
        self.folderButton.setToolTip(_("Choose a folder of wheels, for a computer without a network"))
        self.planLabel = statusText("installPlanLabel")
        self.installButton = qt.QPushButton("")
        self.installButton.setObjectName("installButton")
        self.cancelButton = qt.QPushButton(_("Cancel"))
        self.cancelButton.setObjectName("cancelInstallButton")
        self.cancelButton.setToolTip(_("Stop, and install nothing"))
        self.progressBar = qt.QProgressBar()
        self.progressBar.setRange(0, 100)
        self.statusLabel = statusText("installStatusLabel")
        rows.addRow(_("From:"), rowOf(self.sourceEdit, self.folderButton))
        rows.addRow(self.planLabel)
        rows.addRow(rowOf(self.installButton, self.cancelButton))
        rows.addRow(self.progressBar)
        rows.addRow(self.statusLabel)
        self.folderButton.connect("clicked()", self.onFolder)
        self.installButton.connect("clicked()", self.onInstall)
        self.cancelButton.connect("clicked()", self.onCancel)

    def onFolder(self) -> None:
        """Ask for a folder of wheels."""
        folder = qt.QFileDialog.getExistingDirectory(self.folderButton, _("Folder of wheels"), "")
        if folder:
            self.sourceEdit.setText(folder)

    def onInstall(self) -> None:
        """Find out what is missing; when that is shown, install it."""
        try:
            if self.work.state == READY and self.work.parts:
                self.work.install()
            else:
                self._check()
        except (DependencyError, OSError) as error:
            self.statusLabel.setText(str(error))
            return
        self.timer.start()
        self.refresh()

    def _check(self) -> None:
        source = self.sourceEdit.text.strip()
        wanted = requirements(REQUIREMENTS, source)
        if "--no-index" not in wanted and not isInstalled("torch"):
            ensureTorch()  # in the build that fits the computer; asks first
        self.work.check(wanted)

    def onCancel(self) -> None:
        """Stop, or go back to the beginning."""
        self.work.stop()
        self.refresh()

    def advance(self) -> bool:
        """Show what has happened; return whether it goes on."""
        if not self.work.isBusy:
            return False
        isBusy = self.work.advance()
        self.refresh()
        return isBusy

    def show(self) -> None:
        """Show what is installed."""
        self.refresh()

    def close(self) -> None:
        """Stop."""
        self.work.stop()

    @property
    def _isListed(self) -> bool:
        return self.work.state == READY and bool(self.work.parts)

    def refresh(self) -> None:
        """Say what the button does now."""
        work = self.work
        isReady = work.state == READY
        missing = [name for name in PACKAGES if not isInstalled(name)]
        self._isComplete = not missing
        self.planLabel.setText(work.describe() if isReady or work.state == INSTALLING else _installedNow(missing))
        if self._isListed:
            self.installButton.setText(_("Install {count} packages").format(count=len(work.parts)))
        else:
            self.installButton.setText(_("What is missing?"))
        self.enable()
        self.cancelButton.setEnabled(work.isBusy or isReady)
        self.progressBar.setValue(round(100 * work.share()))
        self.statusLabel.setText("" if isReady else work.message)

    def onChange(self) -> None:
        """Update after a change of the session; packages are searched for only while some are missing."""
        if self._isComplete:
            self.enable()
        else:
            self.refresh()

    def enable(self) -> None:
        """Enable the button while nothing is scored."""
        isScoring = self.session.isBusy
        if self._isListed:
            tip = _("Install what is listed above")
        else:
            tip = _("List what would be installed, and how much it is; nothing is installed yet")
        self.installButton.setEnabled(not self.work.isBusy and not isScoring)
        self.installButton.setToolTip(_("Frames are being scored") if isScoring else tip)


def _installedNow(missing: list[str]) -> str:
    return (
        _("Missing: {names}").format(names=", ".join(missing)) if missing else _("Everything for scoring is installed.")
    )
