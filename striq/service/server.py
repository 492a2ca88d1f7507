"""Main loop of the scoring process: commands on standard input, answers on standard output, one JSON object a line.

Start it with ``python -m striq.service``. The commands are described in :mod:`striq.service.requests`, the answers in
:mod:`striq.service.answers`.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import IO

from striq.service import answers
from striq.service.requests import (
    SHOWN_CHARACTERS,
    Cancel,
    Request,
    Stop,
    Work,
    parse_request,
)
from striq.service.worker import Worker

MAX_LINE_BYTES = 2**26  # the times of a million frames take a third of it


class Inbox:
    """Commands in the order of their arrival. A thread reads them, so that a cancel is seen while frames are scored.

    Args:
        lines: Lines of JSON.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._arrived: queue.SimpleQueue[Request | None] = queue.SimpleQueue()  # ``None`` at the end of the lines
        self._waiting: list[Request | None] = []
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def _read(self, lines: Iterable[str]) -> None:
        try:
            for line in lines:
                if line.strip():
                    self._arrived.put(parse_request(line))
        finally:
            self._arrived.put(None)

    def __iter__(self) -> Iterator[Work]:
        while True:
            request = self._waiting.pop(0) if self._waiting else self._arrived.get()
            if request is None or isinstance(request, Stop):
                return
            if not isinstance(request, Cancel):  # nothing is running that it could end
                yield request

    def interrupted(self) -> bool:
        """Return whether a cancel or a stop has arrived, and remove the cancel."""
        while not self._arrived.empty():
            self._waiting.append(self._arrived.get())
        cancelled = any(isinstance(request, Cancel) for request in self._waiting)
        self._waiting = [request for request in self._waiting if not isinstance(request, Cancel)]
        return cancelled or any(isinstance(request, Stop) for request in self._waiting)


def serve(lines: Iterable[str], output: IO[str]) -> None:
    """Answer commands until they end.

    Args:
        lines: Commands, one line of JSON each.
        output: Takes the answers, one line each.
    """

    def send(answer: answers.Answer) -> None:
        output.write(json.dumps(answer, allow_nan=False) + "\n")
        output.flush()

    inbox = Inbox(lines)
    worker = Worker(send, inbox.interrupted)
    send(answers.ready())
    for request in inbox:
        worker.handle(request)


def text_lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a stream as text. Of a line that is too long, only the start is read into memory.

    Args:
        stream: Bytes; what is not UTF-8 is replaced.
    """
    while line := stream.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = line[:SHOWN_CHARACTERS]
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        yield line.decode("utf-8", "replace")


def main() -> None:
    """Serve standard input. What libraries print goes to standard error, where it cannot break the protocol."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(text_lines(sys.stdin.buffer), output)
