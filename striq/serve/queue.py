"""The queue of received objects: from their arrival to the report of their study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from time import time
from typing import Any

from striq.serve.database import Database

MAX_CRASHES = 3  # of a worker by one object; then it is a dead letter


class ObjectState(str, Enum):
    """Where an object is on its way."""

    WAITING = "waiting"
    SCORING = "scoring"
    SCORED = "scored"
    DEAD = "dead"


@dataclass(frozen=True)
class Arrival:
    """What is known of an object when it arrives.

    Attributes:
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        instance_uid: SOPInstanceUID.
        digest: SHA-256 of the data set.
        size: Bytes of the file.
        origin: How it came: ``storage``, ``folder`` or the name of a DICOMweb server.
    """

    study_uid: str
    series_uid: str
    instance_uid: str
    digest: str
    size: int
    origin: str


@dataclass(frozen=True)
class QueuedObject:
    """An object of the queue.

    Attributes:
        number: Its number in the queue.
        study: Number of its study.
        study_uid: StudyInstanceUID.
        instance_uid: SOPInstanceUID.
        digest: SHA-256 of the data set.
        received: Time of arrival, seconds since 1970.
        error: Why it is a dead letter; empty if it is none.
    """

    number: int
    study: int
    study_uid: str
    instance_uid: str
    digest: str
    received: float
    error: str = ""


@dataclass(frozen=True)
class DueStudy:
    """A study that is complete and is to be reported.

    Attributes:
        number: Its number in the queue.
        uid: StudyInstanceUID.
        revision: Number of this report, from 1.
        last_received: Time of the last arrival, seconds since 1970.
        first_received: Time of the first arrival.
    """

    number: int
    uid: str
    revision: int
    last_received: float
    first_received: float


OBJECT_COLUMNS = (
    "objects.number, objects.study, studies.uid AS study_uid, objects.instance_uid, objects.digest, objects.received, "
    "objects.error"
)


class Queue:
    """States of objects and studies.

    Args:
        database: The database.
        now: Returns the time in seconds since 1970.
    """

    def __init__(self, database: Database, now: Callable[[], float] = time) -> None:
        self.database, self.now = database, now

    def recover(self) -> int:
        """Put objects back that were being scored when the service ended, and return how many.

        They are scored after all others, so that one that ends the service does not keep the others waiting.
        """
        with self.database.transaction() as connection:
            return connection.execute(
                "UPDATE objects SET state = 'waiting', interruptions = interruptions + 1 WHERE state = 'scoring'"
            ).rowcount

    def has(self, instance_uid: str, digest: str | None = None) -> bool:
        """Return whether an object was received before; without a digest, any content of that instance counts."""
        query, values = "SELECT 1 FROM objects WHERE instance_uid = ?", [instance_uid]
        if digest is not None:
            query, values = f"{query} AND digest = ?", [instance_uid, digest]
        return bool(self.database.read(f"{query} LIMIT 1", values))

    def count_of_series(self, series_uid: str) -> int:
        """Return how many instances of a series were received."""
        query = "SELECT COUNT(DISTINCT instance_uid) AS count FROM objects WHERE series_uid = ?"
        return self.database.read(query, [series_uid])[0]["count"]

    def add(self, arrival: Arrival) -> bool:
        """Add an object whose file is in its place; return whether it is new."""
        now = self.now()
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO studies (uid, first_received, last_received) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [arrival.study_uid, now, now],
            )
            (study,) = connection.execute("SELECT number FROM studies WHERE uid = ?", [arrival.study_uid]).fetchone()
            is_new = connection.execute(
                "INSERT INTO objects (study, instance_uid, series_uid, digest, size, received, origin) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    study,
                    arrival.instance_uid,
                    arrival.series_uid,
                    arrival.digest,
                    arrival.size,
                    now,
                    arrival.origin,
                ],
            ).rowcount
            if is_new:
                connection.execute("UPDATE studies SET last_received = ? WHERE number = ?", [now, study])
        return bool(is_new)

    def take(self) -> QueuedObject | None:
        """Return the next object to score and mark it; ``None`` if none waits. The newest study comes first."""
        if not self.database.read("SELECT 1 FROM objects WHERE state = 'waiting' LIMIT 1"):
            return None
        with self.database.transaction() as connection:
            row = connection.execute(
                f"SELECT {OBJECT_COLUMNS} FROM objects JOIN studies ON studies.number = objects.study "
                "WHERE objects.state = 'waiting' "
                "ORDER BY objects.interruptions + objects.crashes, studies.last_received DESC, objects.number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            connection.execute("UPDATE objects SET state = 'scoring' WHERE number = ?", [row["number"]])
        return QueuedObject(**dict(row))

    def finish(self, number: int) -> None:
        """Mark an object as scored; its scores are on disk."""
        self._set(number, ObjectState.SCORED)

    def give_back(self, number: int) -> None:
        """Let an object wait again whose scoring was ended from outside."""
        self._set(number, ObjectState.WAITING)

    def count_crash(self, number: int, error: str) -> bool:
        """Count a crash of a worker by an object; return whether the object is a dead letter now."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE objects SET crashes = crashes + 1, error = ?, "
                "state = CASE WHEN crashes + 1 >= ? THEN 'dead' ELSE 'waiting' END WHERE number = ?",
                [error, MAX_CRASHES, number],
            )
            row = connection.execute("SELECT state FROM objects WHERE number = ?", [number]).fetchone()
        return row["state"] == ObjectState.DEAD.value

    def count_report_crash(self, study: int, error: str) -> bool:
        """Count a crash of a worker by the reports of a study; return whether its objects are dead letters now."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE studies SET crashes = crashes + 1 WHERE number = ?", [study])
            (crashes,) = connection.execute("SELECT crashes FROM studies WHERE number = ?", [study]).fetchone()
            if crashes < MAX_CRASHES:
                return False
            connection.execute(
                "UPDATE objects SET state = 'dead', error = ? WHERE study = ? AND revision = 0", [error, study]
            )
            connection.execute("UPDATE studies SET crashes = 0 WHERE number = ?", [study])
        return True

    def _set(self, number: int, state: ObjectState) -> None:
        with self.database.transaction() as connection:
            connection.execute("UPDATE objects SET state = ?, error = '' WHERE number = ?", [state.value, number])

    def due_studies(self, quiet_s: float) -> list[DueStudy]:
        """Return the studies to report, the newest first: scored, and without a new object for some seconds."""
        rows = self.database.read(
            "SELECT number, uid, revision + 1 AS revision, last_received, first_received FROM studies WHERE number IN "
            "(SELECT study FROM objects WHERE revision = 0 GROUP BY study HAVING SUM(state = 'scored') > 0 "
            "AND SUM(state IN ('waiting', 'scoring')) = 0) AND last_received <= ? ORDER BY last_received DESC",
            [self.now() - quiet_s],
        )
        return [DueStudy(**dict(row)) for row in rows]

    def scored_objects(self, study: int, *, unreported: bool = False) -> list[QueuedObject]:
        """Return the scored objects of a study whose files are there, in the order of their arrival."""
        only = "AND objects.revision = 0" if unreported else ""
        return self._objects(f"objects.study = ? AND objects.state = 'scored' AND objects.is_kept {only}", [study])

    def dead_objects(self) -> list[QueuedObject]:
        """Return the objects that are dead letters."""
        return self._objects("objects.state = 'dead'", [])

    def count_dead(self, study: int) -> int:
        """Return how many objects of a study are dead letters."""
        query = "SELECT COUNT(*) AS count FROM objects WHERE study = ? AND state = 'dead'"
        return self.database.read(query, [study])[0]["count"]

    def _objects(self, condition: str, values: Sequence[Any]) -> list[QueuedObject]:
        rows = self.database.read(
            f"SELECT {OBJECT_COLUMNS} FROM objects JOIN studies ON studies.number = objects.study "
            f"WHERE {condition} ORDER BY objects.number",
            values,
        )
        return [QueuedObject(**dict(row)) for row in rows]

    def retry_dead(self) -> int:
        """Let dead letters among the objects be scored again, and return how many."""
        with self.database.transaction() as connection:
            return connection.execute(
                "UPDATE objects SET state = 'waiting', crashes = 0, interruptions = 0 WHERE state = 'dead' AND is_kept"
            ).rowcount

    def counts(self) -> dict[str, int]:
        """Return the number of objects by state."""
        rows = self.database.read("SELECT state, COUNT(*) AS count FROM objects GROUP BY state")
        return {state.value: 0 for state in ObjectState} | {row["state"]: row["count"] for row in rows}
