"""The scoring process: ``python -m striq.service`` in STRIQ's own environment, started once, asked many times."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lib.settings import AUTO, Settings
from lib.striq_client import NoClientError, load_client, striq_environment

if TYPE_CHECKING:
    from striq.service.client import ServiceClient

logger = logging.getLogger(__name__)

PROTOCOL = 2  # of the scoring process, that this app is written for
ANSWER_SECONDS = 300.0  # longest wait for one answer: loading a model from a slow disk, or four frames on a slow CPU


class RefusedError(RuntimeError):
    """The image or the request cannot be scored."""


class UnavailableError(RuntimeError):
    """The scoring process cannot start, ended on its own, or does not answer."""


class EndedError(UnavailableError):
    """The scoring process ended on its own."""


@dataclass(frozen=True)
class FileScores:
    """Scores of one file, as the scoring process answers.

    Attributes:
        frames: One answer per frame: its score, or an ``error``.
        summary: Quality, verdict and plane of the whole file.
    """

    frames: list[dict[str, Any]]
    summary: dict[str, Any]


class ScorerProcess:
    """One scoring process with its model loaded. Threads may share it; they wait for each other.

    A process that has ended is started again by the next request.

    Args:
        settings: Interpreter, model and device.
        arguments: Arguments of the interpreter.
        answer_seconds: Longest wait for one answer.
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
        self._module: ModuleType | None = None
        self._client: ServiceClient | None = None
        self.loaded: dict[str, Any] = {}
        atexit.register(self.stop)

    def start(self) -> dict[str, Any]:
        """Start the process and load the model unless that is done; return the description of the model.

        Raises:
            UnavailableError: If it cannot be started.
        """
        with self._lock:
            return self._ensure_loaded()

    def score(self, file: str | Path, *, plane: str = AUTO, threshold: float | None = None) -> FileScores:
        """Score every frame of a file, as ``striq score`` does.

        Args:
            file: Any file that STRIQ reads.
            plane: Plane that it shows, or ``"auto"``.
            threshold: Quality that an accepted frame exceeds; the model's own by default.

        Raises:
            RefusedError: If the file cannot be read, or the model does not know the plane.
            UnavailableError: If the process does not answer.
        """
        fields = {"file": str(file), "plane": plane, "threshold": threshold}
        with self._lock:
            was_running = self._is_running()
            try:
                return self._score(fields)
            except EndedError:
                if not was_running:
                    raise
            return self._score(fields)  # the process may have ended before this request, so ask a new one

    def stop(self) -> None:
        """End the process, if there is one."""
        self.loaded = {}
        if self._client is not None:
            self._client.stop()

    def _score(self, fields: dict[str, Any]) -> FileScores:
        self._ensure_loaded()
        *frames, end = self._ask("score", **fields)
        shown = [{key: value for key, value in frame.items() if key not in ("event", "id")} for frame in frames]
        return FileScores(shown, end["summary"])

    def _is_running(self) -> bool:
        return self._client is not None and self._client.is_running and bool(self.loaded)

    def _ensure_loaded(self) -> dict[str, Any]:
        if not self._is_running():
            self.loaded = {}
            with self._own_errors() as client:
                client.start()
            try:
                self.loaded = self._ask("load", model=self._settings.model, device=self._settings.device)[-1]
            except RefusedError as error:
                self.stop()
                raise UnavailableError(str(error)) from error
        return self.loaded

    def _ask(self, command: str, **fields: Any) -> list[dict[str, Any]]:
        """Return all answers to a command except notices, which are logged."""
        with self._own_errors() as client:
            answers = list(client.ask(command, seconds=self._answer_seconds, **fields))
        for answer in answers:
            if answer["event"] == "notice":
                logger.warning("STRIQ: %s", answer["text"])
        return [answer for answer in answers if answer["event"] != "notice"]

    @contextmanager
    def _own_errors(self) -> Iterator[ServiceClient]:
        """Give the client, which is made at the first call, and raise its errors as those of this module."""
        try:
            self._module = module = self._module or load_client(self._settings.python)
        except NoClientError as error:
            raise UnavailableError(str(error)) from error
        if self._client is None:
            command = [self._settings.python, *self._arguments]
            self._client = module.ServiceClient(command, protocol=PROTOCOL, environment=striq_environment())
        try:
            yield self._client
        except module.RefusedError as error:
            raise RefusedError(str(error)) from error
        except module.EndedError as error:
            logger.exception("Last lines of the scoring process:\n%s", "\n".join(error.last_lines))
            raise EndedError(str(error)) from error
        except module.ServiceError as error:
            self.stop()
            raise UnavailableError(str(error)) from error
