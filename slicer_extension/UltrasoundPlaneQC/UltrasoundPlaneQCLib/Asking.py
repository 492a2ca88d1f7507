"""Questions to the scoring process whose answers are awaited in small steps, as generators."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from .FrameSource import SourceError
from .ModelHolder import ModelHolder

T = TypeVar("T")
Steps = Generator[None, None, T]  # yields whenever it has to wait; returns the outcome


def ask(holder: ModelHolder, command: str, **details: Any) -> Steps[dict[str, Any]]:
    """Send a command and return its answer.

    Raises:
        SourceError: If the command cannot be carried out.
        WorkerError: If the scoring process cannot start or ends on its own.
    """
    holder.client.start()
    number = holder.client.send(command, **details)
    try:
        while True:
            for answer in holder.poll(number):
                if answer.get("id") != number:  # about the loading of a model
                    continue
                if answer["event"] == "error":
                    raise SourceError(answer["text"])
                return answer
            yield
    finally:
        holder.client.forget(number)


def loadModel(holder: ModelHolder, modelPath: str, device: str) -> Steps[None]:
    """Load a model unless it is loaded.

    Raises:
        SourceError: If it cannot be loaded.
        WorkerError: If the scoring process cannot start or ends on its own.
    """
    holder.request(modelPath, device)
    while holder.loaded is None:
        for answer in holder.poll():
            if answer["event"] == "error":
                raise SourceError(answer["text"])
        yield


def findFiles(holder: ModelHolder, folder: str) -> Steps[list[str]]:
    """Return the files in a folder and its subfolders that can be scored.

    Raises:
        SourceError: If there is no such folder.
        WorkerError: If the scoring process cannot start or ends on its own.
    """
    answer = yield from ask(holder, "find", folder=folder)
    return answer["files"]
