"""A scoring process as its client sees it: what it can do, and how it fails.

This file imports the standard library only, as do :mod:`striq.service.client` and :mod:`striq.service.local_process`.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Answer = dict[str, Any]

LAST_EVENTS = ("loaded", "finished", "explained", "reported", "error")  # each ends the answers to its command


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
