"""The few pieces that only the MONAI bundle's configuration needs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import Tensor
from torch.utils.data import default_collate

from striq.atomic_files import write_csv
from striq.data.datasets import load_dataset
from striq.data.phantom import PHANTOM_PLANES, drawable_planes, write_phantom
from striq.data.phantom.storage import TABLE_NAME
from striq.data.transforms import list_frames
from striq.errors import CheckpointError, StriqError
from striq.scoring.checkpoint import default_checkpoint
from striq.scoring.scorer import StriqScorer
from striq.training.distributed import is_first, wait
from striq.types import FrameRecord

SUBJECTS, FRAMES_PER_SUBJECT = 10, 4  # of the default phantom: 240 frames of six planes


def bundle_root() -> str:
    """Return the folder of the bundle.

    Convention:
        - The working directory if it is a bundle; else the bundle whose configuration runs, which MONAI puts on the
          search path; else the one beside or in the package.
    """
    for folder in (Path.cwd(), *map(Path, sys.path)):
        if (folder / "configs" / "metadata.json").is_file():
            return str(folder.resolve())
    return str(default_checkpoint().parent.parent)


def find_records(
    dataset_dir: str | Path,
    plane_names: Sequence[str],
    work_dir: str | Path,
    *,
    seed: int = 0,
    scorer: StriqScorer | None = None,
    **options: Any,
) -> list[FrameRecord]:
    """Return the records of a data set, or of the phantom, written once, if no folder is named.

    Args:
        dataset_dir: Any layout that ``striq.data.datasets.load_dataset`` reads; empty for the phantom.
        plane_names: Planes to keep; all if empty.
        work_dir: Where the phantom goes.
        seed: Of the phantom; another seed gives other subjects.
        scorer: Restricts the phantom to planes this scorer knows.
        **options: Passed on to ``load_dataset``.

    Raises:
        DatasetError: If there is no usable data set or a plane is not in it.
    """
    if scorer is not None and not str(dataset_dir) and not plane_names:
        plane_names = drawable_planes(scorer.planes)
    root = Path(dataset_dir) if str(dataset_dir) else _phantom(work_dir, seed, plane_names)
    return load_dataset(root, planes=tuple(plane_names) or None, **options)


def find_frames(dataset_dir: str | Path, work_dir: str | Path, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return one item per frame of a folder, or of the phantom, written once, if no folder is named.

    Args:
        dataset_dir: Files to score; empty for the phantom.
        work_dir: Where the phantom goes.
        seed: Of the phantom.
    """
    return list_frames(dataset_dir if str(dataset_dir) else _phantom(work_dir, seed).parent)


def _phantom(work_dir: str | Path, seed: int, plane_names: Sequence[str] = ()) -> Path:
    planes = drawable_planes(plane_names)  # a name it cannot draw is found missing when the data set is loaded
    table = Path(work_dir) / "-".join([f"phantom_seed{seed}", *planes]) / TABLE_NAME
    if is_first() and not table.is_file():
        write_phantom(table.parent, SUBJECTS, FRAMES_PER_SUBJECT, planes=planes or PHANTOM_PLANES, seed=seed)
    wait()
    return table


def prepare_batch(
    batchdata: Mapping[str, Any], device: torch.device | str | None = None, non_blocking: bool = False, **kwargs: Any
) -> tuple[Tensor, Tensor]:
    """Return prepared images on the device, and nothing to compare them with."""
    del kwargs
    image = batchdata["image"].to(device, non_blocking=non_blocking)
    return image, torch.zeros(len(image))


def load_engine(path: str | Path) -> torch.jit.ScriptModule:
    """Return the TensorRT engine that ``monai.bundle trt_export`` wrote.

    Raises:
        CheckpointError: If there is no such file.
        StriqError: If the package ``torch_tensorrt``, which runs it, is missing.
    """
    if not Path(path).is_file():
        msg = f"{path}: no engine there. Make it on this machine with 'python -m monai.bundle trt_export'."
        raise CheckpointError(msg)
    try:
        importlib.import_module("torch_tensorrt")  # registers the operators of the engine
    except ImportError as error:
        msg = f"{path} needs an NVIDIA GPU and the package torch-tensorrt that fits torch {torch.__version__}: {error}."
        raise StriqError(msg) from error
    return torch.jit.load(str(path))


def collate(items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return items side by side."""
    return default_collate(list(items))


class WriteQuality:
    """Writes the quality of every frame as every plane when an evaluator has seen them all.

    Args:
        scorer: Names the planes.
        path: CSV to write.
    """

    def __init__(self, scorer: StriqScorer, path: str | Path) -> None:
        self.scorer, self.path = scorer, Path(path)
        self.rows: list[list[Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.STARTED, self.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def clear(self, engine: Engine) -> None:
        """Forget the frames of an earlier run."""
        del engine
        self.rows = []

    def __call__(self, engine: Engine) -> None:
        """Collect one batch."""
        batch: Any = engine.state.batch
        output: Any = engine.state.output
        for source, frame, values in zip(batch["source"], batch["frame"], output["pred"].cpu(), strict=True):
            self.rows.append([source, int(frame), *np.asarray(values, dtype=np.float64).tolist()])

    def write(self, engine: Engine) -> None:
        """Write the table."""
        del engine
        write_csv(self.path, ["source", "frame", *self.scorer.planes], self.rows)
