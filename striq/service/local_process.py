"""A scoring process on this computer."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, cast

from striq.service.process import Answer, ServiceError, StartError, UnreadableAnswerError

EXIT_SECONDS = 1.0  # from the end of the answers to the end of the process
POLL_SECONDS = 0.01
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows knows only one way to end a process


class LocalProcess:
    """A process, a thread that reads its answers, and a file that takes its standard error.

    Attributes:
        arrived: Answers in their order, then ``None``.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None) -> None:
        self.arrived: queue.SimpleQueue[Answer | ServiceError | None] = queue.SimpleQueue()
        # The file offset is shared with the process, so that the process must append.
        self._log = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 (closed by ``stop``)
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=None if environment is None else dict(environment),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            self._log.close()
            msg = f"The scoring process cannot start: {error}. Expected a program to run, got {command[0]!r}."
            raise StartError(msg) from error
        self._worker_pid: int | None = None  # reported by the process that answers; the program may be its launcher
        self._has_ended = False  # there will be no more answers
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Number of the process that answers; of the program until that is known."""
        return self._worker_pid or self._popen.pid

    @property
    def exit_status(self) -> int | None:
        """Exit status of the program; ``None`` while it runs."""
        return self._popen.poll()

    @property
    def is_alive(self) -> bool:
        """Whether it takes commands."""
        return self._reader.is_alive() and not self._has_ended and self.exit_status is None

    def write(self, command: Mapping[str, Any]) -> None:
        """Write a command.

        Raises:
            OSError: If the process has ended.
        """
        stdin = _opened(self._popen.stdin)
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()

    def read_to_end(self) -> None:
        """Wait for the last answers of a process that has ended."""
        self._reader.join(EXIT_SECONDS)

    def stderr_text(self) -> str:
        """Return what the process wrote to its standard error."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", errors="replace").strip()

    def stop(self, seconds: float) -> None:
        """End the process: by command, after ``seconds`` by a signal, at last by force."""
        with suppress(OSError):  # it has ended already
            self.write({"command": "stop"})
        with suppress(OSError):
            _opened(self._popen.stdin).close()
        for number in (signal.SIGTERM, KILL):
            if self._ends_within(seconds):
                break
            self._signal(number)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(EXIT_SECONDS)
        self.read_to_end()
        if not self._reader.is_alive():  # unless something that the process started holds the pipe open
            _opened(self._popen.stdout).close()
        self._log.close()

    def _ends_within(self, seconds: float) -> bool:
        """Wait for the end of the program and of the process that answers, which holds the pipe of the answers open."""
        until = time.monotonic() + seconds
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        while not self._has_ended and self._reader.is_alive() and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return self.exit_status is not None and (self._has_ended or not self._reader.is_alive())

    def _signal(self, number: int) -> None:
        """Send a signal to the process that answers, if it still holds the pipe, and to the program."""
        worker = self._worker_pid
        if worker is not None and worker != self._popen.pid and not self._has_ended:
            with suppress(OSError):  # it has ended meanwhile
                os.kill(worker, number)
        with suppress(OSError):
            self._popen.send_signal(number)

    def _read(self) -> None:
        for line in _opened(self._popen.stdout):
            answer = _parse(line)
            if isinstance(answer, dict) and answer["event"] == "ready":
                self._worker_pid = _pid(answer.get("pid"))
            self.arrived.put(answer)
        self._has_ended = True
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(EXIT_SECONDS)  # until then it may write the reason to its standard error
        self.arrived.put(None)


def _parse(line: str) -> Answer | ServiceError:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and "event" in answer:
        return cast("Answer", answer)
    msg = f"The scoring process wrote {line.strip()[:80]!r}. Expected an answer, a JSON object with 'event'."
    return UnreadableAnswerError(msg)


def _pid(value: object) -> int | None:
    """Return the number of a process that a signal may be sent to; ``None`` if it is none, or that of this program."""
    return value if isinstance(value, int) and value > 1 and value != os.getpid() else None


def _opened(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # every stream of the process is a pipe
    return stream
