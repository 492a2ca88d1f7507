"""What is to be sent: each item once to each destination, until it is sent or a dead letter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time

from striq.serve.database import Database
from striq.serve.queue import DueStudy
from striq.serve.settings import Retry

REPORT, KEY_OBJECTS, WEBHOOK = "report", "key_objects", "webhook"
MAX_DOUBLINGS = 30


@dataclass(frozen=True)
class Item:
    """A file to be sent.

    Attributes:
        kind: ``report``, ``key_objects`` or ``webhook``.
        instance_uid: SOPInstanceUID of the file, or the identifier of a message.
        path: The file, relative to the folder of the service.
    """

    kind: str
    instance_uid: str
    path: str


@dataclass(frozen=True)
class Sending:
    """An item on its way to one destination.

    Attributes:
        number: Its number in the outbox.
        study: Number of the study.
        kind: As of :class:`Item`.
        destination: Name of the destination.
        instance_uid: As of :class:`Item`.
        path: As of :class:`Item`.
        attempts: How often it was tried.
        refusals: How often the destination refused it.
        created: When it was written, seconds since 1970.
        error: Why the last attempt failed.
    """

    number: int
    study: int
    kind: str
    destination: str
    instance_uid: str
    path: str
    attempts: int
    refusals: int
    created: float
    error: str


COLUMNS = "number, study, kind, destination, instance_uid, path, attempts, refusals, created, error"


class Outbox:
    """States of the items to be sent.

    Args:
        database: The database.
        retry: When sending is tried again.
        now: Returns the time in seconds since 1970.
    """

    def __init__(self, database: Database, retry: Retry, now: Callable[[], float] = time) -> None:
        self.database, self.retry, self.now = database, retry, now

    def report_study(self, study: DueStudy, objects: Sequence[int], addressed: Sequence[tuple[str, Item]]) -> None:
        """Mark objects as reported and put the reports into the outbox, in one transaction.

        An item that was put there before, by its destination and its UID, is not put there again.

        Args:
            study: The study.
            objects: Numbers of the objects that are reported now.
            addressed: Pairs of destination and item.
        """
        now = self.now()
        with self.database.transaction() as connection:
            connection.executemany(
                "UPDATE objects SET revision = ? WHERE number = ?", [(study.revision, number) for number in objects]
            )
            connection.execute(
                "UPDATE studies SET revision = ?, crashes = 0 WHERE number = ?", [study.revision, study.number]
            )
            connection.executemany(
                "INSERT INTO outbox (study, revision, kind, destination, instance_uid, path, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (study.number, study.revision, item.kind, destination, item.instance_uid, item.path, now)
                    for destination, item in addressed
                ],
            )

    def due(self, destination: str, limit: int = 100) -> list[Sending]:
        """Return the items that are to be sent to a destination now; those that failed come last."""
        rows = self.database.read(
            f"SELECT {COLUMNS} FROM outbox WHERE state = 'pending' AND destination = ? AND next_attempt <= ? "
            "ORDER BY attempts, number LIMIT ?",
            [destination, self.now(), limit],
        )
        return [Sending(**dict(row)) for row in rows]

    def mark_sent(self, number: int) -> None:
        """Note that an item has been taken by its destination."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE outbox SET state = 'sent', attempts = attempts + 1, finished = ?, error = '' WHERE number = ?",
                [self.now(), number],
            )

    def postpone(self, sending: Sending, error: str, *, refused: bool) -> bool:
        """Note that an attempt failed; return whether the item is a dead letter now.

        Args:
            sending: The item.
            error: Why the attempt failed.
            refused: Whether the destination was reached and refused the item; else it is tried without end.
        """
        refusals = sending.refusals + refused
        is_dead = refusals >= self.retry.refusals
        wait = min(self.retry.first_s * 2 ** min(sending.attempts, MAX_DOUBLINGS), self.retry.longest_s)
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE outbox SET state = ?, attempts = attempts + 1, refusals = ?, next_attempt = ?, error = ? "
                "WHERE number = ?",
                ["dead" if is_dead else "pending", refusals, self.now() + wait, error, sending.number],
            )
        return is_dead

    def dead(self) -> list[Sending]:
        """Return the dead letters."""
        rows = self.database.read(f"SELECT {COLUMNS} FROM outbox WHERE state = 'dead' ORDER BY number")
        return [Sending(**dict(row)) for row in rows]

    def retry_all(self) -> int:
        """Send dead letters again, and all that waits at once; return how many were dead letters."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE outbox SET next_attempt = 0 WHERE state = 'pending'")
            return connection.execute(
                "UPDATE outbox SET state = 'pending', refusals = 0, attempts = 0, next_attempt = 0 WHERE state = 'dead'"
            ).rowcount

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of items by destination and state."""
        query = "SELECT destination, state, COUNT(*) AS count FROM outbox GROUP BY destination, state"
        return {(row["destination"], row["state"]): row["count"] for row in self.database.read(query)}
