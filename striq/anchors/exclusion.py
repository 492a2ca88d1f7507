"""Lists of anchors that a user wants to leave out of a model."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from striq.data.datasets.table import Row, column_name, read_rows
from striq.errors import DatasetError
from striq.types import AnchorSource

PLACE_COLUMNS = {"plane", "number"}
SOURCE_COLUMNS = ("path", "source", "file")
PLACE = re.compile(r"(.+?)[\s,_]+(\d+)(?:\.png)?")  # "A4C 3", "A4C,3", and A4C_03.png as thumbnails are called
REMEDY = "Each row or line names an anchor: its plane and number, or its path, as 'striq anchors' lists them."


def read_exclusions(path: Path, anchors: Mapping[str, Sequence[AnchorSource]]) -> dict[str, list[int]]:
    """Return the numbers of the anchors to leave out, by plane.

    Convention:
        - A CSV has a header and the columns ``plane`` and ``number``, or ``path`` (or ``source``, ``file``) with or
          without ``frame``; the list that ``striq anchors`` writes is one.
        - Any other text has one anchor per line: plane and number, or a path. Text behind ``#`` is ignored.
        - Numbers count from 0 in each plane. A path is that of the list, a hash; its last parts will do. All anchors
          that come from the file are left out. A mirror image is left out together with its anchor.

    Args:
        path: File to read.
        anchors: Anchors of each plane of the model.

    Raises:
        DatasetError: If the file cannot be read, names no anchor, or a row does not name an anchor of the model.
    """
    finder, found = _Finder(anchors), set[tuple[str, int]]()
    for request in _csv_requests(path) if _is_csv(path) else _text_requests(path, anchors):
        found |= finder.find(request)
    if not found:
        msg = f"{path}: names no anchor. {REMEDY}"
        raise DatasetError(msg)
    return {plane: sorted(number for of, number in found if of == plane) for plane in dict(sorted(found))}


@dataclass(frozen=True)
class _Request:
    """What a row or line says about an anchor to leave out."""

    where: str
    plane: str = ""
    number: int | None = None
    file: str = ""
    frame: int | None = None


class _Finder:
    """Finds the anchors that requests name."""

    def __init__(self, anchors: Mapping[str, Sequence[AnchorSource]]) -> None:
        self.anchors = anchors
        self.places = [(plane, number) for plane, sources in anchors.items() for number in range(len(sources))]

    def find(self, request: _Request) -> set[tuple[str, int]]:
        """Return plane and number of the anchors that a request names.

        Raises:
            DatasetError: If there is none, or several files fit.
        """
        named = {place for place in self.places if self._fits(request, place)}
        if not named:
            wanted = " ".join(
                str(part) for part in (request.plane, request.number, request.file) if part not in ("", None)
            )
            counts = ", ".join(f"{plane} 0 to {len(sources) - 1}" for plane, sources in self.anchors.items() if sources)
            msg = f"{request.where}: the model has no anchor {wanted!r}; it has {counts}. {REMEDY}"
            raise DatasetError(msg)
        files = sorted({self._source(place).path for place in named})
        if len(files) > 1:
            msg = f"{request.where}: {request.file!r} could be {files[0]} or {files[1]}. Give more of the path."
            raise DatasetError(msg)
        return {place for place in self.places if any(self._same_frame(place, other) for other in named)}

    def _fits(self, request: _Request, place: tuple[str, int]) -> bool:
        source = self._source(place)
        return (
            request.plane in ("", place[0])
            and request.number in (None, place[1])
            and request.frame in (None, source.frame_index)
            and (not request.file or _ends_alike(request.file, source.path))
        )

    def _same_frame(self, one: tuple[str, int], other: tuple[str, int]) -> bool:
        a, b = self._source(one), self._source(other)
        return one[0] == other[0] and (a.path, a.group, a.frame_index) == (b.path, b.group, b.frame_index)

    def _source(self, place: tuple[str, int]) -> AnchorSource:
        return self.anchors[place[0]][place[1]]


def _is_csv(path: Path) -> bool:
    header = {column_name(cell) for cell in next(csv.reader(_lines(path)), [])}
    return header >= PLACE_COLUMNS or bool(header & set(SOURCE_COLUMNS))


def _csv_requests(path: Path) -> list[_Request]:
    return [_csv_request(row) for row in read_rows(path)]


def _csv_request(row: Row) -> _Request:
    cells = row.cells
    file = next((cells[name] for name in SOURCE_COLUMNS if cells.get(name)), "")
    number, frame = (row.count(name) if cells.get(name) else None for name in ("number", "frame"))
    plane = cells.get("plane", "")
    if not file and (number is None or not plane):
        msg = f"{row.where}: names no anchor. {REMEDY}"
        raise DatasetError(msg)
    return _Request(row.where, plane, number, file, frame)


def _text_requests(path: Path, planes: Mapping[str, object]) -> list[_Request]:
    requests: list[_Request] = []
    for number, line in enumerate(_lines(path), start=1):
        where, text = f"{path}, line {number}", line.split("#")[0].strip()
        place = PLACE.fullmatch(text)
        if place is not None and place[1] in planes:
            requests.append(_Request(where, place[1], int(place[2])))
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
