"""Results of a program with a window as DICOM objects: structured report, key frames, captured pictures."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.errors import StriqError
from striq.policies.reading import parse_policy
from striq.reporting.identity import ModelIdentity
from striq.scoring.results import FrameResult
from striq.service.requests import Report
from striq.types import AnchorSource, FrameScore

COLUMNS = ("frame", "quality", "verdict", "plane", "decided_by", "error")
ACCEPTED, BY_USER = "accepted", "user"


def write_reports(request: Report) -> list[Path]:
    """Write what a command asks for and return the files.

    Raises:
        StriqError: If highdicom is missing, the table cannot be read, or the DICOM file names no patient and study.
        ValueError: If the image does not have a key frame, or the pictures are of another shape or type.
        OSError: If a file cannot be read or written.
    """
    if importlib.util.find_spec("highdicom") is None:
        msg = "DICOM objects need the package highdicom. Install it: pip install 'striq[dicom-sr]'."
        raise StriqError(msg)
    rows, key_frames = _read_table(Path(request.table)), [int(index) for index in request.key_frames or ()]
    written: list[Path] = []
    if request.report:
        written.append(_structured_report(request, rows))
    if request.key_object:
        from striq.reporting.key_frames import write_key_frames

        comments = "; ".join(f"frame {index + 1}: {_comment(rows, index)}" for index in key_frames)
        original = request.original or ""
        written.append(write_key_frames(request.key_object, original, key_frames, description=comments))
    if request.captures:
        written += _captures(request, rows, key_frames)
    return written


def _structured_report(request: Report, rows: Sequence[dict[str, str]]) -> Path:
    from striq.reporting.structured_report import write_structured_report

    policy = parse_policy(request.policy) if request.policy else None
    model = ModelIdentity(request.name, request.sha256, request.threshold, request.version, policy=policy)
    results = [_result(row, request) for row in rows]
    decided = {int(row["frame"]) for row in rows if row["decided_by"] == BY_USER}
    return write_structured_report(
        request.report or "", request.original or "", results, model, decided_by_user=decided
    )


def _captures(request: Report, rows: Sequence[dict[str, str]], key_frames: Sequence[int]) -> list[Path]:
    from striq.reporting.patient_context import read_context
    from striq.reporting.secondary_capture import write_secondary_captures

    pictures: NDArray[Any] = np.load(request.frames or "", allow_pickle=False)
    spacing = request.spacing_mm
    return write_secondary_captures(
        request.captures or "",
        pictures,
        [_comment(rows, index) for index in key_frames],
        context=read_context(Path(request.original)) if request.original else None,
        patient_id=request.patient_id,
        spacing_mm=None if spacing is None else (spacing[0], spacing[1]),
    )


def _read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        msg = f"{path}: expected a table with the columns {', '.join(COLUMNS)}, got none named {missing[0]!r}."
        raise StriqError(msg)
    return rows


def _comment(rows: Sequence[dict[str, str]], index: int) -> str:
    if not 0 <= index < len(rows):
        msg = f"Expected key frames from 0 to {len(rows) - 1}, got frame {index}."
        raise ValueError(msg)
    row = rows[index]
    quality = f"Q {float(row['quality']):.3f}, " if row["quality"] else ""
    by = " by a person" if row["decided_by"] == BY_USER else ""
    return f"{quality}{row['verdict']}{by}, {row['plane'] or 'no plane'}"


def _result(row: dict[str, str], request: Report) -> FrameResult:
    """Return the result that a row was made from, with what a report needs."""
    source, index = request.original or "", int(row["frame"])
    if not row["quality"]:
        return FrameResult(source, index, error=row["error"] or row["verdict"])
    score = FrameScore(
        quality=float(row["quality"]),
        accepted=row["verdict"] == ACCEPTED,
        plane=row["plane"],
        scored_plane=row["plane"],
        plane_probabilities={},
        terms={},
        normalized_terms={},
        weights={},
        threshold=float(row.get("threshold") or request.threshold),
        crop=(0, 0, 0, 0),
        transform=np.eye(2, 3, dtype=np.float32),
        nearest_anchor=AnchorSource("", ""),
        source=source,
        index=index,
    )
    return FrameResult(source, index, score)
