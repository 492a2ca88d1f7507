"""The best accepted frame of each plane of a study, and the document that names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from striq.reporting.identity import ModelIdentity
from striq.reporting.key_frames import write_study_key_frames
from striq.scoring.results import FrameResult
from striq.types import FrameScore

DESCRIPTION = "Best accepted frame of each plane by STRIQ, for research only: {}"
BestFrame = tuple[Path, FrameScore]


def best_frames(cines: Mapping[Path, Sequence[FrameResult]]) -> list[BestFrame]:
    """Return file and score of the best accepted frame of each plane, the first of equal ones, by name of plane.

    Args:
        cines: Results of the frames of each file.
    """
    best: dict[str, BestFrame] = {}
    for path, results in cines.items():
        for score in (result.score for result in results if result.score is not None and result.score.accepted):
            if score.plane not in best or score.quality > best[score.plane][1].quality:
                best[score.plane] = (path, score)
    return [best[plane] for plane in sorted(best)]


def write_best_frames(path: str | Path, frames: Sequence[BestFrame], model: ModelIdentity, *, key: str) -> Path:
    """Write a key object selection of the best frames of one study, atomically, and return the path.

    Args:
        path: File to write.
        frames: As of :func:`best_frames`; at least one.
        model: Model that scored the frames.
        key: The same key, study and model give the same UID.

    Raises:
        ReadError: If a file lacks an identifier.
        OSError: If the document cannot be written.
    """
    indices: dict[Path, list[int]] = {}
    for file, score in frames:
        indices.setdefault(file, []).append(score.index)
    description = DESCRIPTION.format(", ".join(f"{score.plane} Q {score.quality:.2f}" for _, score in frames))
    named = {file: sorted(found) for file, found in indices.items()}
    return write_study_key_frames(path, named, description=description, key="\n".join((key, *model.settings)))
