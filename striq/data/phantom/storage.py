"""Writing a phantom data set to a folder: pictures, the table of ratings and the known transforms."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from striq.data.phantom.phantom import PhantomFrame, make_phantom
from striq.data.phantom.planes import PHANTOM_PLANES, SYNTHETIC
from striq.errors import DatasetError

TABLE_NAME = "phantom.csv"
TRUTH_NAME = "phantom.json"
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

    Pictures go to ``<plane>/subject_000/frame_00.png``; ``phantom.csv`` lists path (relative to the folder), plane,
    group and rating (the known quality); ``phantom.json`` adds each frame's transform and parameters. The table is
    written last, so a folder that has one is complete.

    Args:
        folder: Where to write; made if absent.
        num_subjects: As in :func:`make_phantom`, like all that follow.
        frames_per_subject: Frames of each subject and plane.
        planes: Names out of ``PHANTOM_PLANES``, each as it is or marked by ``SYNTHETIC`` in front, which then goes
            into the table: a model of real and of drawn planes keeps them apart.
        seed: Another seed gives other subjects and other frames.
        size: Height and width in pixels.

    Raises:
        DatasetError: If ``folder`` is a file.
        ValueError: As :func:`make_phantom`.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        msg = f"{root}: cannot write a phantom here. Expected a folder, got a file. Name another folder."
        raise DatasetError(msg)
    drawn = [name.removeprefix(SYNTHETIC) for name in planes]
    frames = make_phantom(num_subjects, frames_per_subject, planes=drawn, seed=seed, size=size)
    rows, truth = [], []
    for index, frame in enumerate(frames):
        plane = planes[drawn.index(frame.plane)]
        group = f"subject_{index // frames_per_subject % num_subjects:03d}"
        path = f"{plane}/{group}/frame_{index % frames_per_subject:02d}.png"
        _write_atomically(root / path, _png(frame))
        rows.append((path, plane, group, f"{frame.quality:.6f}"))
        truth.append({"path": path, "transform": frame.transform.tolist(), "parameters": asdict(frame.parameters)})
    _write_atomically(root / TRUTH_NAME, json.dumps({"seed": seed, "frames": truth}, indent=1).encode())
    _write_atomically(root / TABLE_NAME, _table(rows))
    return root / TABLE_NAME


def _png(frame: PhantomFrame) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def _table(rows: Sequence[tuple[str, ...]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([_COLUMNS, *rows])
    return buffer.getvalue().encode()


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
