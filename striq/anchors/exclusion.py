"""Lists of anchors that a user wants to leave out of a model."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from striq.anchors.provenance import ANCHOR, NEGATIVE
from striq.data.datasets.table import Row, column_name, read_rows
from striq.errors import DatasetError
from striq.types import AnchorSource

PLACE_COLUMNS = {"plane", "number"}
SOURCE_COLUMNS = ("path", "source", "file")
# "A4C 3", "A4C,3", and A4C_03.png as thumbnails are called; "A4C 3 negative", and A4C_03_negative.png
PLACE = re.compile(r"(.+?)[\s,_]+(\d+)(?:[\s,_]+(negative))?(?:\.png)?")
KINDS = (ANCHOR, NEGATIVE)
REMEDY = "Each row or line names an anchor: its plane and number, or its path, as 'striq anchors' lists them."


@dataclass(frozen=True)
class Exclusions:
    """Numbers of the anchors to leave out, by plane.

    Attributes:
        anchors: Of the anchors.
        negatives: Of the negative anchors.
    """

    anchors: dict[str, list[int]]
    negatives: dict[str, list[int]]


def read_exclusions(
    path: Path,
    anchors: Mapping[str, Sequence[AnchorSource]],
    negatives: Mapping[str, Sequence[AnchorSource]] | None = None,
) -> Exclusions:
    """Return the numbers of the anchors and negative anchors to leave out.

    Convention:
        - A CSV has a header and the columns ``plane`` and ``number``, or ``path`` (or ``source``, ``file``) with or
          without ``frame``; the list that ``striq anchors`` writes is one. The column ``kind`` may say ``anchor`` or
          ``negative``.
        - Any other text has one anchor per line: plane and number, with ``negative`` behind them for a negative anchor,
          or a path. Text behind ``#`` is ignored.
        - Without a kind, plane and number name an anchor, and a path alone names anchors of both kinds.
        - Numbers count from 0 in each plane. A path is that of the list, a hash; its last parts will do. All anchors
          that come from the file are left out. A mirror image is left out together with its anchor.

    Args:
        path: File to read.
        anchors: Anchors of each plane of the model.
        negatives: Negative anchors of each plane.

    Raises:
        DatasetError: If the file cannot be read, names no anchor, or a row does not name an anchor of the model.
    """
    finder, found = _Finder({ANCHOR: anchors, NEGATIVE: negatives or {}}), set[_Place]()
    for request in _csv_requests(path) if _is_csv(path) else _text_requests(path, anchors):
        found |= finder.find(request)
    if not found:
        msg = f"{path}: names no anchor. {REMEDY}"
        raise DatasetError(msg)
    return Exclusions(_numbers_of(ANCHOR, found), _numbers_of(NEGATIVE, found))


class _Place(NamedTuple):
    """Place of an anchor in a model."""

    kind: str
    plane: str
    number: int


def _numbers_of(kind: str, found: set[_Place]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for place in sorted(found):
        if place.kind == kind:
            numbers.setdefault(place.plane, []).append(place.number)
    return numbers


@dataclass(frozen=True)
class _Request:
    """What a row or line says about an anchor to leave out."""

    where: str
    plane: str = ""
    number: int | None = None
    file: str = ""
    frame: int | None = None
    kind: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of anchors that are meant."""
        if self.kind:
            return (self.kind,)
        return KINDS if self.number is None else (ANCHOR,)

    @property
    def words(self) -> str:
        """What is wanted, in the user's words."""
        return " ".join(str(part) for part in (self.plane, self.number, self.file) if part not in ("", None))


class _Finder:
    """Finds the anchors that requests name."""

    def __init__(self, anchors: Mapping[str, Mapping[str, Sequence[AnchorSource]]]) -> None:
        self.anchors = anchors
        self.places = [
            _Place(kind, plane, number)
            for kind, planes in anchors.items()
            for plane, sources in planes.items()
            for number in range(len(sources))
        ]

    def find(self, request: _Request) -> set[_Place]:
        """Return the places of the anchors that a request names.

        Raises:
            DatasetError: If there is none, or several files fit.
        """
        named = {place for place in self.places if self._fits(request, place)}
        if not named:
            kind = "negative anchor" if request.kind == NEGATIVE else "anchor"
            counts = self._counts(request.kind or ANCHOR)
            msg = f"{request.where}: the model has no {kind} {request.words!r}; it has {counts}. {REMEDY}"
            raise DatasetError(msg)
        files = sorted({self._source(place).path for place in named})
        if len(files) > 1:
            msg = f"{request.where}: {request.file!r} could be {files[0]} or {files[1]}. Give more of the path."
            raise DatasetError(msg)
        return {place for place in self.places if any(self._same_frame(place, other) for other in named)}

    def _counts(self, kind: str) -> str:
        planes = self.anchors[kind].items()
        return ", ".join(f"{plane} 0 to {len(sources) - 1}" for plane, sources in planes if sources) or "none"

    def _fits(self, request: _Request, place: _Place) -> bool:
        source = self._source(place)
        return (
            place.kind in request.kinds
            and request.plane in ("", place.plane)
            and request.number in (None, place.number)
            and request.frame in (None, source.frame_index)
            and (not request.file or _ends_alike(request.file, source.path))
        )

    def _same_frame(self, one: _Place, other: _Place) -> bool:
        same_bank = (one.kind, one.plane) == (other.kind, other.plane)
        return same_bank and self._source(one).frame == self._source(other).frame

    def _source(self, place: _Place) -> AnchorSource:
        return self.anchors[place.kind][place.plane][place.number]


def _is_csv(path: Path) -> bool:
    header = {column_name(cell) for cell in next(csv.reader(_lines(path)), [])}
    return header >= PLACE_COLUMNS or bool(header & set(SOURCE_COLUMNS))


def _csv_requests(path: Path) -> list[_Request]:
    return [_csv_request(row) for row in read_rows(path)]


def _csv_request(row: Row) -> _Request:
    cells = row.cells
    file = next((cells[name] for name in SOURCE_COLUMNS if cells.get(name)), "")
    number, frame = (row.count(name) if cells.get(name) else None for name in ("number", "frame"))
    plane, kind = cells.get("plane", ""), cells.get("kind", "").lower()
    if kind not in ("", *KINDS):
        msg = f"{row.where}: column 'kind' must be {', '.join(KINDS)} or empty, got {kind!r}. Correct the cell."
        raise DatasetError(msg)
    if not file and (number is None or not plane):
        msg = f"{row.where}: names no anchor. {REMEDY}"
        raise DatasetError(msg)
    return _Request(row.where, plane, number, file, frame, kind)


def _text_requests(path: Path, planes: Mapping[str, object]) -> list[_Request]:
    requests: list[_Request] = []
    for number, line in enumerate(_lines(path), start=1):
        where, text = f"{path}, line {number}", line.split("#")[0].strip()
        place = PLACE.fullmatch(text)
        if place is not None and place[1] in planes:
            requests.append(_Request(where, place[1], int(place[2]), kind=place[3] or ANCHOR))
        elif text:
            requests.append(_Request(where, file=text))
    return requests


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as text ({error}). {REMEDY}"
        raise DatasetError(msg) from error


def _ends_alike(one: str, other: str) -> bool:
    """Return whether the shorter of two paths is the end of the longer."""
    parts = [[part for part in path.replace("\\", "/").split("/") if part not in ("", ".")] for path in (one, other)]
    shorter = min(map(len, parts))
    return parts[0][-shorter:] == parts[1][-shorter:]
