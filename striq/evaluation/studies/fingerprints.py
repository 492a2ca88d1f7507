"""Fingerprints of settings and frames, so that a result stored for others is not taken for the one asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striq.errors import StriqError
from striq.types import FrameRecord


def digest(values: Any) -> str:
    """Return a short text that differs where plain values differ."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def fingerprint(records: Sequence[FrameRecord]) -> str:
    """Return the digest of frames: their files, planes, groups and ratings."""
    return digest([("/".join(r.path.parts[-3:]), r.plane, r.group, r.frame_index, r.rating) for r in records])


def check_fingerprint(stored: object, wanted: object, path: Path) -> None:
    """Refuse a stored result whose fingerprint is another.

    Raises:
        StriqError: If the two differ.
    """
    if stored != wanted:
        msg = f"{path} was made with other frames, epochs or settings. Give another --out, or remove it."
        raise StriqError(msg)
