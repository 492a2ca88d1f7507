"""The tab *Cines* of a study: choose cines, score them all, step through them, export."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from .Asking import findFiles
from .CineOpening import openCine
from .DicomSeries import cinesOf, ultrasoundSeries
from .Jobs import ERRORS, Jobs
from .Parameters import scoringOptions
from .Picking import pickItems
from .Scoring import CANCELLED, FAILED
from .Sections import stackRows
from .Session import Session
from .Study import Study
from .StudyExport import exportStudy
from .StudyRun import StudyRun
from .StudyTable import PictureTable, cineRow, cineTitles


class CinesTab:
    """Controls of the cines of a study.

    Args:
        session: What is chosen, scored and shown.
        timer: Calls :meth:`advance` regularly while it runs.
    """

    def __init__(self, session: Session, timer: qt.QTimer) -> None:
        self.session, self.timer = session, timer
        self.jobs = Jobs(session.logic, timer, self._tell)
        self.widget = qt.QWidget()
        self.folderButton = _button(_("Folder..."), _("Add all cines and pictures of a folder and its subfolders"))
        self.browsersButton = _button(_("Browsers..."), _("Add sequence browsers of the scene"))
        self.dicomButton = _button(_("DICOM..."), _("Add ultrasound series of the DICOM database"))
        self.clearButton = _button(_("Clear"), _("Empty the list; cines and scores stay in the scene"))
        self.table = PictureTable(cineTitles(), self.widget)
        self.previousButton = _button(_("Previous cine"), _("Show the cine before this one"))
        self.nextButton = _button(_("Next cine"), _("Show the cine after this one"))
        self.scoreButton = _button(_("Score all"), _("Score every cine that has no scores by this model yet"))
        self.cancelButton = _button(_("Cancel"), _("Stop; cines that are done keep their scores"))
        self.exportButton = _button(_("Export CSV..."), _("Write one table of cines and one of all frames"))
        self.progressBar, self.statusLabel = qt.QProgressBar(), qt.QLabel("")
        self.progressBar.setRange(0, 100)
        self.statusLabel.setWordWrap(True)
        self._arrange()
        for button, action in (
            (self.folderButton, self.onFolder),
            (self.browsersButton, self.onBrowsers),
            (self.dicomButton, self.onDicom),
            (self.clearButton, self.onClear),
            (self.previousButton, lambda: self.step(-1)),
            (self.nextButton, lambda: self.step(1)),
            (self.scoreButton, self.onScore),
            (self.cancelButton, self.onCancel),
            (self.exportButton, self.onExport),
        ):
            button.connect("clicked()", action)
        self.table.widget.connect("cellClicked(int,int)", self.onCell)

    def _arrange(self) -> None:
        stackRows(
            self.widget,
            (self.folderButton, self.browsersButton, self.dicomButton, self.clearButton),
            (self.table.widget,),
            (self.previousButton, self.nextButton),
            (self.scoreButton, self.cancelButton, self.exportButton),
            (self.progressBar,),
            (self.statusLabel,),
        )

    @property
    def run(self) -> StudyRun | None:
        """The run that scores the cines; ``None`` if there is none."""
        return self.session.batch

    # Choice of cines

    def onFolder(self) -> None:
        """Ask for a folder and add the files in it."""
        path = qt.QFileDialog.getExistingDirectory(self.widget, _("Folder of a study"), "")
        if path:
            self.addFolder(path)

    def addFolder(self, path: str) -> None:
        """Search a folder and add the files in it."""

        def add(files: list[str]) -> None:
            Study.open().addFiles(files, path)
            said = _("{number} files found in {folder}") if files else _("{folder} has no file that can be scored")
            self.statusLabel.setText(said.format(number=len(files), folder=path))
            self.refresh()

        self.statusLabel.setText(_("Searching {folder}").format(folder=path))
        self.jobs.begin(findFiles(self.session.logic.holder, path), add, needsWorker=True)

    def onBrowsers(self) -> None:
        """Ask for browsers of the scene and add them."""
        browsers: list[slicer.vtkMRMLSequenceBrowserNode] = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
        names = [browser.GetName() for browser in browsers]
        picked = pickItems(self.widget, _("Sequence browsers"), names, areTicked=True)
        if picked:
            Study.open().addNodes([browsers[number] for number in picked])
            self.refresh()

    def onDicom(self) -> None:
        """Ask for ultrasound series of the DICOM database and add their files."""
        series = ultrasoundSeries()
        if not series:
            self.statusLabel.setText(_("The DICOM database has no ultrasound series. Import them with Add DICOM Data."))
            return
        labels = [one.label for one in series]
        picked = pickItems(self.widget, _("Ultrasound series"), labels, areTicked=False)
        for number in picked:
            cines = cinesOf(series[number])
            Study.open().addFiles([path for _name, path in cines], names=[name for name, _path in cines])
        self.refresh()

    def onClear(self) -> None:
        """Empty the list."""
        study = self.session.study
        if study is not None:
            study.clear()
        self.statusLabel.setText("")
        self.progressBar.setValue(0)
        self.refresh()

    # Scoring

    def onScore(self) -> None:
        """Start scoring all cines."""
        study = self.session.study
        if study is None or self.session.isBusy:
            return
        try:
            self.session.logic.ensureDependencies()
        except (*ERRORS, RuntimeError) as error:
            self._tell(error)
            return
        options = scoringOptions(self.session.parameters)
        self.session.batch = StudyRun(study, self.session.logic.holder, options)
        self.timer.start()
        self.session.changed()

    def onCancel(self) -> None:
        """End the run."""
        if self.run is not None:
            self.run.cancel()

    def abandon(self) -> None:
        """End all work at once: the scene is about to be closed."""
        self.jobs.drop()
        run, self.session.batch = self.run, None
        if run is not None:
            run.cancel()

    def advance(self) -> bool:
        """Do the next step of all work; return whether there is more."""
        hasJobs, run = self.jobs.advance(), self.run
        if run is None:
            return hasJobs
        before, reached = run.current, run.reached
        run.advance()
        self._showProgress(run)
        if not run.isRunning:
            self.session.batch = None
            self.refresh()
            self.session.replaced()
        elif (before, reached) != (run.current, run.reached):
            for key in {before, run.current}:
                self.refreshRow(key)
        return True

    def _showProgress(self, run: StudyRun) -> None:
        self.progressBar.setValue(round(100 * run.fraction))
        self.statusLabel.setText(_progressText(run))

    # Showing of cines

    def onCell(self, row: int, column: int) -> None:
        """Show the cine of a row."""
        del column
        self.open(self.table.rows[row].key)

    def open(self, key: str, frame: int | None = None) -> None:
        """Show a cine, loaded first if it is a file, and one of its frames."""
        study = self.session.study
        if study is None or key not in study:
            return

        def show(node: slicer.vtkMRMLNode) -> None:
            self.session.parameters.inputNode = node
            source = self.session.source
            if source is not None and frame is not None:
                self.session.logic.goTo(source, frame)
            self.statusLabel.setText("")
            self.table.select(key)

        isHere = study.frames(key) is not None
        if not isHere:
            self.statusLabel.setText(_("Loading {name}").format(name=study[key].name))
            self.jobs.drop()  # a cine that was asked for before is not wanted any more
        self.jobs.begin(openCine(study, key, self.session.logic.holder), show, needsWorker=not isHere)

    def step(self, by: int) -> None:
        """Show the next or the previous cine."""
        study = self.session.study
        keys = [] if study is None else [cine.key for cine in study.cines]
        shown = None if study is None else study.keyOf(self.session.parameters.inputNode)
        if keys:
            at = keys.index(shown) + by if shown in keys else 0
            if 0 <= at < len(keys):
                self.open(keys[at])

    def onExport(self) -> None:
        """Ask for a file and write both tables."""
        study = self.session.study
        if study is None:
            return
        title, kinds = _("Export the study"), _("Tables (*.csv)")
        path = qt.QFileDialog.getSaveFileName(self.exportButton, title, "study.csv", kinds)
        if path:
            with slicer.util.tryWithErrorDisplay(_("The study was not written.")):
                cines, frames = exportStudy(study, path)
                self.statusLabel.setText(_("Written: {cines} and {frames}").format(cines=cines, frames=frames.name))

    def _tell(self, error: Exception) -> None:
        self.statusLabel.setText(str(error))
        slicer.util.errorDisplay(str(error))

    # Display

    def refresh(self) -> None:
        """Show all cines."""
        study = self.session.study
        scores = {} if study is None else study.allResults()
        cines = [] if study is None else study.cines
        isBlind = self.session.parameters.isBlind
        self.table.show([cineRow(cine, scores.get(cine.key), isBlind=isBlind) for cine in cines])
        self.table.select(None if study is None else study.keyOf(self.session.parameters.inputNode))
        self.enable()

    def refreshRow(self, key: str | None) -> None:
        """Show one cine anew."""
        study = self.session.study
        numbers = [number for number, row in enumerate(self.table.rows) if row.key == key]
        if study is not None and key is not None and key in study and numbers:
            row = cineRow(study[key], study.results(key), isBlind=self.session.parameters.isBlind)
            self.table.showRow(numbers[0], row)

    def enable(self) -> None:
        """Enable what is possible now."""
        hasCines = bool(self.table.rows)
        isBusy, isRunning = self.session.isBusy, self.run is not None
        for button in (self.previousButton, self.nextButton, self.exportButton):
            button.setEnabled(hasCines)
        self.scoreButton.setEnabled(hasCines and not isBusy)
        self.cancelButton.setEnabled(isRunning)
        self.clearButton.setEnabled(hasCines and not isRunning)
        for button in (self.folderButton, self.browsersButton, self.dicomButton):
            button.setEnabled(not isRunning)


def _button(text: str, tip: str) -> qt.QPushButton:
    button = qt.QPushButton(text)
    button.setToolTip(tip)
    return button


def _progressText(run: StudyRun) -> str:
    if run.isRunning:
        name = run.study[run.current].name if run.current is not None and run.current in run.study else ""
        seconds = run.secondsLeft()
        left = "" if seconds is None else _(", {seconds:.0f} s left").format(seconds=seconds)
        at = min(run.reached + 1, len(run.keys))
        return _("Cine {at} of {total}: {name}{left}").format(at=at, total=len(run.keys), name=name, left=left)
    counts = _("{scored} scored, {skipped} had scores, {failed} failed").format(
        scored=run.scored, skipped=run.skipped, failed=run.failed
    )
    if run.state == FAILED:
        return f"{run.message}\n{counts}"
    return f"{counts}. {run.message or _('Cancelled')}" if run.state == CANCELLED else counts
