"""Thumbnails of a model's anchors, stored in a folder beside the checkpoint.

Thumbnails show frames that the model was trained on. If these are of patients, do not share the folder with the model.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from striq.anchors.provenance import ANCHOR, NEGATIVE
from striq.atomic_files import replacing, write_bytes

FOLDER = "anchors"
ENDINGS = {ANCHOR: ".png", NEGATIVE: "_negative.png"}  # of the files by kind of anchor
SIDE = 128  # pixels; the encoder's input has 256


def write_thumbnails(root: Path, images: Mapping[str, Tensor], kind: str = ANCHOR) -> None:
    """Replace the thumbnails of the given planes.

    Args:
        root: Folder of the checkpoint.
        images: Prepared frames of each plane's anchors, in the order of the bank, each ``(K, 1, H, W)``.
        kind: Kind of the anchors, one of ``ENDINGS``.
    """
    for plane, frames in images.items():
        _remove(root, plane, kind)
        for number, frame in enumerate(frames[:, 0]):
            with replacing(_file(root, plane, number, kind)) as stream:
                as_picture(frame).save(stream, format="PNG")


def as_picture(frame: Tensor) -> Image.Image:
    """Return a prepared frame, shape ``(H, W)``, as the gray picture of a thumbnail."""
    gray = Image.fromarray((frame.cpu().numpy() * 255).round().astype(np.uint8))
    return gray.resize((SIDE, SIDE), Image.Resampling.BOX)


def find_thumbnail(model: Path, plane: str, number: int, kind: str = ANCHOR) -> NDArray[np.uint8] | None:
    """Return the thumbnail of an anchor, cropped to its fan, shape ``(H, W)``; ``None`` if the model has none.

    Convention:
        - Thumbnails are stored beside ``model.pt`` as ``anchors/<plane>_<number>.png``, numbered from 0 as in the bank.
        - Those of negative anchors are ``anchors/<plane>_<number>_negative.png``.

    Args:
        model: A ``model.pt``, its folder, or a bundle.
        plane: Name of the plane.
        number: Index of the anchor in its bank.
        kind: Kind of the anchor, one of ``ENDINGS``.
    """
    file = _find_file(model, plane, number, kind)
    return None if file is None else np.array(Image.open(file).convert("L"))


def copy_thumbnails(model: Path, root: Path, planes: Sequence[str]) -> None:
    """Copy a model's thumbnails of some planes, if it has any, to the folder of a checkpoint with the same anchors.

    Args:
        model: A ``model.pt``, its folder, or a bundle.
        root: Folder of the other checkpoint.
        planes: Planes of both models; thumbnails of others, which a model beside it may have, are left.
    """
    names = [f"{plane}_[0-9][0-9]{ending}" for plane in planes for ending in ENDINGS.values()]
    for folder in _roots(model):
        for file in sorted(file for name in names for file in (folder / FOLDER).glob(name)):
            with replacing(root / FOLDER / file.name) as stream, file.open("rb") as source:
                shutil.copyfileobj(source, stream)


def copy_kept_thumbnails(model: Path, root: Path, plane: str, numbers: Sequence[int], kind: str = ANCHOR) -> None:
    """Replace a plane's thumbnails in the folder of a checkpoint that keeps some anchors of a model.

    Args:
        model: A ``model.pt``, its folder, or a bundle.
        root: Folder of the other checkpoint.
        plane: Name of the plane.
        numbers: Numbers, in the model, of the anchors that are kept.
        kind: Kind of the anchors, one of ``ENDINGS``.
    """
    _remove(root, plane, kind)
    for number, earlier in enumerate(numbers):
        file = _find_file(model, plane, earlier, kind)
        if file is not None:
            write_bytes(_file(root, plane, number, kind), file.read_bytes())


def _find_file(model: Path, plane: str, number: int, kind: str) -> Path | None:
    files = (_file(root, plane, number, kind) for root in _roots(model))
    return next((file for file in files if file.is_file()), None)


def _remove(root: Path, plane: str, kind: str) -> None:
    for old in (root / FOLDER).glob(f"{plane}_[0-9][0-9]{ENDINGS[kind]}"):
        old.unlink()


def _roots(model: Path) -> tuple[Path, ...]:
    root = model.parent if model.is_file() else model
    return root, root / "models"


def _file(root: Path, plane: str, number: int, kind: str) -> Path:
    return root / FOLDER / f"{plane}_{number:02d}{ENDINGS[kind]}"
