"""Ways to damage a file; each is decided by a random generator alone, so that a case can be made again."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable, Sequence

EXTREME_NUMBERS = (b"0", b"-1", b"1", b"7", b"255", b"65536", b"2147483647", b"4294967296", b"9" * 19, b"1e300", b"nan")
EXTREME_BYTES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff\xff\xff\xff", b"\xfe\xff")
HEADER_BYTES = 600  # most of what decides how a file is read lies in its first bytes


def damage(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a file with one to four damages.

    Args:
        content: Good file.
        others: Other good files, parts of which may be put in.
        chance: Makes all decisions.
    """
    packed = content[:2] == b"\x1f\x8b" and chance.random() < 0.5
    if packed:  # damaged inside, so that the damage reaches the reader of the format
        content = gzip.decompress(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        content = chance.choice(DAMAGES)(content, others, chance)
    return gzip.compress(content, 1) if packed else content


def _place(content: bytes, chance: random.Random) -> int:
    limit = HEADER_BYTES if chance.random() < 0.7 else len(content)
    return chance.randrange(max(1, min(limit, len(content))))


def _flip(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        if changed:
            changed[_place(content, chance)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _overwrite(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    place, part = _place(content, chance), chance.choice(EXTREME_BYTES)
    return content[:place] + part + content[place + len(part) :]


def _insert(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    place = _place(content, chance)
    return content[:place] + chance.randbytes(chance.choice((1, 2, 4, 64))) + content[place:]


def _remove(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    place = _place(content, chance)
    return content[:place] + content[place + chance.choice((1, 2, 4, 64, 1024)) :]


def _cut(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    return content[: _place(content, chance)]


def _repeat(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    del others
    place, length = _place(content, chance), chance.choice((4, 16, 256))
    return content[:place] + content[place : place + length] * chance.choice((2, 50)) + content[place:]


def _splice(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(others)
    return content[: _place(content, chance)] + other[_place(other, chance) :]


def _extreme_number(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Replace a number that is written as text in the header."""
    found = list(re.finditer(rb"(?<![\w.])-?\d+(\.\d+)?", content[:HEADER_BYTES]))
    if not found:
        return _overwrite(content, others, chance)
    match = chance.choice(found)
    return content[: match.start()] + chance.choice(EXTREME_NUMBERS) + content[match.end() :]


DAMAGES: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    _flip,
    _overwrite,
    _insert,
    _remove,
    _cut,
    _repeat,
    _splice,
    _extreme_number,
    _extreme_number,
)
