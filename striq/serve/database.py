"""The queue's database: SQLite with a write-ahead log; what is committed survives a kill and a loss of power."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from striq.errors import StriqError

VERSION = 1
SYNCHRONOUS = "FULL"  # each commit is on disk before it returns
BUSY_S = 30.0  # for a second program, such as 'striq serve --retry'
SCHEMA = """
CREATE TABLE studies (
    number INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    first_received REAL NOT NULL,
    last_received REAL NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0,     -- how often the study was reported
    crashes INTEGER NOT NULL DEFAULT 0       -- of workers that wrote its reports
);
CREATE TABLE objects (
    number INTEGER PRIMARY KEY,
    study INTEGER NOT NULL REFERENCES studies (number),
    instance_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    received REAL NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',   -- waiting, scoring, scored, dead
    revision INTEGER NOT NULL DEFAULT 0,     -- of the study in which it was reported; 0: not yet
    crashes INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    is_kept INTEGER NOT NULL DEFAULT 1,      -- whether its file is still there
    UNIQUE (instance_uid, digest)
);
CREATE INDEX objects_by_state ON objects (state);
CREATE INDEX objects_by_study ON objects (study);
CREATE INDEX objects_by_series ON objects (series_uid);
CREATE INDEX objects_unreported ON objects (study) WHERE revision = 0;
CREATE INDEX objects_kept ON objects (study) WHERE is_kept;
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY,
    study INTEGER NOT NULL REFERENCES studies (number),
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,                      -- report, key_objects, webhook
    destination TEXT NOT NULL,
    instance_uid TEXT NOT NULL,
    path TEXT NOT NULL,                      -- below the folder of the service
    created REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',   -- pending, sent, dead
    attempts INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    next_attempt REAL NOT NULL DEFAULT 0,
    finished REAL,
    error TEXT NOT NULL DEFAULT '',
    UNIQUE (destination, instance_uid)
);
CREATE INDEX outbox_by_state ON outbox (state, destination, next_attempt);
CREATE INDEX outbox_by_study ON outbox (study);
CREATE TABLE seen_files (path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL);
"""


class Database:
    """A connection to the queue that threads share; each transaction is exclusive.

    Args:
        path: File; created if it does not exist.

    Raises:
        StriqError: If the file is no queue, or of another version of STRIQ.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            msg = f"{path}: the queue cannot be opened ({error}). Restore the folder from a backup, or name another."
            raise StriqError(msg) from error

    def _prepare(self, path: Path) -> None:
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in filter(str.strip, SCHEMA.split(";\n")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                msg = f"{path}: expected a queue of version {VERSION}, got {version}. Use the STRIQ that wrote it."
                raise StriqError(msg)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """Yield the connection within a transaction, which is committed if the block ends well."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self.commit()

    def commit(self) -> None:
        """Commit the transaction; tests replace this to end the program before or after it."""
        self._connection.execute("COMMIT")

    def read(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
