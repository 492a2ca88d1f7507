"""Export of a study as two CSV files: one row per cine, and one row per frame."""

from __future__ import annotations

import math
from pathlib import Path

from .CineSummary import CineSummary
from .Study import Study

CINE_HEADER = (
    "cine",
    "file",
    "state",
    "message",
    "frames",
    "scored",
    "accepted",
    "accepted_share",
    "best_frame",
    "best_time_s",
    "best_quality",
    "best_plane",
    "best_verdict",
    "threshold",
    "model_sha256",
    "device",
)


def framesPath(path: str | Path) -> Path:
    """Return the file of the frames that belongs to a file of the cines."""
    path = Path(path)
    return path.with_name(f"{path.stem}_frames{path.suffix or '.csv'}")


def exportStudy(study: Study, path: str | Path) -> tuple[Path, Path]:
    """Write the cines to ``path`` and their frames beside it, each atomically, and return both paths.

    Raises:
        OSError: If they cannot be written.
    """
    from striq.atomic_files import write_csv

    header, rows = _frameRows(study)
    frames = write_csv(framesPath(path), header, rows)
    return write_csv(path, CINE_HEADER, _cineRows(study)), frames


def _cineRows(study: Study) -> list[list[object]]:
    rows: list[list[object]] = []
    scores = study.allResults()
    for cine in study.cines:
        row: list[object] = [cine.name, cine.path, cine.state, cine.message]
        results = scores.get(cine.key)
        if results is not None:
            short, facts = CineSummary.of(results), results.facts()
            best = "" if short.bestFrame is None else short.bestFrame
            threshold = results.threshold if short.bestFrame is None else results.thresholds()[short.bestFrame]
            numbers = (short.bestTimeS, short.bestQuality)
            row += [short.frames, short.scored, short.accepted, f"{short.acceptedShare:.4g}", best]
            row += [*map(_cell, numbers), short.bestPlane, short.bestVerdict, f"{threshold:.6g}"]
            row += [facts.get("sha256", ""), facts.get("device", "")]
        rows.append(row + [""] * (len(CINE_HEADER) - len(row)))
    return rows


def _frameRows(study: Study) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows; columns that only some cines have are empty for the others."""
    tables: list[tuple[str, list[str], list[list[str]]]] = []
    header: list[str] = []
    scores = study.allResults()
    for cine in study.cines:
        if cine.key in scores:
            names, rows = scores[cine.key].exportedRows()
            tables.append((cine.name, names, rows))
            header = _merged(header, names)
    merged: list[list[str]] = []
    for cineName, names, rows in tables:
        places = [names.index(name) if name in names else None for name in header]
        merged += [[cineName, *("" if place is None else row[place] for place in places)] for row in rows]
    return ["cine", *header], merged


def _merged(first: list[str], second: list[str]) -> list[str]:
    """Return the columns of two tables; those that only the second has follow the column before them."""
    merged = list(first)
    place = 0
    for name in second:
        if name in merged:
            place = merged.index(name) + 1
        else:
            merged.insert(place, name)
            place += 1
    return merged


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"
