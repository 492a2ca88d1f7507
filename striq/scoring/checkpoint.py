"""Checkpoint files: where they are, reading and writing; they hold tensors and plain containers, never code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striq.atomic_files import replacing
from striq.errors import CheckpointError
from striq.model.tensor_files import read_tensors
from striq.plane_names import did_you_mean
from striq.shipped_models import NAMED, is_shipped_name

FORMAT_VERSION = 9
# Format 4 holds the weights of four terms without their names; formats 4 and 5 hold no stability of the anchors.
# Format 6 measured two terms in another way, so its ranges are not those of the terms. Formats before 8 have no
# negative anchors, those before 9 center features for matching by the plane alone.
READABLE_VERSIONS = (4, 5, 7, 8, 9)
EVIDENCE, NEGATIVES = "evidence_range", "negatives."
# Beginnings of the names of buffers, and the first format that has them.
NEW_BUFFERS = {"bank.stability": 6, "bank.structure_": 6, EVIDENCE: 6, NEGATIVES: 8}


def default_checkpoint() -> Path:
    """Return where the shipped model lies: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "bundle" / "models" / "model.pt"
    return installed if installed.is_file() else package.parent / "monai_bundle" / "models" / "model.pt"


def find_checkpoint(path: str | Path | None = None) -> Path:
    """Return the file of a model.

    Args:
        path: A ``model.pt``, a bundle that holds ``models/model.pt``, or a folder that ``striq train`` wrote; the
            shipped bundle by default; or ``"light"``, the light model that is shipped, unless a file or folder of
            the working directory is called so.

    Raises:
        CheckpointError: If there is none.
    """
    if path is not None and is_shipped_name(path):
        return _named_checkpoint(str(path))
    file = default_checkpoint() if path is None else Path(path)
    if file.is_dir():  # a bundle, or a training run
        file = file / "models" / "model.pt" if (file / "models").is_dir() else file / "model.pt"
    if not file.is_file():
        msg = (
            f"{file}: no model there.{_hint('' if path is None else str(path))} "
            "Give --model a model.pt or a bundle folder, or make one with 'striq train'."
        )
        raise CheckpointError(msg)
    return file


def _named_checkpoint(name: str) -> Path:
    file = default_checkpoint().with_name(NAMED[name])
    if not file.is_file():
        msg = (
            f"{file}: this version of STRIQ comes without the model {name!r}. Install a later version, or give --model "
            "a model.pt or a bundle folder."
        )
        raise CheckpointError(msg)
    return file


def _hint(given: str) -> str:
    """Return a sentence, after a space, on the shipped model that was probably meant; empty if there is none."""
    if given in NAMED:
        return f" A file or folder of the name {given!r} is used instead of the shipped model."
    return did_you_mean(given, tuple(NAMED))


def buffers_since(version: int) -> tuple[str, ...]:
    """Return the beginnings of the names of buffers that a format lacks."""
    return tuple(beginning for beginning, first in NEW_BUFFERS.items() if first > version)


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Return the state dict in a file.

    Raises:
        CheckpointError: If it cannot be read.
    """
    return read_tensors(file, "a model.pt written by STRIQ")


def write_checkpoint(path: str | Path, state: Mapping[str, Any]) -> Path:
    """Write a state dict atomically and return its path; tensors that lose nothing by it in half precision."""
    with replacing(path) as stream:
        torch.save({name: _halved(value) for name, value in state.items()}, stream)
    return Path(path)


def _halved(value: Any) -> Any:
    if not isinstance(value, Tensor) or value.dtype != torch.float32:
        return value
    half = value.half()
    return half if torch.equal(half.float(), value) else value
