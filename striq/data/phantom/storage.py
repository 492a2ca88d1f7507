"""Writing a phantom data set to a folder: images, the table of ratings, and the ground-truth transforms."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from striq.atomic_files import write_bytes, write_csv, write_json
from striq.data.phantom.phantom import PhantomFrame, make_phantom
from striq.data.phantom.planes import PHANTOM_PLANES, SYNTHETIC
from striq.data.phantom.scene import structure_boxes
from striq.data.structure_boxes import BOX_COLUMNS
from striq.errors import DatasetError

TABLE_NAME = "phantom.csv"
TRUTH_NAME = "phantom.json"
BOXES_NAME = "boxes.csv"
_COLUMNS = ("path", "plane", "group", "rating")


def write_phantom(
    folder: str | Path,
    num_subjects: int,
    frames_per_subject: int,
    *,
    planes: Sequence[str] = PHANTOM_PLANES,
    seed: int = 0,
    size: tuple[int, int] = (256, 256),
) -> Path:
    """Write a phantom data set and return the path of its table.

    Images are written to ``<plane>/subject_000/frame_00.png`` and so on. ``phantom.csv`` lists path (relative to the
    folder), plane, group and rating (the known quality). ``phantom.json`` adds the transform and the parameters of each
    frame, ``boxes.csv`` the boxes of the structures that it shows clearly. The table is written last, so a folder that
    has one is complete.

    Args:
        folder: Folder to write to; created if missing.
        num_subjects: Number of subjects per plane.
        frames_per_subject: Number of frames per subject and plane.
        planes: Names from ``PHANTOM_PLANES``, optionally with the prefix ``SYNTHETIC``, which the table then contains
            as well. It separates phantom planes from real planes in a model that knows both.
        seed: Seed of the subjects and frames.
        size: Height and width, pixels.

    Raises:
        DatasetError: If ``folder`` is a file.
        ValueError: If :func:`make_phantom` rejects an argument.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        msg = f"{root}: cannot write a phantom here. Expected a folder, got a file. Choose another path."
        raise DatasetError(msg)
    rendered = [name.removeprefix(SYNTHETIC) for name in planes]
    frames = make_phantom(num_subjects, frames_per_subject, planes=rendered, seed=seed, size=size)
    rows: list[tuple[str, ...]] = []
    boxes: list[tuple[object, ...]] = []
    truth: list[dict[str, object]] = []
    for index, frame in enumerate(frames):
        plane = planes[rendered.index(frame.plane)]
        group = f"subject_{index // frames_per_subject % num_subjects:03d}"
        path = f"{plane}/{group}/frame_{index % frames_per_subject:02d}.png"
        write_bytes(root / path, _png(frame))
        rows.append((path, plane, group, f"{frame.quality:.6f}"))
        truth.append({"path": path, "transform": frame.transform.tolist(), "parameters": asdict(frame.parameters)})
        boxes += [(path, name, *box) for name, box in structure_boxes(frame.parameters, size).items()]
    write_csv(root / BOXES_NAME, BOX_COLUMNS, boxes)
    write_json(root / TRUTH_NAME, {"seed": seed, "frames": truth})
    return write_csv(root / TABLE_NAME, _COLUMNS, rows)


def _png(frame: PhantomFrame) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()
