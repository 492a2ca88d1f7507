"""Change of the threshold stored in a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striq.config import StriqConfig
from striq.errors import CheckpointError
from striq.scoring.checkpoint import READABLE_VERSIONS, read_checkpoint, write_checkpoint

INFO_KEY = "threshold"  # where a model's ``info`` says what its threshold comes from


def store_threshold(file: Path, threshold: float, origin: str) -> float:
    """Store a threshold in a checkpoint, atomically, and return the one it replaces; all else stays as it is.

    Args:
        file: A ``model.pt``.
        threshold: Quality that an accepted frame exceeds, 0 to 1.
        origin: Where it comes from; becomes ``info["threshold"]``.

    Raises:
        CheckpointError: If the file is not a checkpoint of a version that this program reads.
        ValueError: If the threshold is not in [0, 1].
    """
    if not 0.0 <= threshold <= 1.0:
        msg = f"'threshold' must be from 0 to 1, got {threshold}."
        raise ValueError(msg)
    state = read_checkpoint(file)
    extra: dict[str, Any] = state.get("_extra_state") or {}
    if extra.get("format_version") not in READABLE_VERSIONS:
        msg = f"{file}: not a STRIQ checkpoint that this program reads. Expected a model.pt written by STRIQ."
        raise CheckpointError(msg)
    config = extra["config"]
    before = StriqConfig.from_dict(config).quality.threshold
    changed = {
        **extra,
        "config": {**config, "quality": {**config["quality"], "threshold": threshold}},
        "info": {**extra["info"], INFO_KEY: origin},
    }
    write_checkpoint(file, {**state, "_extra_state": changed})
    return before
