"""Forgetting: how planes learned later change the scores of planes learned earlier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striq.atomic_files import write_json
from striq.data.splits import hold_out
from striq.errors import DatasetError
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.statistics.metrics import srcc_of_rated
from striq.evaluation.studies.fingerprints import check_fingerprint, digest, fingerprint
from striq.evaluation.studies.plane_addition import score_and_predict
from striq.scoring.loading import load_scorer
from striq.training.run_options import RunOptions
from striq.training.sequential import stage_folder, train_sequential
from striq.types import FrameRecord

TEST_FRACTION = 0.25
MADE_OF_NAME = "made_of.json"
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Forgetting:
    """Scores of test frames after each plane learned; entries of planes not learned yet, above the diagonal, are NaN.

    Attributes:
        planes: Planes in the order learned.
        srcc: SRCC with the rating after stage i (row) on plane j (column), NaN without ratings, shape ``(P, P)``.
        moved: Largest change of a frame's Q since its own plane was learned, shape ``(P, P)``.
    """

    planes: tuple[str, ...]
    srcc: FloatArray
    moved: FloatArray

    @property
    def loss(self) -> float:
        """SRCC after a plane's own stage minus that after the last, mean over all rated planes but the last."""
        return mean_of_defined((self.srcc.diagonal() - self.srcc[-1])[:-1])

    @property
    def final(self) -> float:
        """SRCC after the last stage, mean over all rated planes."""
        return mean_of_defined(self.srcc[-1])


def mean_of_defined(values: FloatArray) -> float:
    """Return the mean of the values that are not NaN, NaN if all are."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def measure_forgetting(
    records: Sequence[FrameRecord],
    output_dir: Path,
    setup: TrainingSetup | None = None,
    *,
    protect: bool,
    order: Sequence[str] = (),
) -> Forgetting:
    """Train plane by plane, or continue an interrupted training, and score frames of other groups after each plane.

    Args:
        records: Frames; those of a quarter of the groups are scored and not trained on. Only rated ones count for SRCC.
        output_dir: Gets a folder per plane.
        setup: How to train on each plane; the seed of the training also draws the split.
        protect: Whether to project updates of the general expert so that earlier planes are protected.
        order: Planes in the order of learning; sorted by name by default.

    Raises:
        DatasetError: If there are fewer than two planes, or a plane has too few frames.
        StriqError: If the folder contains planes learned from other frames, or with other settings.
    """
    planes = tuple(order or sorted({record.plane for record in records}))
    if len(planes) < 2:
        msg = (
            f"Forgetting needs at least two planes, got: {', '.join(planes) or 'none'}. Give frames of several planes."
        )
        raise DatasetError(msg)
    setup = setup or TrainingSetup()
    train, test = hold_out(records, TEST_FRACTION, seed=setup.training.seed)
    settings = [fingerprint(train), planes, protect, setup.config.to_dict(), vars(setup.training)]
    _claim_folder(output_dir, digest(settings))
    options = RunOptions(output_dir, device=setup.device, resume=True, anchor_images=False, quiet=setup.quiet)
    train_sequential(train, options, order=planes, protect=protect, config=setup.config, training=setup.training)
    stages = (load_scorer(stage_folder(output_dir, i, plane), setup.device) for i, plane in enumerate(planes))
    qualities = [score_and_predict(scorer, test, quiet=setup.quiet).quality for scorer in stages]
    return _compare_stages(planes, qualities, test)


def _claim_folder(folder: Path, made_of: str) -> None:
    """Note in a folder what its models are made of; refuse a folder of other frames or settings."""
    file = folder / MADE_OF_NAME
    if file.is_file():
        check_fingerprint(json.loads(file.read_text(encoding="utf-8")), made_of, folder)
    write_json(file, made_of)


def _compare_stages(
    planes: tuple[str, ...], qualities: Sequence[FloatArray], records: Sequence[FrameRecord]
) -> Forgetting:
    """Compare the qualities of the same frames after each stage."""
    agreement, moved = (np.full((len(planes), len(planes)), np.nan) for _ in range(2))
    shown = np.array([record.plane for record in records])
    ratings = np.array([np.nan if r.rating is None else r.rating for r in records], dtype=np.float64)
    for stage, quality in enumerate(qualities):
        for place, plane in enumerate(planes[: stage + 1]):
            of_plane = shown == plane
            agreement[stage, place] = srcc_of_rated(quality[of_plane], ratings[of_plane])
            moved[stage, place] = np.abs(quality - qualities[place])[of_plane].max()
    return Forgetting(planes, agreement, moved)
