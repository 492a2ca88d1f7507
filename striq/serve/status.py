"""What is in the queue and what are dead letters, and another try of these; beside the running service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from striq.errors import StriqError
from striq.serve.database import Database
from striq.serve.layout import Layout
from striq.serve.outbox import Outbox
from striq.serve.queue import Queue
from striq.serve.retention import Expiry
from striq.serve.settings import ServeSettings


def queue_status(settings: ServeSettings) -> dict[str, Any]:
    """Return counts and dead letters.

    Raises:
        StriqError: If there is no queue.
    """
    queue, outbox = _open(settings)
    items: dict[str, dict[str, int]] = {}
    for (destination, state), count in outbox.counts().items():
        items.setdefault(destination, {})[state] = count
    objects = [
        {"object": one.number, "study_uid": one.study_uid, "instance_uid": one.instance_uid, "error": one.error}
        for one in queue.dead_objects()
    ]
    sendings = [
        {"item": one.number, "kind": one.kind, "destination": one.destination, "path": one.path, "error": one.error}
        for one in outbox.dead()
    ]
    counts = queue.counts()
    queue.database.close()
    return {"objects": counts, "outbox": items, "dead_objects": objects, "dead_items": sendings}


def status_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the status as lines for people."""
    yield "Objects: " + ", ".join(f"{count} {state}" for state, count in found["objects"].items())
    for destination, counts in found["outbox"].items():
        yield f"{destination}: " + ", ".join(f"{count} {state}" for state, count in counts.items())
    for one in found["dead_objects"]:
        yield f"dead object {one['object']}: {one['instance_uid']} of study {one['study_uid']}: {one['error']}"
    for one in found["dead_items"]:
        yield f"dead {one['kind']} {one['item']} to {one['destination']}: {one['path']}: {one['error']}"


def retry_dead_letters(settings: ServeSettings) -> tuple[int, int]:
    """Let dead letters be tried again; return how many objects and how many items to be sent.

    Raises:
        StriqError: If there is no queue.
    """
    queue, outbox = _open(settings)
    found = queue.retry_dead(), outbox.retry_all()
    queue.database.close()
    return found


def expired_files(settings: ServeSettings) -> list[Path]:
    """Return the pages and Parquet files that the service would remove by age now.

    Raises:
        StriqError: If there is no queue.
    """
    queue, _ = _open(settings)
    pages, tables = Expiry(Layout(settings.root), queue.database, settings.retention).find()
    queue.database.close()
    return [*pages, *tables]


def _open(settings: ServeSettings) -> tuple[Queue, Outbox]:
    layout = Layout(settings.root)
    if not layout.database.is_file():
        msg = f"{layout.database}: there is no queue. Start the service first, or check 'folder'."
        raise StriqError(msg)
    database = Database(layout.database)
    return Queue(database), Outbox(database, settings.retry)
