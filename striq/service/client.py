"""Client of the scoring process: starts it, sends commands and collects answers.

It and all that it imports need the standard library only, so programs whose environment lacks what STRIQ needs can
import it from STRIQ's installation.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from striq.service.local_process import LocalProcess
from striq.service.process import (
    LAST_EVENTS,
    Answer,
    AnswerTimeoutError,
    EndedError,
    NotRunningError,
    Process,
    ProtocolError,
    RefusedError,
    ServiceError,
)

UNANSWERED = ("cancel", "stop")
STOP_SECONDS = 2.0
KEPT_LINES = 20  # of standard error, for messages


@dataclass
class _Mailbox:
    """Answers to one command that nobody has taken yet, and the error that cuts them off."""

    answers: list[Answer] = field(default_factory=list[Answer])
    failure: ServiceError | None = None


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
