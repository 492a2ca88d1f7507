"""Pseudonyms of operators, without a stored key: names cannot be tried on the results."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from striq.audit.archive import ListedFile
from striq.audit.attributes import Attributes
from striq.audit.plan import ArchiveFile


def pseudonym(key: bytes, name: str) -> str:
    """Return the pseudonym of a name, from which the name cannot be found without the key."""
    return f"operator-{hmac.digest(key, name.encode(), 'sha256').hex()[:8]}"


class Pseudonyms:
    """Replaces names of operators; the same name gets the same pseudonym throughout an audit.

    The names behind the pseudonyms of an audit that grows are read from its files again. An operator all of whose
    files are gone or have changed gets another pseudonym.

    Args:
        planned: Files that have pseudonyms already.
        listed: Files as they are now.
    """

    def __init__(self, planned: Iterable[ArchiveFile], listed: Iterable[ListedFile]) -> None:
        self._planned, self._listed = planned, listed
        self._key = secrets.token_bytes(32)

    def hide(self, attributes: Attributes) -> Attributes:
        """Return attributes with a pseudonym in place of the operator's name."""
        name = attributes.operator
        if not name:
            return attributes
        return replace(attributes, operator=self._known.get(name, pseudonym(self._key, name)))

    @cached_property
    def _known(self) -> dict[str, str]:
        """Pseudonyms by name, from one unchanged file of each."""
        now = {(file.path, file.size, file.mtime_ns, file.stated_digest): file for file in self._listed}
        found: dict[str, str] = {}
        for file in self._planned:
            pseudonym = file.attributes.operator
            same = now.get((file.path, file.size, file.mtime_ns, file.stated))
            if pseudonym and same is not None and pseudonym not in found.values():
                found[same.origin().operator] = pseudonym
        return found
