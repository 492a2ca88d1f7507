"""The tab *DICOM*: choose key frames, save report and key frames to a folder or into the DICOM database."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from .DicomExport import DicomError, DicomExport
from .FrameSource import SourceError
from .KeyFrames import KEY_FRAMES, keyFrames, keyFramesOrBest, toggleKeyFrame
from .Sections import MoreSection, rowOf, statusText
from .Session import Session
from .WorkerClient import WorkerError


class DicomPanel:
    """Controls of results as DICOM.

    Args:
        more: Section of the tabs.
        session: What is chosen and scored.
        timer: Calls the panel's :meth:`advance` regularly while it runs.
    """

    def __init__(self, more: MoreSection, session: Session, timer: qt.QTimer) -> None:
        self.session, self.timer, self.export = session, timer, DicomExport()
        self._makeControls(more)
        session.listen(self.refresh)

    def _makeControls(self, more: MoreSection) -> None:
        self.page, rows = more.addPage(_("DICOM"))
        self.markButton = qt.QPushButton(_("Key frame"))
        self.markButton.setObjectName("keyFrameButton")
        self.markButton.setCheckable(True)
        self.clearButton = qt.QPushButton(_("Clear"))
        self.clearButton.setObjectName("clearKeyFramesButton")
        self.clearButton.setToolTip(_("Choose no key frame"))
        self.keyLabel = statusText("keyFramesLabel")
        self.patientEdit = qt.QLineEdit()
        self.patientEdit.setObjectName("patientIdEdit")
        self.patientEdit.setToolTip(
            _("Identifier of the patient for pictures that are not from DICOM; of a DICOM cine, its own header counts")
        )
        self.folderButton = qt.QPushButton(_("Save to folder"))
        self.folderButton.setObjectName("saveDicomButton")
        self.databaseButton = qt.QPushButton(_("Save to DICOM database"))
        self.databaseButton.setObjectName("importDicomButton")
        self.statusLabel = statusText("dicomStatusLabel")
        rows.addRow(rowOf(self.markButton, self.clearButton))
        rows.addRow(self.keyLabel)
        rows.addRow(_("Patient ID:"), self.patientEdit)
        rows.addRow(rowOf(self.folderButton, self.databaseButton))
        rows.addRow(self.statusLabel)
        self.markButton.connect("clicked()", self.onMark)
        self.clearButton.connect("clicked()", self.onClear)
        self.folderButton.connect("clicked()", self.onFolder)
        self.databaseButton.connect("clicked()", self.onDatabase)

    def onMark(self) -> None:
        """Choose the frame shown as a key frame, or no longer choose it."""
        results, shown = self.session.results, self.session.currentFrame()
        if results is not None and shown is not None:
            toggleKeyFrame(results, shown.frame)
        self.refresh()

    def onClear(self) -> None:
        """Choose no key frame."""
        results = self.session.results
        if results is not None:
            results.node.SetAttribute(KEY_FRAMES, "[]")
        self.refresh()

    def onFolder(self) -> None:
        """Ask for a folder and write into it."""
        folder = qt.QFileDialog.getExistingDirectory(self.folderButton, _("Folder for the DICOM files"), "")
        if folder:
            self.write(Path(folder))

    def onDatabase(self) -> None:
        """Write into Slicer's DICOM database."""
        self.write(None)

    def write(self, folder: Path | None) -> None:
        """Start to write."""
        source, results = self.session.source, self.session.results
        if source is None or results is None:
            return
        try:
            self.session.logic.ensureDependencies()
            patient = self.patientEdit.text.strip()
            self.export.start(source, results, keyFramesOrBest(results), folder, patient)
        except (DicomError, SourceError, WorkerError, OSError, RuntimeError) as error:
            self._fail(error)
            return
        self.statusLabel.setText(_("Writing"))
        self.timer.start()
        self.refresh()

    def advance(self) -> bool:
        """Show the end of writing; return whether it goes on."""
        try:
            written = self.export.poll()
        except (DicomError, WorkerError, OSError) as error:
            self._fail(error)
            return False
        if written is not None:
            names = ", ".join(path.name for path in written.files)
            text = _("In the DICOM database: {names}") if written.wasImported else _("Written to {folder}: {names}")
            self.statusLabel.setText(text.format(names=names, folder=written.folder))
            self.refresh()
        return self.export.isBusy

    def _fail(self, error: Exception) -> None:
        self.export.close()
        self.statusLabel.setText(str(error))
        self.refresh()
        slicer.util.errorDisplay(str(error))

    def show(self) -> None:
        """Show the settings."""
        self.refresh()

    def close(self) -> None:
        """Stop writing."""
        self.export.close()
        self.statusLabel.setText("")

    def refresh(self) -> None:
        """Enable what is possible now, and explain why the rest is not."""
        source, results, shown = self.session.source, self.session.results, self.session.currentFrame()
        chosen = [] if results is None else keyFrames(results)
        isMarked = shown is not None and shown.frame in chosen
        self.markButton.setEnabled(shown is not None)
        self.markButton.setChecked(isMarked)
        self.markButton.setToolTip(
            _("No longer choose the frame shown") if isMarked else _("Choose the frame shown as a key frame")
        )
        self.clearButton.setEnabled(bool(chosen))
        if self.session.hidesScores and not chosen:  # the number of the best frame would tell scores
            self.keyLabel.setText(_("Key frames: none chosen, so the best one"))
        else:
            self.keyLabel.setText(_describe([] if results is None else keyFramesOrBest(results), bool(chosen)))
        isDicom = source is not None and results is not None and source.dicomFile is not None
        self.patientEdit.setEnabled(results is not None and not isDicom)
        what = _("structured report and key objects") if isDicom else _("the key frames as Secondary Capture images")
        canWrite = results is not None and source is not None and self.session.run is None and not self.export.isBusy
        tip = _("Write {what}").format(what=what) if canWrite else _("Score frames first")
        for button in (self.folderButton, self.databaseButton):
            button.setEnabled(canWrite)
            button.setToolTip(tip)


def _describe(frames: list[int], areChosen: bool) -> str:
    if not frames:
        return _("Key frames: none")
    listed = ", ".join(map(str, frames))
    text = _("Key frames: {listed}") if areChosen else _("Key frames: none chosen, so the best one: {listed}")
    return text.format(listed=listed)
