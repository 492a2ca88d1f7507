"""The scoring process: ``python -m striq.service`` in STRIQ's own environment, started once, asked many times."""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lib.settings import AUTO, Settings

PROTOCOL = 1  # of striq.service.server
ANSWER_SECONDS = 300.0  # longest time to one answer: loading a model from a slow disk, or four frames on a slow CPU
ENDING_SECONDS = 2.0
# What the server sets for itself would lead the other interpreter to the packages of this one.
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")


class RefusedError(RuntimeError):
    """The scorer says that the image or the request cannot be used."""


class UnavailableError(RuntimeError):
    """The scoring process cannot start, ended on its own, or does not answer."""


class EndedError(UnavailableError):
    """The scoring process ended on its own."""


@dataclass(frozen=True)
class FileScores:
    """Scores of one file, as the scoring process answers.

    Attributes:
        frames: One answer per frame: its score, or an ``error``.
        summary: The judgement of the whole file.
    """

    frames: list[dict[str, Any]]
    summary: dict[str, Any]


class ScorerProcess:
    """One scoring process with its model loaded. Safe to use from several threads; they wait for each other.

    A process that has ended is started again when it is asked.

    Args:
        settings: Interpreter, model and device.
        arguments: Arguments of the interpreter.
        answer_seconds: Longest time to one answer.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        arguments: tuple[str, ...] = ("-m", "striq.service"),
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._settings, self._arguments, self._answer_seconds = settings, arguments, answer_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._last_id = 0
        self.loaded: dict[str, Any] = {}
        atexit.register(self.stop)

    def start(self) -> dict[str, Any]:
        """Start the process and load the model, unless that is done; return what it says of the model.

        Raises:
            UnavailableError: If it does not come up.
        """
        with self._lock:
            return self._ready()

    def score(self, file: str | Path, *, plane: str = AUTO, threshold: float | None = None) -> FileScores:
        """Score every frame of a file, as ``striq score`` does.

        Args:
            file: Any file that STRIQ reads.
            plane: Plane that it shows, or ``"auto"``.
            threshold: Q above which a frame is accepted; the model's own by default.

        Raises:
            RefusedError: If the file cannot be read, or the model does not know the plane.
            UnavailableError: If the process does not do its work.
        """
        details = {"file": str(file), "plane": plane, "threshold": threshold, "boxes": False}
        with self._lock:
            was_up = self._is_up()
            try:
                return self._score(details)
            except EndedError:
                if not was_up:
                    raise
            return self._score(details)  # the process may have ended long before it was asked: a fresh one decides

    def _score(self, details: dict[str, Any]) -> FileScores:
        self._ready()
        frames = []
        for answer in self._ask("score", **details):
            if answer["event"] == "finished":
                return FileScores(frames, answer["summary"])
            if answer["event"] == "frame":
                frames.append({key: value for key, value in answer.items() if key not in ("event", "id")})
        raise AssertionError  # ``_ask`` ends with the last answer or an error

    def stop(self) -> str:
        """End the process and return the last thing it said to its log; harmless if there is none."""
        process, self._process = self._process, None
        self.loaded = {}
        if process is None:
            return ""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()  # the process ends with its input
            process.wait(ENDING_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        self._reader.join()
        process.stdout.close()
        with self._log as log:
            log.seek(0)
            said = log.read().decode("utf-8", errors="replace").strip()
        return said.splitlines()[-1] if said else "it said nothing"

    def _is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None and bool(self.loaded)

    def _ready(self) -> dict[str, Any]:
        if self._is_up():
            return self.loaded
        self.stop()
        self._launch()
        try:
            loaded = list(self._ask("load", model=self._settings.model, device=self._settings.device))[-1]
        except RefusedError as error:
            self.stop()
            raise UnavailableError(str(error)) from error
        self.loaded = loaded
        return loaded

    def _launch(self) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        log = tempfile.TemporaryFile()  # noqa: SIM115 (read and closed by ``stop``)
        try:
            process = subprocess.Popen(
                [self._settings.python, *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=environment,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            log.close()
            raise UnavailableError(f"The scoring process cannot start: {error}.") from error
        self._process, self._log, self._answers = process, log, queue.SimpleQueue()
        self._reader = threading.Thread(target=_read, args=(process.stdout, self._answers), daemon=True)
        self._reader.start()
        ready = self._next()
        if ready.get("protocol") != PROTOCOL:
            self.stop()
            raise UnavailableError(f"The installed striq speaks protocol {ready.get('protocol')}, this app {PROTOCOL}.")
        self._version = ready["version"]

    def _ask(self, command: str, **details: Any) -> Iterator[dict[str, Any]]:
        """Yield the answers to a command up to the last one."""
        self._last_id += 1
        number = self._last_id
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"command": command, "id": number, **details}) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._gone() from error
        while True:
            answer = self._next()
            if answer.get("id") != number:
                continue
            if answer["event"] == "error":
                raise RefusedError(answer["text"])
            yield {**answer, "version": self._version} if answer["event"] == "loaded" else answer
            if answer["event"] in ("loaded", "finished"):
                return

    def _next(self) -> dict[str, Any]:
        try:
            answer = self._answers.get(timeout=self._answer_seconds)
        except queue.Empty:
            assert self._process is not None
            self._process.kill()
            self.stop()
            msg = f"The scoring process gave no answer within {self._answer_seconds:g} s and was ended. Try again."
            raise UnavailableError(msg) from None
        if answer is None:
            raise self._gone()
        return answer

    def _gone(self) -> EndedError:
        """Return the error of a process that has ended."""
        return EndedError(f"The scoring process ({self._settings.python}) ended: {self.stop()}.")


def _read(lines: IO[str], answers: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    for line in lines:
        answers.put(json.loads(line))
    answers.put(None)
