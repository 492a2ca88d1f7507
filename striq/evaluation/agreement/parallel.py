"""Evaluation of a scorer in several processes: each scores a share of the frames, the first writes the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import distributed

from striq.data.loading import load_images
from striq.errors import StriqError
from striq.evaluation.agreement.controls import score_with_controls
from striq.evaluation.agreement.frames import ScoredFrames, as_rated_frames, rated_records
from striq.evaluation.agreement.protocol import write_evaluation
from striq.evaluation.agreement.tables import EvaluationTable
from striq.scoring.scorer import StriqScorer
from striq.training.distributed import is_first
from striq.types import FrameRecord


def evaluate_in_parallel(
    scorer: StriqScorer, records: Sequence[FrameRecord], output_dir: str | Path, *, note: str = "", quiet: bool = False
) -> EvaluationTable | None:
    """Compare a scorer and its controls with ratings, as ``striq.evaluation.agreement.protocol.evaluate_scorer`` does.

    Every frame is scored once, by one process; shares are not padded to the same size.

    Args:
        scorer: Fitted scorer, the same in every process.
        records: Rated frames, the same in every process; those without a rating are left out.
        output_dir: Gets the scores as CSV and the report, from the first process.
        note: A sentence printed with every table and picture.
        quiet: Do not show progress.

    Returns:
        The table in the first process, ``None`` in the others.

    Raises:
        DatasetError: If no frame is rated.
        StriqError: If this process has not joined a process group.
    """
    if not distributed.is_initialized():
        msg = "Evaluation in several processes needs a process group, and none is initialized. Start with 'torchrun'."
        raise StriqError(msg)
    rated = rated_records(records)
    rank, count = distributed.get_rank(), distributed.get_world_size()
    share = rated[rank::count]
    images = load_images(share, scorer.config.encoder.size, quiet=quiet) if share else None
    own = None if images is None else score_with_controls(scorer, images, share, quiet=quiet)
    parts: list[ScoredFrames | None] = [None] * count
    distributed.all_gather_object(parts, own)
    if not is_first():
        return None
    return write_evaluation(as_rated_frames(rated), interleave(parts, len(rated)), Path(output_dir), note=note)


def interleave(parts: Sequence[ScoredFrames | None], total: int) -> ScoredFrames:
    """Return the scores in the order of the frames.

    Args:
        parts: Scores by each process: process r of N scored frames r, r + N, r + 2N and so on; ``None`` if it had none.
        total: Number of frames of all processes.
    """
    names = [] if parts[0] is None else list(parts[0].scores)
    scores = {name: np.full(total, np.nan) for name in names}
    accepted = np.zeros(total, dtype=np.bool_)
    for rank, part in enumerate(parts):
        if part is not None:
            for name, values in part.scores.items():
                scores[name][rank :: len(parts)] = values
            accepted[rank :: len(parts)] = False if part.accepted is None else part.accepted
    return ScoredFrames(scores, accepted)
