"""Scoring of a batch of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from striq.audit.crash_journal import GIVEN_UP, MAX_CRASHES
from striq.audit.judgement import judged
from striq.audit.plan import ArchiveFile, AuditSettings
from striq.audit.shard_files import AuditRow
from striq.data.cine import Cine
from striq.data.readers import open_cine
from striq.errors import StriqError
from striq.reporting.rows import source_name
from striq.scoring.cine_scoring import score_cine, until_failure
from striq.scoring.results import FrameResult

if TYPE_CHECKING:
    from striq.scoring.scorer import StriqScorer

Watch = Callable[[int], AbstractContextManager[bool]]


def score_batch(
    scorer: StriqScorer,
    files: Sequence[ArchiveFile],
    settings: AuditSettings,
    watch: Watch = lambda index: nullcontext(True),
) -> list[AuditRow]:
    """Return one row per frame, in order, and one row for each file that cannot be opened.

    Args:
        scorer: Fitted scorer.
        files: Files to score.
        settings: Settings of the audit.
        watch: Context manager entered with the index of each file while it is scored; it yields whether the file may
            be scored.

    Raises:
        StriqError: If the scorer does not know the plane or has no anchors.
    """
    scorer.score([], settings.plane)
    rows: list[AuditRow] = []
    for index, file in enumerate(files):
        with watch(index) as may_be_scored:
            results = _score_file(scorer, file, settings) if may_be_scored else [_skipped(file)]
        rows.extend(
            AuditRow(file, judged(result, settings.rules, file.attributes, settings.threshold)) for result in results
        )
    return rows


def _score_file(scorer: StriqScorer, file: ArchiveFile, settings: AuditSettings) -> list[FrameResult]:
    source = source_name(Path(file.path))
    if _has_changed(file):
        return [_changed(source, "since the audit was planned")]
    try:
        cine = open_cine(file.path)
    except StriqError as error:
        return [FrameResult(source, None, error=str(error))]
    chosen = spread(len(cine), settings.max_frames_per_cine)
    some = Cine(
        cine.source,
        len(chosen),
        lambda index: cine[chosen[index]].pixels,
        spacing_mm=cine.spacing_mm,
        times_s=None if cine.times_s is None else [cine.times_s[index] for index in chosen],
        fan=cine.fan,
    )
    scores = score_cine(scorer, some, source, plane=settings.plane, threshold=settings.threshold)
    results = [_renumbered(result, chosen) for result in until_failure(scores, source)]
    # Frames of two versions of a file must not be mixed.
    return [_changed(source, "while it was scored")] if _has_changed(file) else results


def _has_changed(file: ArchiveFile) -> bool:
    """Return whether the size or the time of a file differs from the listed ones."""
    try:
        found = Path(file.path).stat()
    except (OSError, ValueError):
        return False  # reported when the file is opened
    return file.size >= 0 and (found.st_size, found.st_mtime_ns) != (file.size, file.mtime_ns)


def _changed(source: str, when: str) -> FrameResult:
    error = f"{source}: not scored, because the file was changed {when}. The same command scores it again."
    return FrameResult(source, None, error=error)


def spread(num_frames: int, limit: int) -> list[int]:
    """Return the indices of at most ``limit`` evenly spread frames, the first and the last included; 0 is no limit.

    Example:
        >>> spread(61, 4)
        [0, 20, 40, 60]
    """
    if limit == 0 or num_frames <= limit:
        return list(range(num_frames))
    if limit == 1:
        return [num_frames // 2]
    return np.linspace(0, num_frames - 1, limit).round().astype(int).tolist()


def _renumbered(result: FrameResult, chosen: Sequence[int]) -> FrameResult:
    """Return a result with the index of its frame in the whole cine."""
    if result.index is None:
        return result
    index = chosen[result.index]
    return replace(result, index=index, score=result.score and replace(result.score, index=index))


def _skipped(file: ArchiveFile) -> FrameResult:
    source = source_name(Path(file.path))
    error = (
        f"{source}: not scored, because {GIVEN_UP} {MAX_CRASHES} times. The file may be damaged or need too much "
        "memory. To see the error, score it alone with 'striq score'. To try again, add --retry-crashed."
    )
    return FrameResult(source, None, error=error)
