"""Answers of the scoring process, in JSON's own types.

``ready`` is sent once, at the start. Every other answer carries the ``id`` of its command.

``ready``
    ``protocol``, ``version`` of striq, ``pid``.
``loaded``
    ``model``, ``sha256``, ``planes``, ``threshold``, ``device``, ``version`` of striq, ``about`` (name and version of
    the model), ``terms`` (name, label and description of every term of the quality).
``frame``
    ``index``, ``ms`` (mean time per frame so far) and either ``error`` or the attributes of
    :class:`striq.types.FrameScore` without ``source``. What is not finite is null.
``finished``
    ``cancelled``, ``device``, ``scored``, ``failed`` and ``total`` numbers of frames, ``summary`` (the attributes of
    :class:`striq.reporting.summary.CineSummary`).
``explained``
    What ``frame`` holds, and NumPy files: ``residual`` and ``missing`` (where structure that all references show is
    not found) on the pixels of the frame, ``anchor_picture`` or null.
``found``
    ``files``: paths, sorted.
``read``
    ``total`` number of frames, ``times_s`` and ``spacing_mm`` or null, ``pictures``: a NumPy file of 8-bit gray values,
    shape ``(N, H, W)``, or null if none were asked for.
``reported``
    ``files`` that were written.
``notice``
    ``text`` for the user and the new ``device``.
``error``
    ``text`` for the user. The command was not carried out; the process takes the next one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import striq
from striq.data.cine import Cine
from striq.quality.terms import describe_terms
from striq.reporting.identity import ModelIdentity
from striq.reporting.summary import summarize
from striq.scoring.results import FrameResult
from striq.service.requests import Id
from striq.types import FrameScore

PROTOCOL = 2  # raised when a command or an answer changes its meaning
Answer = dict[str, Any]


def ready() -> Answer:
    """Return the first answer of a process."""
    return {"event": "ready", "protocol": PROTOCOL, "version": striq.__version__, "pid": os.getpid()}


def loaded(number: Id, checkpoint: Path, identity: ModelIdentity, planes: Sequence[str], device: str) -> Answer:
    """Return the answer to a load command.

    Args:
        number: That of the command.
        checkpoint: File of the model.
        identity: Name, checksum and threshold of the model.
        planes: Planes that it knows.
        device: Device that it computes on.
    """
    return {
        "event": "loaded",
        "id": number,
        "model": str(checkpoint),
        "sha256": identity.sha256,
        "planes": list(planes),
        "threshold": identity.threshold,
        "device": device,
        "version": striq.__version__,
        "about": {"name": identity.name, "version": identity.version},
        "terms": describe_terms(),
    }


def frame(number: Id, result: FrameResult, ms: float) -> Answer:
    """Return the answer about one frame.

    Args:
        number: That of the command.
        result: Score of the frame, or the reason that it has none.
        ms: Mean time per frame so far.
    """
    answer: Answer = {"event": "frame", "id": number, "index": result.index, "ms": round(ms, 3)}
    return {**answer, "error": result.error} if result.score is None else {**answer, **_score_fields(result.score)}


def explained(
    number: Id, score: FrameScore, ms: float, *, maps: Mapping[str, Path], anchor_picture: Path | None
) -> Answer:
    """Return the answer to an explain command.

    Args:
        number: That of the command.
        score: Score of the frame.
        ms: Time taken.
        maps: Files of the maps by name.
        anchor_picture: File of the nearest anchor's picture, if the model came with pictures.
    """
    files: dict[str, str | None] = {name: str(path) for name, path in maps.items()}
    files["anchor_picture"] = None if anchor_picture is None else str(anchor_picture)
    return {"event": "explained", "id": number, "ms": round(ms, 3), **_score_fields(score), **files}


def finished(number: Id, results: Sequence[FrameResult], *, total: int, cancelled: bool, device: str) -> Answer:
    """Return the last answer to a score command.

    Args:
        number: That of the command.
        results: Results of the frames that were reached.
        total: Number of frames of the cine.
        cancelled: Whether the score ended early.
        device: Device that was computed on at the end.
    """
    summary = summarize(results)
    return {
        "event": "finished",
        "id": number,
        "cancelled": cancelled,
        "device": device,
        "scored": summary.num_scored,
        "failed": len(results) - summary.num_scored,
        "total": total,
        "summary": json_safe(asdict(summary)),
    }


def found(number: Id, files: Sequence[Path]) -> Answer:
    """Return the answer to a find command."""
    return {"event": "found", "id": number, "files": [str(path) for path in files]}


def read(number: Id, cine: Cine, pictures: Path | None) -> Answer:
    """Return the answer to a read command.

    Args:
        number: That of the command.
        cine: Frames of the file.
        pictures: NumPy file of the pictures, ``None`` if none were asked for.
    """
    return {
        "event": "read",
        "id": number,
        "total": len(cine),
        "times_s": None if cine.times_s is None else list(cine.times_s),
        "spacing_mm": None if cine.spacing_mm is None else list(cine.spacing_mm),
        "pictures": None if pictures is None else str(pictures),
    }


def reported(number: Id, files: Sequence[Path]) -> Answer:
    """Return the answer to a report command."""
    return {"event": "reported", "id": number, "files": [str(path) for path in files]}


def notice(number: Id, text: str, *, device: str) -> Answer:
    """Return a message for the user about a change of the device."""
    return {"event": "notice", "id": number, "text": text, "device": device}


def error(number: Id, text: str) -> Answer:
    """Return the answer to a command that cannot be carried out."""
    return {"event": "error", "id": number, "text": text}


def json_safe(value: Any) -> Any:
    """Return plain containers with arrays as lists and ``None`` for what is not finite."""
    if isinstance(value, np.ndarray):
        return json_safe(cast("NDArray[Any]", value).tolist())
    if isinstance(value, dict):
        return {key: json_safe(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in cast("Sequence[Any]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _score_fields(score: FrameScore) -> Answer:
    return {name: json_safe(value) for name, value in asdict(score).items() if name != "source"}
