"""What planes learned later do to planes learned before, with and without the projection that protects those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from scipy import stats
from torch import Tensor

from striq.config import StriqConfig, TrainingConfig
from striq.data.splits import hold_out
from striq.errors import DatasetError
from striq.quality.frame_terms import contrast_term
from striq.scorer import StriqScorer, load_scorer
from striq.training.frames import load_images
from striq.training.sequential import stage_folder, train_sequential
from striq.types import FrameRecord

TEST_FRACTION = 0.25
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Forgetting:
    """Scores of test frames after each plane learned; entries above the diagonal, planes not yet learned, are NaN.

    Attributes:
        planes: In the order learned.
        srcc: SRCC with the rating after stage i (row) on plane j (column), shape ``(P, P)``.
        moved: Largest change of a frame's Q since its own plane was learned, shape ``(P, P)``.
    """

    planes: tuple[str, ...]
    srcc: FloatArray
    moved: FloatArray

    @property
    def loss(self) -> float:
        """SRCC after a plane's own stage minus that after the last, mean over all planes but the last."""
        return float((self.srcc.diagonal() - self.srcc[-1])[:-1].mean())


def measure_forgetting(
    records: Sequence[FrameRecord],
    output_dir: Path,
    *,
    seed: int,
    protect: bool,
    order: Sequence[str] = (),
    config: StriqConfig | None = None,
    training: TrainingConfig | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Forgetting:
    """Train plane by plane, or go on where that was interrupted, and score frames of other groups after each plane.

    Args:
        records: Rated frames; a quarter of the groups is only scored.
        output_dir: Gets a folder per plane.
        seed: Of the split and of training.
        protect: False lets later planes pull at the general expert freely.
        order: Planes in the order of learning; sorted by name by default.
        config: Settings of the scorer.
        training: Settings of the training on each plane.
        device: ``"auto"``, or a device of PyTorch.
        quiet: Do not show progress.

    Raises:
        DatasetError: If there is but one plane, or a plane has too few frames.
    """
    planes = tuple(order or sorted({record.plane for record in records}))
    if len(planes) < 2:
        msg = f"Forgetting needs two planes at least, got: {', '.join(planes) or 'none'}."
        raise DatasetError(msg)
    train, test = hold_out(records, TEST_FRACTION, seed=seed)
    train_sequential(
        train,
        output_dir,
        order=planes,
        protect=protect,
        config=config,
        training=training,
        device=device,
        resume=True,
        anchor_images=False,
        quiet=quiet,
    )
    stages = (load_scorer(stage_folder(output_dir, i, plane), device) for i, plane in enumerate(planes))
    rated = [record for record in test if record.rating is not None]
    qualities = [_qualities(scorer, rated, quiet=quiet) for scorer in stages]
    return _compare(planes, qualities, {plane: _ratings(rated, plane) for plane in planes})


def _compare(planes: tuple[str, ...], qualities: Sequence[dict[str, Tensor]], ratings: dict[str, Tensor]) -> Forgetting:
    srcc, moved = (np.full((len(planes), len(planes)), np.nan) for _ in range(2))
    for stage, known in enumerate(qualities):
        for place, plane in enumerate(planes[: stage + 1]):
            srcc[stage, place] = np.asarray(stats.spearmanr(known[plane], ratings[plane]))[0]
            moved[stage, place] = (known[plane] - qualities[place][plane]).abs().max()
    return Forgetting(planes, srcc, moved)


@torch.inference_mode()
def _qualities(scorer: StriqScorer, records: Sequence[FrameRecord], *, quiet: bool) -> dict[str, Tensor]:
    found: dict[str, list[float]] = {plane: [] for plane in scorer.planes}
    some = [record for record in records if record.plane in found]
    for record in track(some, description="Scoring", disable=quiet, transient=True):
        image = load_images([record], scorer.config.encoder.size, quiet=True).to(scorer.device)
        plane = scorer.plane_index(record.plane)
        quality = scorer.judge(scorer.embed(image), contrast_term(image), plane).quality
        found[record.plane].append(float(quality))
    return {plane: torch.tensor(values) for plane, values in found.items()}


def _ratings(records: Sequence[FrameRecord], plane: str) -> Tensor:
    return torch.tensor([float(record.rating or 0.0) for record in records if record.plane == plane])
