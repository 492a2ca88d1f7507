"""Scoring processes of a server, one for each client, and the files that they exchange."""

from __future__ import annotations

import queue
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from striq.errors import StriqError
from striq.service.http_protocol import MAPS, SENT_FIELDS, WITH_FRAMES
from striq.service.process import LAST_EVENTS, Answer, EndedError, Process, ServiceError

REAP_S = 1.0  # between two looks for sessions that nobody uses
STOP_S = 1.0


class Session:
    """One scoring process with a folder for pictures and maps.

    Args:
        process: The process.
        model: Model that it loads; ``None`` for the shipped one.
    """

    def __init__(self, process: Process, model: str | None) -> None:
        self._process, self._model = process, model
        self._folder = Path(tempfile.mkdtemp(prefix="striq-session-"))
        self._files: dict[str, Path] = {}  # that the client may fetch
        self._pictures: dict[object, Path] = {}  # by the number of their command
        self._lock = threading.Lock()
        self.used = time.monotonic()

    def send(self, command: Mapping[str, Any], pictures: Path | None) -> None:
        """Pass a command on.

        Args:
            command: The command; a field that no client may send is refused.
            pictures: NumPy file of its pictures; it is moved.

        Raises:
            StriqError: If the command is refused.
            OSError: If the process has ended.
        """
        name = command.get("command")
        if not isinstance(name, str) or name not in SENT_FIELDS:
            msg = f"Expected one of the commands {', '.join(SENT_FIELDS)}, got {str(name)[:80]!r}."
            raise StriqError(msg)
        refused = sorted(set(command) - {"command", *SENT_FIELDS[name]})
        if refused:
            msg = f"A server takes no {refused[0]!r} with {name!r}. Expected: {', '.join(SENT_FIELDS[name])}."
            raise StriqError(msg)
        if (name in WITH_FRAMES) != (pictures is not None):
            msg = f"The command {name!r} {'needs pictures' if name in WITH_FRAMES else 'takes no pictures'}."
            raise StriqError(msg)
        passed = dict(command)
        if name == "load":
            passed["model"] = self._model
        if pictures is not None:
            own = self._folder / f"{secrets.token_hex(8)}.npy"
            shutil.move(pictures, own)
            passed["frames"], passed["source"] = str(own), "frames"
            if name == "explain":
                passed["folder"] = str(self._folder / own.stem)
            with self._lock:
                self._pictures[command.get("id")] = own
        self._process.write(passed)

    def answers(self, wait_s: float) -> dict[str, Any]:
        """Return the answers that have arrived, after waiting for the first."""
        found: list[Answer] = []
        try:
            item = (
                self._process.arrived.get(timeout=max(wait_s, 0.0))
                if wait_s > 0
                else self._process.arrived.get_nowait()
            )
            while True:
                if item is None or isinstance(item, ServiceError):
                    self._process.arrived.put(item)  # for the next request
                    if found:
                        break
                    return {"answers": [], "ended": self._reason(item)}
                found.append(self._shown(item))
                item = self._process.arrived.get_nowait()
        except queue.Empty:
            pass
        return {"answers": found}

    def _reason(self, item: ServiceError | None) -> str:
        if item is not None:
            return str(item)
        return EndedError(self._process.stderr_text().splitlines()[-1:], self._process.exit_status).reason

    def _shown(self, answer: Answer) -> Answer:
        """Return an answer without paths; files get names that the client can fetch."""
        if answer["event"] in LAST_EVENTS:
            with self._lock:
                used = self._pictures.pop(answer.get("id"), None)
            if used is not None:
                used.unlink(missing_ok=True)
        if answer["event"] == "loaded":
            return {**answer, "model": Path(answer["model"]).name}
        shown = dict(answer)
        for name in MAPS:
            if shown.get(name):
                key = f"{secrets.token_hex(8)}.npy"
                self._files[key] = Path(shown[name])
                shown[name] = key
        return shown

    def file(self, name: str) -> bytes | None:
        """Return the content of a file that an answer named, once; ``None`` if there is none."""
        path = self._files.pop(name, None)
        return None if path is None or not path.is_file() else path.read_bytes()

    def stop(self) -> None:
        """End the process and remove its files."""
        self._process.stop(STOP_S)
        shutil.rmtree(self._folder, ignore_errors=True)


class Sessions:
    """The sessions of a server. One that nobody uses for a while ends.

    Args:
        start: Starts a scoring process.
        model: Model that the processes load; ``None`` for the shipped one.
        max_sessions: Largest number of sessions at a time.
        idle_s: How long a session may be unused.
    """

    def __init__(self, start: Callable[[], Process], model: str | None, max_sessions: int, idle_s: float) -> None:
        self._start, self._model, self._max_sessions, self._idle_s = start, model, max_sessions, idle_s
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._reap, name="sessions", daemon=True).start()

    def open(self) -> str:
        """Start a session and return its name.

        Raises:
            StriqError: If there are too many.
        """
        with self._lock:
            if len(self._sessions) >= self._max_sessions:
                msg = f"The server has its largest number of sessions, {self._max_sessions}. Try again later."
                raise StriqError(msg)
            name = secrets.token_urlsafe(16)
            self._sessions[name] = Session(self._start(), self._model)
        return name

    def find(self, name: str) -> Session | None:
        """Return a session and note that it is used; ``None`` if there is none of this name."""
        with self._lock:
            session = self._sessions.get(name)
        if session is not None:
            session.used = time.monotonic()
        return session

    def close(self, name: str) -> None:
        """End a session, if there is one of this name."""
        with self._lock:
            session = self._sessions.pop(name, None)
        if session is not None:
            session.stop()

    def stop(self) -> None:
        """End all sessions."""
        self._stopped.set()
        for name in list(self._sessions):
            self.close(name)

    def _reap(self) -> None:
        while not self._stopped.wait(REAP_S):
            limit = time.monotonic() - self._idle_s
            for name in [name for name, session in list(self._sessions.items()) if session.used < limit]:
                self.close(name)
