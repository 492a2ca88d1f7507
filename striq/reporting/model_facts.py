"""What identifies a model: its file, its checksum, and the name and version its bundle gives it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CHECKPOINT = "model.pt"


def model_facts(path: str | Path) -> dict[str, str | None]:
    """Return ``file``, ``sha256``, and from a bundle's metadata ``name`` and ``version``, ``None`` without a bundle.

    Args:
        path: A ``model.pt``, its folder, or a bundle.
    """
    file = _checkpoint(Path(path))
    metadata = _metadata(file)
    return {
        "file": str(file),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "name": metadata.get("name"),
        "version": metadata.get("version"),
    }


def _checkpoint(path: Path) -> Path:
    if not path.is_dir():
        return path
    inside = path / "models" / CHECKPOINT
    return inside if inside.is_file() else path / CHECKPOINT


def _metadata(file: Path) -> dict[str, str]:
    """Return the metadata of the bundle that a checkpoint lies in; a damaged file is not worth failing for."""
    try:
        found = json.loads((file.parent.parent / "configs" / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
