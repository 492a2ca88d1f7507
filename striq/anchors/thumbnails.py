"""Small pictures of a model's anchors, kept beside its checkpoint and never inside: what a frame is compared with.

Pictures show the frames a model was trained on. A model made of patients is passed on without the folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from striq.atomic_files import replacing

FOLDER = "anchors"
SIDE = 128  # pixels; a quarter of the pixels that the encoder sees


def write_thumbnails(root: Path, images: Mapping[str, Tensor]) -> None:
    """Write the pictures of planes' anchors in place of those before.

    Args:
        root: Folder of the checkpoint.
        images: By plane, prepared frames in the order of the bank, each ``(K, 1, H, W)``.
    """
    for plane, frames in images.items():
        for old in (root / FOLDER).glob(f"{plane}_[0-9][0-9].png"):
            old.unlink()
        for number, frame in enumerate(frames[:, 0]):
            gray = Image.fromarray((frame.cpu().numpy() * 255).round().astype(np.uint8))
            with replacing(_file(root, plane, number)) as stream:
                gray.resize((SIDE, SIDE), Image.Resampling.BOX).save(stream, format="PNG")


def find_thumbnail(model: Path, plane: str, number: int) -> NDArray[np.uint8] | None:
    """Return the picture of an anchor, cropped to its fan, shape ``(H, W)``, if the model came with one.

    Convention:
        - Pictures lie beside ``model.pt`` as ``anchors/<plane>_<number>.png``, numbered from 0 as in the bank.

    Args:
        model: A ``model.pt``, its folder, or a bundle.
        plane: Name of the plane.
        number: Place of the anchor in the bank.
    """
    files = (_file(root, plane, number) for root in _roots(model))
    found = next((file for file in files if file.is_file()), None)
    return None if found is None else np.array(Image.open(found).convert("L"))


def copy_thumbnails(model: Path, root: Path) -> None:
    """Copy a model's pictures, if it has any, beside a checkpoint that knows the same anchors.

    Args:
        model: A ``model.pt``, its folder, or a bundle.
        root: Folder of the other checkpoint.
    """
    for folder in _roots(model):
        for file in sorted((folder / FOLDER).glob("*.png")):
            with replacing(root / FOLDER / file.name) as stream, file.open("rb") as source:
                shutil.copyfileobj(source, stream)


def _roots(model: Path) -> tuple[Path, ...]:
    root = model.parent if model.is_file() else model
    return root, root / "models"


def _file(root: Path, plane: str, number: int) -> Path:
    return root / FOLDER / f"{plane}_{number:02d}.png"
