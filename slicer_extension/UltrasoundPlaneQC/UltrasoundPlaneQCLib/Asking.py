"""Questions to the scoring process whose answers are awaited in small steps, as generators."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from slicer.i18n import tr as _

from .FrameSource import SourceError
from .ModelHolder import ModelHolder

T = TypeVar("T")
Steps = Generator[None, None, T]  # yields whenever it has to wait; returns the outcome


def ask(holder: ModelHolder, command: str, **details: Any) -> Steps[dict[str, Any]]:
    """Send a command about files to the scoring process of this computer, and return its answer.

    Raises:
        SourceError: If the command cannot be carried out, or a server scores instead of this computer.
        WorkerError: If the scoring process cannot start or ends on its own.
    """
    if holder.server is not None:
        raise SourceError(_("Files are read on this computer only. Choose this computer for scoring, not a server."))
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
