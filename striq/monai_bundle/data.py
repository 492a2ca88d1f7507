"""Where the bundle is, and the frames its workflows read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striq.data.datasets import load_dataset
from striq.data.phantom import PHANTOM_PLANES, drawable_planes, planes_to_draw, write_phantom
from striq.data.phantom.storage import TABLE_NAME
from striq.data.transforms import list_frames
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
    """Return the records of a data set; without a folder, those of a phantom that is drawn once.

    Args:
        dataset_dir: Any layout that ``striq.data.datasets.load_dataset`` reads; empty for the phantom.
        plane_names: Planes to keep; all if empty.
        work_dir: Folder for the phantom.
        seed: Of the phantom; another seed gives other subjects.
        scorer: Restricts the phantom to planes that this scorer knows.
        **options: Passed on to ``load_dataset``.

    Raises:
        DatasetError: If there is no usable data set or a plane is not in it.
    """
    if scorer is not None and not str(dataset_dir) and not plane_names:
        plane_names = planes_to_draw(scorer.planes)
    root = Path(dataset_dir) if str(dataset_dir) else _phantom(work_dir, seed, plane_names)
    return load_dataset(root, planes=tuple(plane_names) or None, **options)


def find_frames(dataset_dir: str | Path, work_dir: str | Path, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return one item per frame of a folder; without a folder, of a phantom that is drawn once.

    Args:
        dataset_dir: Files to score; empty for the phantom.
        work_dir: Folder for the phantom.
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
