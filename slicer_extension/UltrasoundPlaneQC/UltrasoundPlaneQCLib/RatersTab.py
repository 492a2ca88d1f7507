"""The tab *Raters* of a study: ratings by several people, without scores if they wish, and their agreement."""

from __future__ import annotations

import math
from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from .Judgement import ACCEPTED, REJECTED, verdictWord
from .Ratings import Ratings, agreements, exportRatings, ratedTables, ratersOf
from .Sections import stackRows
from .Session import Session
from .StudyTable import PictureTable, Row

KEYS = {"1": "rateAcceptedButton", "2": "rateRejectedButton", "0": "clearRatingButton", "M": "nextUnratedButton"}
MIN_HEIGHT = 110  # pixels


class RatersTab:
    """Controls of the ratings.

    Args:
        session: What is chosen, scored and shown.
        onBlind: Called when scores are hidden or shown.
    """

    def __init__(self, session: Session, onBlind: Callable[[], None]) -> None:
        self.session, self._onBlind = session, onBlind
        self._isFilling = False
        self.widget = qt.QWidget()
        self.raterSelector = qt.QComboBox()
        self.raterSelector.setEditable(True)
        self.raterSelector.setToolTip(_("Name of the person who rates; each has ratings of their own"))
        self.blindCheckBox = qt.QCheckBox(_("Hide scores until a frame is rated"))
        self.blindCheckBox.setToolTip(
            _("Score, overlay and terms come back once this rater has rated the frame; curve and table, which tell of "
              "other frames, once all frames of the cine are rated")
        )  # fmt: skip
        self.rateAcceptedButton = _button(_("Rate accepted"), _("Rate this frame as accepted (1)"))
        self.rateAcceptedButton.setObjectName("rateAcceptedButton")
        self.rateRejectedButton = _button(_("Rate rejected"), _("Rate this frame as rejected (2)"))
        self.rateRejectedButton.setObjectName("rateRejectedButton")
        self.clearRatingButton = _button(_("Clear"), _("Take back the rating of this frame (0)"))
        self.clearRatingButton.setObjectName("clearRatingButton")
        self.nextUnratedButton = _button(_("Next unrated"), _("Show the next frame without a rating (M)"))
        self.nextUnratedButton.setObjectName("nextUnratedButton")
        self.exportButton = _button(_("Export CSV..."), _("Write all ratings, and the agreement beside them"))
        self.stateLabel, self.statusLabel = qt.QLabel(""), qt.QLabel("")
        titles = (_("Rater"), _("Against"), _("Frames"), _("Agreement"), _("Cohen's kappa"))
        self.table = PictureTable(titles, self.widget)
        self.table.widget.setMinimumHeight(MIN_HEIGHT)
        self.table.widget.verticalHeader().setDefaultSectionSize(24)
        for label in (self.stateLabel, self.statusLabel):
            label.setWordWrap(True)
        self._arrange()
        for button, action in (
            (self.rateAcceptedButton, lambda: self.rate(ACCEPTED)),
            (self.rateRejectedButton, lambda: self.rate(REJECTED)),
            (self.clearRatingButton, lambda: self.rate(None)),
            (self.nextUnratedButton, self.onNextUnrated),
            (self.exportButton, self.onExport),
        ):
            button.connect("clicked()", action)
        self.raterSelector.connect("currentTextChanged(QString)", self.onRater)
        self.blindCheckBox.connect("toggled(bool)", self.onBlind)

    def _arrange(self) -> None:
        stackRows(
            self.widget,
            (qt.QLabel(_("Rater:")), self.raterSelector, self.blindCheckBox),
            (self.rateAcceptedButton, self.rateRejectedButton, self.clearRatingButton, self.nextUnratedButton),
            (self.stateLabel,),
            (self.table.widget,),
            (self.exportButton,),
            (self.statusLabel,),
        )

    @property
    def rater(self) -> str:
        """Name of the person who rates."""
        return self.session.parameters.rater

    def show(self) -> None:
        """Show the settings, and offer the raters of the scene."""
        parameters = self.session.parameters
        if self.raterSelector.currentText.strip() != parameters.rater:
            self._isFilling = True
            self.raterSelector.clear()
            self.raterSelector.addItems(sorted({*ratersOf(ratedTables()), parameters.rater}))
            self.raterSelector.setCurrentText(parameters.rater)
            self._isFilling = False
        self.blindCheckBox.setChecked(parameters.isBlind)

    def onRater(self, name: str) -> None:
        """Let another person rate."""
        if not self._isFilling and name.strip() != self.rater:
            self.session.parameters.rater = name.strip()
            self._onBlind()

    def onBlind(self, isOn: bool) -> None:
        """Hide scores until they are rated, or show them."""
        if isOn != self.session.parameters.isBlind:
            self.session.parameters.isBlind = isOn
            self._onBlind()

    def rate(self, rating: str | None) -> None:
        """Keep the rating of the frame shown; ``None`` takes it back."""
        results, shown = self.session.results, self.session.currentFrame()
        if results is not None and shown is not None and self.rater:
            Ratings(results).rate(self.rater, shown.frame, rating)
            self.session.changed()

    def onNextUnrated(self) -> None:
        """Show the next frame without a rating."""
        source, results, shown = self.session.source, self.session.results, self.session.currentFrame()
        if source is not None and results is not None and shown is not None:
            self.session.logic.goTo(source, Ratings(results).nextUnrated(self.rater, shown.frame))

    def onExport(self) -> None:
        """Ask for a file and write all ratings."""
        title, kinds = _("Export the ratings"), _("Tables (*.csv)")
        path = qt.QFileDialog.getSaveFileName(self.exportButton, title, "ratings.csv", kinds)
        if path:
            with slicer.util.tryWithErrorDisplay(_("The ratings were not written.")):
                ratings, agreement = exportRatings(ratedTables(), path)
                said = _("Written: {ratings} and {agreement}")
                self.statusLabel.setText(said.format(ratings=ratings, agreement=agreement.name))

    def enable(self) -> None:
        """Enable what is possible now, and say which rating the frame has."""
        results, shown = self.session.results, self.session.currentFrame()
        canRate = results is not None and shown is not None and bool(self.rater)
        rating = None
        if results is None or shown is None:
            self.stateLabel.setText(_("Score a cine first; its frames are rated then."))
        elif not self.rater:
            self.stateLabel.setText(_("Enter the rater's name."))
        else:
            own = Ratings(results).of(self.rater)
            rating = own.get(shown.frame)
            said = _("not rated") if rating is None else _("rated {rating}").format(rating=verdictWord(rating))
            self.stateLabel.setText(
                _("Frame {frame}: {said}. {done} of {total} frames of this cine rated by {rater}.").format(
                    frame=shown.frame, said=said, done=len(own), total=len(results), rater=self.rater
                )
            )
        self.rateAcceptedButton.setEnabled(canRate)
        self.rateRejectedButton.setEnabled(canRate)
        self.nextUnratedButton.setEnabled(canRate)
        self.clearRatingButton.setEnabled(rating is not None)

    def refresh(self) -> None:
        """Show the agreement of all raters."""
        tables = ratedTables()
        self.exportButton.setEnabled(bool(ratersOf(tables)))
        if self.session.parameters.isBlind:
            self.table.show([])
            return
        self.table.show(
            [_row(one, other, found.items, found.observed, found.kappa) for one, other, found in agreements(tables)]
        )


def _row(one: str, other: str, items: int, observed: float, kappa: float) -> Row:
    share = "" if math.isnan(observed) else f"{100 * observed:.0f} %"
    number = _("undefined") if math.isnan(kappa) else f"{kappa:.2f}"
    return Row(f"{one} {other}", (one, other, str(items), share, number))


def _button(text: str, tip: str) -> qt.QPushButton:
    button = qt.QPushButton(text)
    button.setToolTip(tip)
    return button
