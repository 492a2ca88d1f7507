"""Commands of the scoring process, parsed from lines of JSON and checked.

A line holds one object: ``command``, ``id`` (a number or a string that every answer to it carries) and its fields.

``{"command": "load", "id": 1, "model": null, "device": "auto", "precision": "float32", "engine": "auto"}``
    Load a model, the shipped one if ``model`` is null.
``{"command": "score", "id": 2, "file": "cine.dcm", "plane": "auto", "threshold": null}``
    Score every frame of a file as ``striq score`` does.
``{"command": "score", "id": 3, "frames": "frames.npy", "source": "name", "times_s": null, "spacing_mm": null}``
    Score a NumPy array of pictures as stored, shape ``(N, H, W)`` or ``(N, H, W, C)``. ``original`` and
    ``original_index`` name the file that they were read from, so that they score as the file does.
``{"command": "explain", "id": 4, "frames": "frames.npy", "index": 5, "plane": "auto", "folder": "maps"}``
    Write the residual map of one frame, and the picture of its nearest anchor, into a folder.
``{"command": "find", "id": 6, "folder": "study"}``
    Search a folder and its subfolders for files that STRIQ reads. Needs no model.
``{"command": "read", "id": 7, "file": "cine.dcm", "folder": "pictures", "first": 0, "count": null}``
    Write frames of a file as 8-bit pictures; ``"count": 0`` only tells their number and times. Needs no model.
``{"command": "report", "id": 5, "table": "scores.csv", "original": "cine.dcm", "key_frames": [3], ...}``
    Write a structured report, key frames or pictures of them as DICOM, where the fields of :class:`Report` say.
``{"command": "cancel"}``
    End the running score early.
``{"command": "stop"}``
    End the running score and the process. At the end of the input, the process finishes its commands first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, cast

from striq.errors import unexpected
from striq.scoring.devices import AUTO
from striq.scoring.engine import AUTO_ENGINE

Id = int | str | None
SHOWN_CHARACTERS = 80  # of a line that cannot be parsed


@dataclass(frozen=True, kw_only=True)
class Load:
    """Load a model; the fields are those of :func:`striq.scoring.loading.load_scorer`."""

    id: int | str | None = None
    model: str | None = None
    device: str = AUTO
    precision: str = "float32"
    engine: str = AUTO_ENGINE


@dataclass(frozen=True, kw_only=True)
class CineRequest:
    """A command about the frames of a file, or of a NumPy array of pictures.

    Attributes:
        id: Returned with every answer.
        file: Any file that STRIQ reads.
        frames: A NumPy file of pictures, if there is no ``file``.
        source: Name of the pictures in messages; by default that of the NumPy file.
        original: File that another program read the pictures from.
        original_index: Number of the first picture in that file.
        times_s: Time of each picture.
        spacing_mm: Distance between neighboring rows, then columns, of the pictures.
        plane: Name of the plane, or ``"auto"``.
    """

    id: int | str | None = None
    file: str | None = None
    frames: str | None = None
    source: str | None = None
    original: str | None = None
    original_index: int = 0
    times_s: list[float] | None = None
    spacing_mm: list[float] | None = None
    plane: str = AUTO

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.frames):
            got = f"file={self.file!r} and frames={self.frames!r}"
            msg = f"Expected either 'file' or 'frames', got {got}."
            raise ValueError(msg)
        if self.spacing_mm is not None and len(self.spacing_mm) != 2:
            msg = f"'spacing_mm' must be two numbers (row, column), got {self.spacing_mm}."
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class Score(CineRequest):
    """Score every frame.

    Attributes:
        threshold: Quality that an accepted frame exceeds; the model's own by default.
    """

    threshold: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            msg = f"'threshold' must be from 0 to 1, got {self.threshold}."
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class Explain(CineRequest):
    """Explain the score of one frame.

    Attributes:
        index: Number of the frame, from 0.
        folder: Takes the files of the explanation.
    """

    index: int
    folder: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.index < 0:
            msg = f"'index' must be at least 0, got {self.index}."
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class Find:
    """Search a folder and its subfolders for files that STRIQ reads."""

    id: int | str | None = None
    folder: str


@dataclass(frozen=True, kw_only=True)
class Read:
    """Write frames of a file as 8-bit pictures.

    Attributes:
        id: Returned with every answer.
        file: Any file that STRIQ reads.
        folder: Takes the file of the pictures.
        first: Number of the first frame.
        count: Number of frames; all that follow by default.
        max_side: Longest side of a picture in pixels; larger ones are made smaller.
    """

    id: int | str | None = None
    file: str
    folder: str
    first: int = 0
    count: int | None = None
    max_side: int | None = None

    def __post_init__(self) -> None:
        for name, value, lowest in (("first", self.first, 0), ("count", self.count, 0), ("max_side", self.max_side, 1)):
            if value is not None and value < lowest:
                msg = f"{name!r} must be at least {lowest}, got {value}."
                raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write results that a program keeps as DICOM objects; each path that is given says what to write.

    Attributes:
        id: Returned with every answer.
        table: CSV file of results: ``frame`` from 0, ``quality``, ``verdict``, ``plane``, ``decided_by``, ``error``.
        original: DICOM file that was scored; a report and a key object need it.
        key_frames: Frames chosen, from 0.
        report: File for the structured report.
        key_object: File for the key frames as references to ``original``.
        captures: Folder for the key frames as pictures; needs ``frames``.
        frames: A NumPy file of one picture per key frame.
        spacing_mm: Distance between neighboring rows, then columns, of the pictures.
        patient_id: Identifier of the patient for pictures without ``original``.
        name: Name of the model that scored.
        version: Its version.
        sha256: Its checksum.
        threshold: Quality that an accepted frame exceeds, unless the table has a column ``threshold``.
        policy: The policy, TOML, by which the frames were judged; empty for none.
    """

    id: int | str | None = None
    table: str
    original: str | None = None
    key_frames: list[float] | None = None
    report: str | None = None
    key_object: str | None = None
    captures: str | None = None
    frames: str | None = None
    spacing_mm: list[float] | None = None
    patient_id: str = ""
    name: str = ""
    version: str = ""
    sha256: str = ""
    threshold: float = 0.5
    policy: str = ""

    def __post_init__(self) -> None:
        needed = {"report": self.original, "key_object": self.original, "captures": self.frames}
        asked = [name for name in needed if getattr(self, name)]
        if not asked:
            msg = f"Expected a path in one of {', '.join(needed)}, got none."
            raise ValueError(msg)
        for name in asked:
            if not needed[name]:
                msg = f"{name!r} needs {'frames' if name == 'captures' else 'original'!r}, got none."
                raise ValueError(msg)
        if self.spacing_mm is not None and len(self.spacing_mm) != 2:
            msg = f"'spacing_mm' must be two numbers (row, column), got {self.spacing_mm}."
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """End the running score early."""

    id: int | str | None = None


@dataclass(frozen=True, kw_only=True)
class Stop:
    """End the running score and the process."""

    id: int | str | None = None


@dataclass(frozen=True)
class Malformed:
    """A line that is not a command.

    Attributes:
        reason: What is wrong with it.
        id: That of the command, where it can be read.
    """

    reason: str
    id: Id = None


Work = Load | Score | Explain | Find | Read | Report | Malformed  # what a worker carries out
Request = Work | Cancel | Stop

COMMANDS: dict[str, type[Load | Score | Explain | Find | Read | Report | Cancel | Stop]] = {
    "load": Load,
    "score": Score,
    "explain": Explain,
    "find": Find,
    "read": Read,
    "report": Report,
    "cancel": Cancel,
    "stop": Stop,
}


def parse_request(line: str) -> Request:
    """Return the command on a line, or what is wrong with the line."""
    try:
        return _parse(line)
    except Exception as error:  # as by values nested too deeply to be shown
        return Malformed(f"{_shown(line)} cannot be carried out ({unexpected(error)}).")


def _parse(line: str) -> Request:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Malformed(f"{_shown(line)} is not JSON ({error}).")
    given = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    name, number = given.pop("command", None), given.get("id")
    if not isinstance(name, str):
        return Malformed(f"{_shown(line)} is not an object with a 'command'.")
    known_id = number if _is_of_type(number, "int | str | None") else None
    if name not in COMMANDS:
        return Malformed(
            f"The command {_shown_value(name)} is unknown. Expected one of: {', '.join(COMMANDS)}.", known_id
        )
    try:
        _check_fields(COMMANDS[name], given)
        return COMMANDS[name](**given)
    except ValueError as error:
        return Malformed(f"The command {name!r} cannot be carried out. {error}", known_id)


def _shown(line: str) -> str:
    return repr(line.strip()[:SHOWN_CHARACTERS])


def _shown_value(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _check_fields(command: type, given: Mapping[str, Any]) -> None:
    """Compare the fields of a command with the attributes of its class.

    Raises:
        ValueError: If one is unknown, missing, or of another type.
    """
    expected = {field.name: field for field in fields(command)}
    unknown = sorted(given.keys() - expected.keys())
    if unknown:
        msg = f"It has no field {_shown_value(unknown[0])}; its fields are: {', '.join(expected)}."
        raise ValueError(msg)
    for name, field in expected.items():
        wanted = " or ".join(TYPES[kind].words for kind in str(field.type).split(" | "))
        if name not in given:
            if field.default is MISSING:
                msg = f"It needs {name!r}, {wanted}."
                raise ValueError(msg)
        elif not _is_of_type(given[name], str(field.type)):
            msg = f"{name!r} must be {wanted}, got {_shown_value(given[name])}."
            raise ValueError(msg)


def _is_of_type(value: Any, annotation: str) -> bool:
    return any(TYPES[kind].matches(value) for kind in annotation.split(" | "))


@dataclass(frozen=True)
class _JsonType:
    words: str
    matches: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(_is_number(item) for item in cast("list[Any]", value))


TYPES = {  # by the annotations of the classes above
    "None": _JsonType("null", lambda value: value is None),
    "str": _JsonType("a string", lambda value: isinstance(value, str)),
    "int": _JsonType("a whole number", _is_whole),
    "float": _JsonType("a number", _is_number),
    "list[float]": _JsonType("a list of numbers", _is_list_of_numbers),
}
