"""What planes learned later do to planes learned before, with and without the projection that protects those."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striq.atomic_files import write_json
from striq.config import StriqConfig, TrainingConfig
from striq.data.splits import hold_out
from striq.errors import DatasetError, StriqError
from striq.evaluation.statistics.metrics import srcc
from striq.evaluation.studies.ablation import digest, fingerprint
from striq.evaluation.studies.plane_addition import judge_frames
from striq.scoring.loading import load_scorer
from striq.training.sequential import stage_folder, train_sequential
from striq.types import FrameRecord

TEST_FRACTION = 0.25
MADE_OF_NAME = "made_of.json"
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Forgetting:
    """Scores of test frames after each plane learned; planes not yet learned, above the diagonal, are NaN.

    Attributes:
        planes: In the order learned.
        srcc: SRCC with the rating after stage i (row) on plane j (column), NaN without ratings, shape ``(P, P)``.
        moved: Largest change of a frame's Q since its own plane was learned, shape ``(P, P)``.
    """

    planes: tuple[str, ...]
    srcc: FloatArray
    moved: FloatArray

    @property
    def loss(self) -> float:
        """SRCC after a plane's own stage minus that after the last, mean over all rated planes but the last."""
        lost = (self.srcc.diagonal() - self.srcc[-1])[:-1]
        return mean_of_defined(lost)

    @property
    def final(self) -> float:
        """SRCC after the last stage, mean over all rated planes."""
        return mean_of_defined(self.srcc[-1])


def mean_of_defined(values: FloatArray) -> float:
    """Return the mean of what is not NaN, NaN if nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


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
        records: Frames, of which those of a quarter of the groups are only scored; SRCC is that of the rated ones.
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
        StriqError: If the folder holds planes learned from other frames, or with other settings.
    """
    planes = tuple(order or sorted({record.plane for record in records}))
    if len(planes) < 2:
        msg = f"Forgetting needs two planes at least, got: {', '.join(planes) or 'none'}."
        raise DatasetError(msg)
    training, config = training or TrainingConfig(), config or StriqConfig()
    train, test = hold_out(records, TEST_FRACTION, seed=seed)
    _claim(output_dir, digest([fingerprint(train), planes, protect, config.to_dict(), vars(training)]))
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
    qualities = [judge_frames(scorer, test, quiet=quiet).quality for scorer in stages]
    return _compare(planes, qualities, test)


def _claim(folder: Path, made_of: str) -> None:
    file = folder / MADE_OF_NAME
    if file.is_file() and json.loads(file.read_text(encoding="utf-8")) != made_of:
        msg = f"{folder} is of other frames, epochs or settings than asked for now. Give another --out, or remove it."
        raise StriqError(msg)
    write_json(file, made_of)


def _compare(planes: tuple[str, ...], qualities: Sequence[FloatArray], records: Sequence[FrameRecord]) -> Forgetting:
    """Compare the qualities of the same frames after each stage."""
    agreement, moved = (np.full((len(planes), len(planes)), np.nan) for _ in range(2))
    shown = np.array([record.plane for record in records])
    ratings = np.array([np.nan if r.rating is None else r.rating for r in records], dtype=np.float64)
    for stage, quality in enumerate(qualities):
        for place, plane in enumerate(planes[: stage + 1]):
            of_plane, rated = shown == plane, (shown == plane) & ~np.isnan(ratings)
            if rated.sum() > 1:
                agreement[stage, place] = srcc(quality[rated], ratings[rated])
            moved[stage, place] = np.abs(quality - qualities[place])[of_plane].max()
    return Forgetting(planes, agreement, moved)
