"""What a report says about the model that scored."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelIdentity:
    """A model and how its scores were judged.

    Attributes:
        name: Name of the bundle, or of the checkpoint's file.
        sha256: Of the checkpoint's bytes.
        threshold: Quality above which a frame was accepted.
        version: That of the bundle; empty for a checkpoint by itself.
    """

    name: str
    sha256: str
    threshold: float
    version: str = ""

    @classmethod
    def of(cls, checkpoint: Path, threshold: float) -> ModelIdentity:
        """Return the identity of a checkpoint.

        Raises:
            OSError: If it cannot be read.
        """
        name, version = _bundle_says(checkpoint)
        return cls(name or checkpoint.name, _sha256(checkpoint), threshold, version)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _bundle_says(checkpoint: Path) -> tuple[str, str]:
    """Return name and version of the bundle whose ``models`` folder holds the checkpoint; empty where there is none."""
    try:
        text = (checkpoint.absolute().parents[1] / "configs" / "metadata.json").read_text(encoding="utf-8")
        metadata = json.loads(text) if checkpoint.absolute().parent.name == "models" else {}
    except (OSError, ValueError, IndexError):
        return "", ""
    found = metadata if isinstance(metadata, dict) else {}
    return str(found.get("name", "")), str(found.get("version", ""))
