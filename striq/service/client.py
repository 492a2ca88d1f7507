"""Client of the scoring process: starts it, sends commands and collects answers.

This file imports the standard library only. Programs whose environment lacks STRIQ load it from STRIQ's installation.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, cast

Answer = dict[str, Any]

LAST_EVENTS = ("loaded", "finished", "explained", "reported", "error")  # each ends the answers to its command
UNANSWERED = ("cancel", "stop")
STOP_SECONDS = 2.0
EXIT_SECONDS = 1.0  # from the end of the answers to the end of the process
POLL_SECONDS = 0.01
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows knows only one way to end a process
KEPT_LINES = 20  # of standard error, for messages


class ServiceError(RuntimeError):
    """Base of the errors of the client."""


class StartError(ServiceError):
    """The process cannot start."""


class NotRunningError(ServiceError):
    """A command was sent to a process that was not started, or was stopped."""


class EndedError(ServiceError):
    """The process ended on its own.

    Attributes:
        last_lines: The last lines of its standard error.
        reason: The very last one; the exit status if there is none.
    """

    def __init__(self, last_lines: Sequence[str], status: int | None) -> None:
        self.last_lines = list(last_lines)
        self.reason = self.last_lines[-1] if self.last_lines else f"exit status {status}, no message"
        super().__init__(f"The scoring process ended: {self.reason}")


class ProtocolError(ServiceError):
    """The process speaks another protocol than its client.

    Args:
        version: Version of the striq that the process runs.
        theirs: Protocol of the process.
        ours: Protocol of the client.
    """

    def __init__(self, version: str, theirs: int, ours: int) -> None:
        self.version, self.theirs, self.ours = version, theirs, ours
        super().__init__(
            f"The installed striq {version} speaks protocol {theirs}, this program {ours}. Install versions that match."
        )


class UnreadableAnswerError(ServiceError):
    """The process wrote a line that is not an answer."""


class AnswerTimeoutError(ServiceError):
    """The process did not answer in time and was ended."""


class RefusedError(ServiceError):
    """The process answered a command with an error."""


@dataclass
class _Mailbox:
    """Answers to one command that nobody has taken yet, and the error that cuts them off."""

    answers: list[Answer] = field(default_factory=list[Answer])
    failure: ServiceError | None = None


class Process(Protocol):
    """A scoring process, here or on a server.

    Attributes:
        arrived: Answers in their order, then ``None``.
    """

    arrived: queue.SimpleQueue[Answer | ServiceError | None]

    @property
    def pid(self) -> int:
        """Number of the process."""
        ...

    @property
    def exit_status(self) -> int | None:
        """Its exit status; ``None`` while it runs and where it is not known."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether it takes commands."""
        ...

    def write(self, command: Mapping[str, Any]) -> None:
        """Write a command; an ``OSError`` says that the process has ended."""
        ...

    def read_to_end(self) -> None:
        """Wait for the last answers of a process that has ended."""
        ...

    def stderr_text(self) -> str:
        """Return what it wrote to its standard error."""
        ...

    def stop(self, seconds: float) -> None:
        """End it, waiting so long at each step."""
        ...


class ServiceClient:
    """One scoring process. Only one thread may use it at a time; a thread of its own reads the answers.

    A process that has ended is started again by the next call of :meth:`start`.

    Args:
        command: Program and arguments, such as ``[sys.executable, "-m", "striq.service"]``.
        protocol: The protocol that the caller is written for.
        environment: Environment variables of the process; those of this process by default.
        launch: Starts the process; by default, the program is run on this computer.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        protocol: int,
        environment: Mapping[str, str] | None = None,
        launch: Callable[[], Process] | None = None,
    ) -> None:
        self._protocol = protocol
        self._launch = launch or (lambda: LocalProcess(list(command), environment))
        self._process: Process | None = None
        self._failure: ServiceError | None = None
        self._is_failure_known = False
        self._mailboxes: dict[int, _Mailbox] = {}
        self._last_number = 0

    @property
    def is_running(self) -> bool:
        """Whether the process takes commands."""
        return self._process is not None and self._failure is None and self._process.is_alive

    @property
    def pid(self) -> int | None:
        """Number of the process that answers, ``None`` before it is started and after it is stopped.

        The program that was started may be a launcher of it. Until the process has reported its own number, it is that
        of the program.
        """
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process unless it is running; do not wait for it.

        Raises:
            StartError: If the program cannot be run.
        """
        if self.is_running:
            return
        if self._process is not None:
            self._find_failure()  # commands to the process before are still awaited
            self._process.stop(0.0)
        self._process = self._failure = None
        self._is_failure_known = False
        self._process = self._launch()

    def send(self, command: str, **fields: Any) -> int:
        """Send a command and return its number; :meth:`poll` with the number gives the answers.

        Args:
            command: Name of the command.
            **fields: Its fields.

        Raises:
            NotRunningError: If the process was not started.
            ServiceError: If the process has ended or speaks another protocol.
        """
        if self._process is None:
            msg = "The scoring process is not running. Call 'start' first."
            raise NotRunningError(msg)
        self._last_number += 1
        try:
            if not self.is_running:
                raise BrokenPipeError
            self._process.write({"command": command, "id": self._last_number, **fields})
        except OSError:
            raise self._find_failure() from None
        if command not in UNANSWERED:
            self._mailboxes[self._last_number] = _Mailbox()
        return self._last_number

    def poll(self, *numbers: int | None) -> list[Answer]:
        """Return the answers to some commands that have arrived, without waiting.

        Args:
            *numbers: Of the commands; ``None`` stands for no command.

        Raises:
            ServiceError: If the process has ended or cannot be understood: once for each command, after the answers
                to it, and once where no command is awaited.
        """
        self._sort_arrived()
        awaited = [number for number in dict.fromkeys(numbers) if number is not None and number in self._mailboxes]
        answers = [answer for number in awaited for answer in self._take(number)]
        failure = None if answers else self._failure_for(awaited)
        if failure is not None:
            self._is_failure_known = True
            self.forget(*awaited)
            raise failure
        return answers

    def ask(self, command: str, *, seconds: float | None = None, **fields: Any) -> Iterator[Answer]:
        """Send a command and yield its answers up to the last one, waiting for each.

        Args:
            command: Name of the command.
            seconds: Longest wait for one answer; by default there is no limit.
            **fields: Fields of the command.

        Raises:
            RefusedError: If the process answers with an error.
            AnswerTimeoutError: If it does not answer in time; it is ended.
            ServiceError: If it has ended or speaks another protocol.
        """
        number = self.send(command, **fields)
        try:
            while number in self._mailboxes:
                for answer in self._wait(number, seconds):
                    if answer["event"] == "error":
                        raise RefusedError(answer["text"])
                    yield answer
        finally:
            self.forget(number)

    def forget(self, *numbers: int | None) -> None:
        """Drop the answers to commands, those that are still to come as well."""
        for number in numbers:
            if number is not None:
                self._mailboxes.pop(number, None)

    def stderr_text(self) -> str:
        """Return what the process has written to its standard error; empty after :meth:`stop`."""
        return "" if self._process is None else self._process.stderr_text()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the process: by command, after a while by a signal, at last by force. Awaited answers are dropped.

        Signals go to the process that answers and to the launcher that started it, if there is one.

        Args:
            seconds: How long to wait after the command, and again after the signal.
        """
        process, self._process = self._process, None
        self._failure, self._is_failure_known = None, False
        self._mailboxes.clear()
        if process is not None:
            process.stop(seconds)

    def _take(self, number: int) -> list[Answer]:
        """Return the answers in a mailbox and empty it; close it after the last answer."""
        answers, self._mailboxes[number].answers = self._mailboxes[number].answers, []
        if any(answer["event"] in LAST_EVENTS for answer in answers):
            del self._mailboxes[number]
        return answers

    def _failure_for(self, awaited: Sequence[int]) -> ServiceError | None:
        """Return the error to raise to the caller who awaits answers to some commands, or to none."""
        if not awaited:
            return None if self._is_failure_known else self._failure
        failures = (self._mailboxes[number].failure for number in awaited)
        return next((failure for failure in failures if failure is not None), None)

    def _wait(self, number: int, seconds: float | None) -> list[Answer]:
        while not (answers := self.poll(number)):
            if self._process is None:
                msg = "The scoring process was stopped while an answer was awaited."
                raise NotRunningError(msg)
            try:
                self._sort(self._process.arrived.get(timeout=seconds))
            except queue.Empty:
                self.stop(0.0)
                msg = f"The scoring process gave no answer within {seconds:g} s and was ended. Try again."
                raise AnswerTimeoutError(msg) from None
        return answers

    def _sort_arrived(self) -> None:
        while self._process is not None and not self._process.arrived.empty():
            self._sort(self._process.arrived.get())

    def _sort(self, item: Answer | ServiceError | None) -> None:
        """Put an answer into its mailbox, or mark every mailbox after an error; answers after it do not count."""
        self._failure = self._failure or self._failure_of(item)
        if self._failure is not None:
            for mailbox in self._mailboxes.values():
                mailbox.failure = mailbox.failure or self._failure
        elif isinstance(item, dict) and item.get("id") in self._mailboxes:
            self._mailboxes[item["id"]].answers.append(item)

    def _failure_of(self, item: Answer | ServiceError | None) -> ServiceError | None:
        if item is None:
            status = None if self._process is None else self._process.exit_status
            return EndedError(self.stderr_text().splitlines()[-KEPT_LINES:], status)
        if isinstance(item, ServiceError):
            return item
        if item["event"] == "ready" and item.get("protocol") != self._protocol:
            return ProtocolError(str(item.get("version", "")), item.get("protocol", 0), self._protocol)
        return None

    def _find_failure(self) -> ServiceError:
        """Return why the process takes no more commands."""
        assert self._process is not None
        if self._failure is None:
            self._process.read_to_end()
            self._sort_arrived()
        if self._failure is None:
            self._sort(None)
        assert self._failure is not None
        return self._failure


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
