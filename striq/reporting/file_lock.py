"""Exclusive lock of a file that a program writes; the operating system releases it however the program ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Any

from striq.errors import StriqError


def lock(path: Path) -> IO[bytes]:
    """Open a file for reading and writing, unbuffered, and lock it; it is created if it does not exist.

    Raises:
        StriqError: If another program has locked it.
        OSError: If it cannot be opened.
    """
    while True:
        stream: Any = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b", 0)
        try:
            _lock(stream)
        except OSError as error:
            stream.close()
            msg = f"{path}: another run is writing this table. Wait for it, or name another file."
            raise StriqError(msg) from error
        if _is_open_at(stream, path):
            return stream
        stream.close()  # the run before has just renamed it


def _is_open_at(stream: IO[bytes], path: Path) -> bool:
    return path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat())


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> None:
        # A byte far behind the content, because others may not read a locked byte.
        stream.seek(2**62)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        stream.seek(0)

else:
    import fcntl

    def _lock(stream: IO[bytes]) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
