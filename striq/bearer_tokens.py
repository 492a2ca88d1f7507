"""Bearer tokens, which are kept in files."""

from __future__ import annotations

import hmac
from pathlib import Path

from striq.errors import StriqError


def read_token(file: str) -> str:
    """Return the token in a file, without white space around it.

    Raises:
        StriqError: If the file is empty or more than one line.
        OSError: If it cannot be read.
    """
    token = Path(file).read_text(encoding="utf-8").strip()
    if not token or not token.isprintable() or " " in token:
        msg = f"{file}: expected one token on one line, got {'nothing' if not token else 'more'}."
        raise StriqError(msg)
    return token


def authorization(file: str) -> dict[str, str]:
    """Return the header that carries the token of a file; nothing if no file is named."""
    return {"Authorization": f"Bearer {read_token(file)}"} if file else {}


def is_authorized(header: str, token: str) -> bool:
    """Return whether a header carries a token; takes the same time for every wrong one."""
    return hmac.compare_digest(header.encode("utf-8", "replace"), f"Bearer {token}".encode())
