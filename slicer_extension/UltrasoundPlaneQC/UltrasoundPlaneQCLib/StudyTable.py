"""The table of a study's cines: picture, best frame, share of accepted frames, state."""

from __future__ import annotations

import math
from dataclasses import dataclass

import qt
from slicer.i18n import tr as _

from .CineSummary import CineSummary
from .Results import Results
from .Study import DONE, FAILED, SCORING, WAITING, Cine
from .Thumbnails import SIDE, thumbnailOf

ROW_HEIGHT, MIN_HEIGHT = 46, 262  # pixels


@dataclass(frozen=True)
class Row:
    """What one row shows.

    Attributes:
        key: Key of the cine.
        texts: One text per column.
        tip: Tooltip.
        picture: PNG, or empty.
    """

    key: str
    texts: tuple[str, ...]
    tip: str = ""
    picture: bytes = b""


class PictureTable:
    """A table whose first column has pictures; only rows that have changed are drawn anew.

    Args:
        titles: Headers of the columns.
        parent: Widget that the table lies in.
        wide: Numbers of the columns that share the width that is left.
    """

    def __init__(self, titles: tuple[str, ...], parent: qt.QWidget | None = None, wide: tuple[int, ...] = (0,)) -> None:
        self.widget = qt.QTableWidget(0, len(titles), parent)
        self.rows: list[Row] = []
        self._items: list[list[qt.QTableWidgetItem]] = []  # the table does not own them in Python
        self._icons: dict[bytes, qt.QIcon] = {}
        self.widget.setHorizontalHeaderLabels(list(titles))
        self.widget.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        self.widget.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        self.widget.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        self.widget.setIconSize(qt.QSize(SIDE, ROW_HEIGHT - 4))
        self.widget.setMinimumHeight(MIN_HEIGHT)
        self.widget.setWordWrap(False)
        self.widget.verticalHeader().setVisible(False)
        self.widget.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.widget.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        for column in wide:
            header.setSectionResizeMode(column, qt.QHeaderView.Stretch)
        header.setResizeContentsPrecision(20)  # rows that decide on the width of a column

    def show(self, rows: list[Row]) -> None:
        """Show rows."""
        self.widget.setRowCount(len(rows))
        del self._items[len(rows) :], self.rows[len(rows) :]
        for number, row in enumerate(rows):
            if number >= len(self.rows):
                self._items.append([qt.QTableWidgetItem("") for _text in row.texts])
                self.rows.append(Row("", ()))
                for column, item in enumerate(self._items[number]):
                    self.widget.setItem(number, column, item)
            self.showRow(number, row)

    def showRow(self, number: int, row: Row) -> None:
        """Show one row, unless it is shown already."""
        if self.rows[number] == row:
            return
        pictureIsNew = self.rows[number].picture != row.picture
        self.rows[number] = row
        for item, text in zip(self._items[number], row.texts, strict=True):
            item.setText(text)
            item.setToolTip(row.tip)
        if pictureIsNew:
            self._items[number][0].setIcon(self._icon(row.picture))

    def _icon(self, picture: bytes) -> qt.QIcon:
        if picture not in self._icons:
            pixmap = qt.QPixmap()
            if picture:
                pixmap.loadFromData(qt.QByteArray(picture), "PNG")
            self._icons[picture] = qt.QIcon(pixmap)
        return self._icons[picture]

    def select(self, key: str | None) -> None:
        """Mark the row of a cine; ``None`` marks no row."""
        numbers = [number for number, row in enumerate(self.rows) if row.key == key]
        if numbers:
            self.widget.selectRow(numbers[0])
        else:
            self.widget.clearSelection()


def cineTitles() -> tuple[str, ...]:
    """Return the headers of the table of cines."""
    return (_("Cine"), _("Best frame"), _("Q"), _("Accepted"), _("State"))


def cineRow(cine: Cine, results: Results | None, *, isBlind: bool) -> Row:
    """Return the row of a cine.

    Args:
        cine: The cine.
        results: Its scores; ``None`` if there are none.
        isBlind: Whether scores, and the picture of the best frame, are hidden.
    """
    state = stateWord(cine.state)
    tip = cine.message or cine.path or cine.name
    if results is None or isBlind:
        return Row(cine.key, (cine.name, "", "", "", state), tip)
    short = CineSummary.of(results)
    best = "" if short.bestFrame is None else str(short.bestFrame)
    quality = "" if math.isnan(short.bestQuality) else f"{short.bestQuality:.2f}"
    share = f"{short.accepted} / {short.frames}  ({100 * short.acceptedShare:.0f} %)"
    return Row(cine.key, (cine.name, best, quality, share, state), tip, thumbnailOf(results))


def stateWord(state: str) -> str:
    """Return a state in the language of the application."""
    return {WAITING: _("waiting"), SCORING: _("scoring"), DONE: _("done"), FAILED: _("failed")}.get(state, state)
