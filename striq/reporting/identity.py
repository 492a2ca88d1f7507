"""Identity of the model that scored, as reports state it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from striq.policies.policy import Policy

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelIdentity:
    """A model and the threshold used with it.

    Attributes:
        name: Name of the bundle, or the file name of a checkpoint that is not the ``model.pt`` of a bundle.
        sha256: SHA-256 of the checkpoint.
        threshold: Quality that an accepted frame exceeds, where the policy states no other.
        version: Version of the bundle; empty for any other checkpoint.
        checkpoint: Its file, if it is at hand.
        policy: The policy by which frames are accepted; without one, the threshold alone counts.
    """

    name: str
    sha256: str
    threshold: float
    version: str = ""
    checkpoint: Path | None = field(default=None, compare=False)
    policy: Policy | None = None

    @property
    def settings(self) -> tuple[str, ...]:
        """All that verdicts depend on: the checkpoint, the threshold and the policy."""
        return (self.sha256, f"{self.threshold:g}", "" if self.policy is None else self.policy.sha256)

    @classmethod
    def of(cls, checkpoint: Path, threshold: float, policy: Policy | None = None) -> ModelIdentity:
        """Return the identity of a checkpoint, with the threshold and the policy used with it.

        Raises:
            OSError: If the checkpoint cannot be read.
        """
        name, version = _bundle_metadata(checkpoint)
        return cls(name or checkpoint.name, sha256_of(checkpoint), threshold, version, checkpoint, policy)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: If it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _bundle_metadata(checkpoint: Path) -> tuple[str, str]:
    """Return name and version of the bundle whose model this is; both are empty if it is not that of a bundle."""
    try:
        text = (checkpoint.absolute().parents[1] / "configs" / "metadata.json").read_text(encoding="utf-8")
        metadata = json.loads(text) if checkpoint.absolute().parts[-2:] == ("models", "model.pt") else {}
    except (OSError, ValueError, IndexError):
        return "", ""
    found = metadata if isinstance(metadata, dict) else {}
    return str(found.get("name", "")), str(found.get("version", ""))
