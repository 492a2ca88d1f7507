"""Tasks in small steps that the panel's timer advances, such as loading a cine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any

import qt

from .FrameSource import SourceError
from .Logic import PlaneQualityLogic
from .WorkerClient import WorkerError

ERRORS = (SourceError, WorkerError, OSError)
Task = tuple[Generator[None, None, Any], Callable[[Any], None]]


class Jobs:
    """Tasks that are under way.

    Args:
        logic: The module's logic.
        timer: Calls :meth:`advance` regularly while it runs.
        tell: Shows an error to the user.
    """

    def __init__(self, logic: PlaneQualityLogic, timer: qt.QTimer, tell: Callable[[Exception], None]) -> None:
        self._logic, self._timer, self._tell = logic, timer, tell
        self._tasks: list[Task] = []

    def begin(self, steps: Generator[None, None, Any], onDone: Callable[[Any], None], *, needsWorker: bool) -> None:
        """Start a task; what needs no waiting is done at once.

        Args:
            steps: The task.
            onDone: Takes its outcome.
            needsWorker: Whether it asks the scoring process.
        """
        try:
            if needsWorker and not self._logic.holder.client.isRunning():
                self._logic.ensureDependencies()
        except (*ERRORS, RuntimeError) as error:
            self._tell(error)
            return
        task = (steps, onDone)
        self._tasks.append(task)
        self._advance(task)
        self._timer.start()

    def advance(self) -> bool:
        """Do the next step of all tasks; return whether there is more to do."""
        for task in list(self._tasks):
            self._advance(task)
        return bool(self._tasks)

    def _advance(self, task: Task) -> None:
        if task not in self._tasks:  # dropped meanwhile
            return
        steps, onDone = task
        try:
            next(steps)
        except StopIteration as ended:
            self._tasks.remove(task)
            onDone(ended.value)
        except Exception as error:  # a file like no other must not stop the timer
            self._tasks.remove(task)
            if not isinstance(error, ERRORS):
                logging.exception("A task of the study failed.")
            self._tell(error)

    def drop(self) -> None:
        """End all tasks."""
        for steps, _onDone in self._tasks:
            steps.close()
        self._tasks = []
