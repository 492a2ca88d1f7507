"""Curves of a training: written as TensorBoard files and read back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ignite.engine import Engine
from monai.handlers.tensorboard_handlers import TensorBoardStatsHandler

from striq.errors import DatasetError
from striq.training.distributed import is_first

TENSORBOARD = "tensorboard"  # folder of a run
TRAINING, VALIDATION = "training", "validation"  # folders in it
Curve = list[tuple[int, float]]


class WriteCurves:
    """Writes the loss of every step and the metrics of every epoch; only the first of several processes writes.

    Args:
        log_dir: Folder of the TensorBoard files.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self.log_dir = str(log_dir)

    def attach(self, engine: Engine) -> None:
        """Register with a trainer or evaluator."""
        if is_first():
            TensorBoardStatsHandler(log_dir=self.log_dir, output_transform=_loss_of).attach(engine)


def _loss_of(output: list[Mapping[str, Any]] | Mapping[str, Any]) -> float | None:
    first = output[0] if isinstance(output, list) else output
    return float(first["loss"].detach()) if "loss" in first else None  # an evaluator has none


def read_curves(folder: str | Path) -> dict[str, dict[str, Curve]]:
    """Return the curves of a training by folder (``training``, ``validation``) and name, as (step, value).

    Args:
        folder: TensorBoard files of one training, with ``training`` and ``validation`` in it.

    Raises:
        DatasetError: If there are none.
    """
    curves = {name: _read(Path(folder) / name) for name in (TRAINING, VALIDATION)}
    if not any(curves.values()):
        msg = f"{folder}: no curves of a training. Give the folder '{TENSORBOARD}' of a training run."
        raise DatasetError(msg)
    return curves


def _read(folder: Path) -> dict[str, Curve]:
    if not folder.is_dir():
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    files = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = cast("list[str]", files.Tags()["scalars"])
    return {tag: [(event.step, event.value) for event in files.Scalars(tag)] for tag in tags}
