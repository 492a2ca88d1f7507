"""What a report says about the model that scored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelIdentity:
    """A model and how its scores were judged.

    Attributes:
        name: Name of the checkpoint.
        sha256: Of its bytes.
        threshold: Quality above which a frame was accepted.
    """

    name: str
    sha256: str
    threshold: float

    @classmethod
    def of(cls, checkpoint: Path, threshold: float) -> ModelIdentity:
        """Return the identity of a checkpoint."""
        return cls(checkpoint.name, hashlib.sha256(checkpoint.read_bytes()).hexdigest(), threshold)
