"""Short names of studies, which are identifiers of up to 64 digits or paths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

UID = re.compile(r"[0-9.]{17,}")
SHORTEST_TAIL, LONGEST_UID = 8, 64  # characters


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return a short name for each name: the end of an identifier, the file of a path; distinct among these.

    Example:
        >>> short_names(["1.2.826.0.1.3680043.8.498.1234", "1.2.3", "/archive/a.png"])
        {'1.2.826.0.1.3680043.8.498.1234': '…498.1234', '1.2.3': '1.2.3', '/archive/a.png': 'a.png'}
    """
    distinct = list(dict.fromkeys(names))
    uids = [name for name in distinct if UID.fullmatch(name)]
    lengths = range(SHORTEST_TAIL, LONGEST_UID)
    length = next((n for n in lengths if len({_short(uid, n) for uid in uids}) == len(uids)), LONGEST_UID)
    short = {name: _short(name, length) for name in distinct}
    counts = Counter(short.values())
    return {name: name if counts[one] > 1 else one for name, one in short.items()}


def _short(name: str, length: int) -> str:
    if UID.fullmatch(name):
        return name if len(name) <= length + 1 else f"…{name[-length:]}"
    return PurePath(name).name or name
