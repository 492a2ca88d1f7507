"""Evaluation of a scorer in several processes: each scores a share of the frames, the first writes the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import distributed

from striq.data.loading import load_images
from striq.errors import StriqError
from striq.evaluation.agreement.controls import ScoredFrames, score_with_controls
from striq.evaluation.agreement.protocol import rated_records, write_evaluation
from striq.evaluation.agreement.tables import EvaluationTable
from striq.scoring.scorer import StriqScorer
from striq.training.distributed import is_first
from striq.types import FrameRecord


def evaluate_in_parallel(
    scorer: StriqScorer, records: Sequence[FrameRecord], output_dir: str | Path, *, note: str = "", quiet: bool = False
) -> EvaluationTable | None:
    """Compare a scorer and its controls with ratings, as ``striq.evaluation.agreement.protocol.evaluate_scorer`` does.

    Every frame is scored once, by one process: nothing is padded to make the shares even.

    Args:
        scorer: Fitted scorer, the same in every process.
        records: Rated frames, the same in every process; those without a rating are left out.
        output_dir: Gets the table as JSON, Markdown, CSV and picture, from the first process.
        note: A sentence printed beside every figure.
        quiet: Do not show progress.

    Returns:
        The table in the first process, nothing in the others.

    Raises:
        DatasetError: If no frame is rated.
        StriqError: If the process group has not been joined.
    """
    if not distributed.is_initialized():
        msg = "Several processes can only evaluate together once they are joined. Start them with 'torchrun'."
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
    return write_evaluation(rated, interleave(parts, len(rated)), Path(output_dir), note=note)


def interleave(parts: Sequence[ScoredFrames | None], total: int) -> ScoredFrames:
    """Return the scores in the order of the frames.

    Args:
        parts: Of process r of N, the scores of frames r, r + N, r + 2N and so on; ``None`` where it has none.
        total: Frames in all.
    """
    names = [] if parts[0] is None else list(parts[0].scores)
    scores = {name: np.full(total, np.nan) for name in names}
    accepted = np.zeros(total, dtype=np.bool_)
    for rank, part in enumerate(parts):
        if part is not None:
            for name, values in part.scores.items():
                scores[name][rank :: len(parts)] = values
            accepted[rank :: len(parts)] = part.accepted
    return ScoredFrames(scores, accepted)
