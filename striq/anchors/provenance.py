"""Provenance of anchors without names of patients: what a model says about where its anchors come from."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import replace

from striq.types import AnchorSource, FrameRecord

ANCHOR, NEGATIVE = "anchor", "negative"  # kinds of anchors in lists and on sheets
SALT_BYTES = 16
SHOWN_DIGITS = 12  # of a hash: enough to tell the frames of a model apart


def new_salt() -> bytes:
    """Return a salt that is never stored, so that names cannot be tried against the hashes in a model."""
    return secrets.token_bytes(SALT_BYTES)


def pseudonym(salt: bytes, text: str) -> str:
    """Return a salted hash of a text; equal texts under one salt have equal hashes."""
    return hmac.digest(salt, text.encode("utf-8", "surrogateescape"), "sha256").hex()[:SHOWN_DIGITS]


def anchor_source(record: FrameRecord, salt: bytes, *, keep_paths: bool = False) -> AnchorSource:
    """Return the provenance of an anchor: hashes of its path and of its group.

    Args:
        record: Frame of the anchor.
        salt: As :func:`new_salt` returned it, one for all anchors of a training.
        keep_paths: Add the name of the file, without folder and suffix, to the hash of the path: ``hash/stem``.
    """
    path = pseudonym(salt, str(record.path))
    if keep_paths:
        path = f"{path}/{record.path.name.partition('.')[0]}"
    return AnchorSource(path, pseudonym(salt, record.group), record.frame_index)


def without_names(sources: Sequence[Sequence[AnchorSource]]) -> list[list[AnchorSource]]:
    """Return the provenance of all anchors of a model, by plane, with paths and groups replaced by hashes."""
    salt = new_salt()
    return [
        [replace(s, path=pseudonym(salt, s.path), group=pseudonym(salt, s.group)) for s in plane] for plane in sources
    ]


def show_both_sides(sources: Sequence[AnchorSource]) -> bool:
    """Return whether anchors of a plane come in mirrored pairs, as of a plane that is recorded from both sides."""
    return len({source.frame for source in sources}) < len(sources)
