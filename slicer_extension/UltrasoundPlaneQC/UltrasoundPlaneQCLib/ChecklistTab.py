"""The tab *Checklist* of a study: the planes that an examination must have, and what is missing."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from .Checklist import (
    MISSING,
    NOT_ACCEPTED,
    NOT_ASSESSED,
    PRESENT,
    Checklist,
    RequiredPlane,
    checklistOf,
    checkStudy,
    exampleChecklists,
    exportChecklist,
    keepChecklist,
    readChecklists,
)
from .Results import Results
from .Sections import stackRows
from .Session import Session
from .Study import Study
from .StudyTable import PictureTable, Row
from .Thumbnails import frameOfThumbnail, thumbnailOf, thumbnailPng


class ChecklistTab:
    """Controls of the checklist.

    Args:
        session: What is chosen, scored and shown.
        openFrame: Shows a frame of a cine, by the key of the cine.
    """

    def __init__(self, session: Session, openFrame: Callable[[str, int], None]) -> None:
        self.session, self._openFrame = session, openFrame
        self._offered: list[Checklist] = []
        self._found: list[RequiredPlane] = []
        self._isFilling = False
        self.widget = qt.QWidget()
        self.selector = qt.QComboBox()
        self.selector.setToolTip(
            _("Examination type; those of striq are examples, to be checked against your guideline")
        )
        self.openButton = qt.QPushButton(_("Open..."))
        self.openButton.setToolTip(_("Take the examination types of a policy file (TOML)"))
        self.exportButton = qt.QPushButton(_("Export CSV..."))
        self.exportButton.setToolTip(_("Write one row per required plane"))
        titles = (_("Plane"), _("Cine"), _("Frame"), _("Q"), _("State"))
        self.table = PictureTable(titles, self.widget, wide=(0, 1))
        self.statusLabel = qt.QLabel("")
        self.statusLabel.setWordWrap(True)
        buttons = (self.selector, self.openButton, self.exportButton)
        stackRows(self.widget, buttons, (self.table.widget,), (self.statusLabel,))
        self.selector.connect("currentIndexChanged(int)", self.onChoice)
        self.openButton.connect("clicked()", self.onOpen)
        self.exportButton.connect("clicked()", self.onExport)
        self.table.widget.connect("cellClicked(int,int)", self.onCell)

    def show(self) -> None:
        """Offer the checklists, and choose that of the study."""
        study = self.session.study
        chosen = None if study is None else checklistOf(study)
        if not self._offered:
            self._offered = exampleChecklists()
        if chosen is not None and chosen not in self._offered:
            self._offered.append(chosen)
        self._isFilling = True
        self.selector.clear()
        self.selector.addItems([_("No checklist"), *(one.name for one in self._offered)])
        self.selector.setCurrentIndex(0 if chosen is None else 1 + self._offered.index(chosen))
        self._isFilling = False
        self.refresh()

    def onChoice(self, index: int) -> None:
        """Take another checklist."""
        if not self._isFilling:
            keepChecklist(Study.open(), self._offered[index - 1] if index > 0 else None)
            self.refresh()
            self.session.changed()  # the policy of another checklist judges the frames

    def onOpen(self) -> None:
        """Ask for a policy file and take its first examination type."""
        title, kinds = _("Policy file"), _("Policies (*.toml)")
        path = qt.QFileDialog.getOpenFileName(self.openButton, title, "", kinds)
        if not path:
            return
        try:
            read = readChecklists(path)
        except ImportError:
            self.statusLabel.setText(_("striq is not installed. Score a cine first; it is installed then."))
            return
        except (OSError, ValueError) as error:
            slicer.util.errorDisplay(str(error))
            return
        if not read:
            self.statusLabel.setText(_("{path} names no examination type.").format(path=path))
            return
        self._offered += [one for one in read if one not in self._offered]
        keepChecklist(Study.open(), read[0])
        self.show()
        self.session.changed()

    def onExport(self) -> None:
        """Ask for a file and write the checklist."""
        study = self.session.study
        checklist = None if study is None else checklistOf(study)
        if study is None or checklist is None:
            return
        title, kinds = _("Export the checklist"), _("Tables (*.csv)")
        path = qt.QFileDialog.getSaveFileName(self.exportButton, title, "checklist.csv", kinds)
        if path:
            with slicer.util.tryWithErrorDisplay(_("The checklist was not written.")):
                exportChecklist(study, checklist, path)
                self.statusLabel.setText(_("Written: {path}").format(path=path))

    def onCell(self, row: int, column: int) -> None:
        """Show the best frame of a plane."""
        del column
        best = self._found[row].best
        if best is not None and not self.session.parameters.isBlind:
            self._openFrame(best.key, best.frame)

    def refresh(self) -> None:
        """Check the study anew."""
        study = self.session.study
        checklist = None if study is None else checklistOf(study)
        self.exportButton.setEnabled(checklist is not None)
        self._found = []
        if study is None or checklist is None:
            self.table.show([])
            self.statusLabel.setText(_("Choose the type of the examination."))
            return
        if self.session.parameters.isBlind:
            self.table.show([])
            self.statusLabel.setText(_("Hidden while a rater rates without scores."))
            return
        try:
            self._found = checkStudy(study, checklist)
        except ImportError:
            self.statusLabel.setText(_("striq is not installed. Score a cine first; it is installed then."))
            return
        scores = study.allResults()
        self.table.show([_row(study, scores, found) for found in self._found])
        text = _summary(self._found)
        if any(set(one.thresholds()) - {one.threshold} for one in scores.values()):
            text += "\n" + _("The thresholds of the policy judge the frames.")
        self.statusLabel.setText(text)


def _row(study: Study, scores: dict[str, Results], found: RequiredPlane) -> Row:
    best = found.best
    if best is None:
        return Row(found.plane, (found.plane, "", "", "", _stateWord(found.state)))
    texts = (found.plane, study[best.key].name, str(best.frame), f"{best.quality:.2f}", _stateWord(found.state))
    return Row(found.plane, texts, study[best.key].path, _picture(study, scores[best.key], best.key, best.frame))


def _picture(study: Study, results: Results, key: str, frame: int) -> bytes:
    """Return a small picture of a frame; empty for a frame of a file that is not loaded, but for its best one."""
    if frameOfThumbnail(results) == frame:
        return thumbnailOf(results)
    return b"" if study.frames(key) is None else thumbnailPng(study.source(key).frame(frame))


def _summary(found: list[RequiredPlane]) -> str:
    present = sum(one.state == PRESENT for one in found)
    text = _("{present} of {total} planes have an accepted frame.").format(present=present, total=len(found))
    for state in (MISSING, NOT_ACCEPTED, NOT_ASSESSED):
        planes = [one.plane for one in found if one.state == state]
        if planes:
            text += f"\n{_stateWord(state).capitalize()}: {', '.join(planes)}"
    return text


def _stateWord(state: str) -> str:
    words = {
        PRESENT: _("present"),
        NOT_ACCEPTED: _("not accepted"),
        MISSING: _("missing"),
        NOT_ASSESSED: _("unknown to the model"),
    }
    return words.get(state, state)
