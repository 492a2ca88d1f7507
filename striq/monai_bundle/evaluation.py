"""Parts of ``evaluate.json``: scores beside their controls, their agreement with ratings, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.metrics.metric import CumulativeIterationMetric
from torch import Tensor, distributed, nn

from striq.data.frame_images import plain_tensor
from striq.evaluation.agreement.controls import CONTROLS, MAIN, score_with_controls
from striq.evaluation.agreement.frames import ScoredFrames, as_rated_frames
from striq.evaluation.agreement.protocol import write_evaluation
from striq.evaluation.statistics.metrics import srcc
from striq.scoring.scorer import StriqScorer
from striq.training.distributed import is_first
from striq.types import FrameRecord


class RatedBatches:
    """The evaluator's ``prepare_batch``: images with the rows of their records, and ratings with planes.

    Args:
        records: Rated frames.
        scorer: Numbers the planes.
    """

    def __init__(self, records: Sequence[FrameRecord], scorer: StriqScorer) -> None:
        self.records, self.scorer = records, scorer

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: torch.device | str | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return images and rows, and for each frame its rating and the index of its plane, shape ``(B, 2)``."""
        del kwargs
        image = plain_tensor(batchdata["image"]).to(device, non_blocking=non_blocking)
        records = [self.records[row] for row in batchdata["row"].tolist()]
        labels = [[float(r.rating or 0.0), self.scorer.plane_index(r.plane)] for r in records]
        return {"image": image, "row": batchdata["row"]}, torch.tensor(labels, dtype=torch.float64)


def column_names() -> list[str]:
    """Return the names of the scores in the order of the network's output."""
    return [MAIN, *CONTROLS]


class ScoresWithControls(nn.Module):
    """The evaluator's network: quality of each frame as the plane it shows, then its controls, then acceptance.

    Args:
        scorer: Trained scorer.
        records: Frames by row.
    """

    def __init__(self, scorer: StriqScorer, records: Sequence[FrameRecord]) -> None:
        super().__init__()
        self.scorer, self.records = scorer, records

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return S scores of each frame, and in the last column 1 if it is accepted, shape ``(B, S + 1)``."""
        records = [self.records[row] for row in batch["row"].tolist()]
        scored = score_with_controls(self.scorer, batch["image"], records, quiet=True)
        values = [*(scored.scores[name] for name in column_names()), np.asarray(scored.accepted, dtype=np.float64)]
        return torch.from_numpy(np.stack(values, axis=1))


class RankCorrelation(CumulativeIterationMetric):
    """Spearman's rank correlation of quality and rating, the mean over planes, of all processes together."""

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        del args, kwargs
        if y is None:
            msg = "Expected ratings and planes as 'y', got none. Use striq.monai_bundle.evaluation.RatedBatches."
            raise ValueError(msg)
        return torch.cat([y_pred[:, :1].to(y), y], dim=1)

    def aggregate(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the mean over planes, a scalar; NaN where it is undefined for a plane."""
        del args, kwargs
        quality, rating, plane = torch.as_tensor(self.get_buffer()).cpu().numpy().T
        return torch.tensor(np.mean([srcc(quality[plane == p], rating[plane == p]) for p in np.unique(plane)]))


class WriteEvaluation:
    """Writes scores and the table of their agreement with ratings when the evaluator has seen all frames.

    Of several processes, each collects its share and the first writes.

    Args:
        records: Rated frames by row.
        output_dir: Folder for the table as JSON, Markdown, CSV and picture.
        note: A sentence printed beside every figure.
    """

    def __init__(self, records: Sequence[FrameRecord], output_dir: str | Path, note: str = "") -> None:
        self.records, self.output_dir, self.note = records, Path(output_dir), note
        self._rows: dict[int, list[float]] = {}

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def __call__(self, engine: Engine) -> None:
        """Collect the frames of one batch."""
        output: Any = engine.state.output
        self._rows.update(zip(output["image"]["row"].tolist(), output["pred"].tolist(), strict=True))

    def write(self, engine: Engine) -> None:
        """Write the table."""
        del engine
        rows = _gather(self._rows)
        if is_first():
            values = np.array([rows[row] for row in range(len(self.records))])
            scores = {name: values[:, column] for column, name in enumerate(column_names())}
            scored = ScoredFrames(scores, values[:, -1] > 0)
            write_evaluation(as_rated_frames(self.records), scored, self.output_dir, note=self.note)


def _gather(rows: dict[int, list[float]]) -> dict[int, list[float]]:
    if not distributed.is_initialized():
        return rows
    shares: list[dict[int, list[float]]] = [{} for _ in range(distributed.get_world_size())]
    distributed.all_gather_object(shares, rows)
    return {row: values for share in shares for row, values in share.items()}
