"""Scores of files beside them: one JSON file per cine in the folder that was chosen, found again by content."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .Messages import FrameAnswer, TermDescription

FOLDER = "striq_results"
FORMAT = 1


@dataclass(frozen=True)
class Identity:
    """What a score depends on.

    Attributes:
        content: SHA-256 of the cine.
        model: SHA-256 of the model.
        plane: Plane that was asked for, or ``"auto"``.
    """

    content: str
    model: str
    plane: str


@dataclass(frozen=True)
class StoredScores:
    """Scores of one cine.

    Attributes:
        identity: What they depend on.
        file: Name of the cine.
        facts: Facts about the run, such as the model and the device.
        terms: Terms of the model.
        read: The answer ``read`` about the file: number of frames, times and spacing.
        frames: Answers of the scoring process, one per frame.
    """

    identity: Identity
    file: str
    facts: dict[str, Any]
    terms: list[TermDescription]
    read: dict[str, Any]
    frames: list[FrameAnswer]


def fileOf(folder: str | Path, identity: Identity) -> Path:
    """Return the path of the scores of a cine."""
    plane = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in identity.plane)
    return Path(folder) / FOLDER / f"{identity.content[:24]}-{identity.model[:12]}-{plane}.json"


def findScores(folder: str | Path, identity: Identity) -> StoredScores | None:
    """Return the scores of a cine that were kept before; ``None`` if there are none that can be read."""
    path = fileOf(folder, identity)
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["format"] != FORMAT or found["identity"] != asdict(identity):
            return None
        return StoredScores(
            identity, found["file"], found["facts"], found["terms"], found["read"], _complete(found["frames"], found)
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logging.warning("%s cannot be read (%s); the cine is scored again.", path, error)
        return None


def _complete(frames: list[FrameAnswer], found: dict[str, Any]) -> list[FrameAnswer]:
    if [frame["index"] for frame in frames] != list(range(found["read"]["total"])):
        msg = "it does not have one score per frame"
        raise ValueError(msg)
    return frames


def writeScores(folder: str | Path, stored: StoredScores) -> Path:
    """Write the scores of a cine, atomically, and return the path.

    Raises:
        OSError: If the folder cannot be written.
    """
    from striq.atomic_files import write_text

    path = fileOf(folder, stored.identity)
    return write_text(path, json.dumps({"format": FORMAT, **asdict(stored)}, allow_nan=False) + "\n")
