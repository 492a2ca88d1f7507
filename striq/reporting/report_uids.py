"""Unique identifiers of the DICOM objects that STRIQ writes."""

from __future__ import annotations

import uuid

from pydicom.uid import UID

NAMESPACE = uuid.UUID("6f2f4a1e-0c43-4b0e-9a57-4b6a1d0b7c55")  # random, but fixed: UIDs are derived from it
ROOT = "2.25"  # of identifiers made of a UUID (PS3.5, B.2)


def derived_uid(*parts: object) -> UID:
    """Return the same identifier for the same parts (UUID version 5)."""
    return _uid(uuid.uuid5(NAMESPACE, "\n".join(map(str, parts))))


def new_uid() -> UID:
    """Return an identifier that no other object has."""
    return _uid(uuid.uuid4())


def _uid(number: uuid.UUID) -> UID:
    return UID(f"{ROOT}.{number.int}")
