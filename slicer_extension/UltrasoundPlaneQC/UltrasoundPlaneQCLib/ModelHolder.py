"""The scoring process with one model loaded, shared by cines, explanations and live streams."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .Messages import LoadedModel
from .WorkerClient import WorkerClient

if TYPE_CHECKING:
    from striq.service.http_client import Server


class ModelHolder:
    """Loads a model whenever another model or device is requested.

    Args:
        client: Client of the scoring process; a new one by default.
    """

    def __init__(self, client: WorkerClient | None = None) -> None:
        self._ownClient = self.client = client or WorkerClient()
        self._serverDevice = ""  # of the server, while one is used
        self.loaded: LoadedModel | None = None
        self._requested: tuple[str, str] | None = None
        self._loadId: int | None = None

    @property
    def server(self) -> Server | None:
        """Server that scores; ``None`` for this computer."""
        return self.client.server

    def useServer(self, server: Server, device: str) -> None:
        """Score on a server from now on, on one of its devices; the process of this computer ends."""
        self.useThisComputer()
        self.stop()
        self.client, self._serverDevice = WorkerClient(server=server), device

    def useThisComputer(self) -> None:
        """Score on this computer from now on; the process on a server ends."""
        if self.client is not self._ownClient:
            self.client.stop()
            self.client, self._serverDevice = self._ownClient, ""
            self._forgetModel()

    def request(self, modelPath: str, device: str) -> bool:
        """Request a model; return whether it has to be loaded.

        The process handles commands in order, so the next command can follow at once.
        """
        device = self._serverDevice or device
        requested = (modelPath, device)
        if self.client.isRunning() and self._requested == requested:
            return False
        self.client.start()
        self.client.forget(self._loadId)
        self._requested, self.loaded = requested, None
        self._loadId = self.client.send("load", model=modelPath or None, device=device)
        return True

    def poll(self, *numbers: int | None) -> list[dict[str, Any]]:
        """Return the answers to some commands and to the loading; keep the description of the model."""
        answers = self.client.poll(self._loadId, *numbers)
        for answer in answers:
            if answer["event"] == "loaded":
                self.loaded = cast("LoadedModel", answer)
                logging.info("Ultrasound Plane QC: %s", self.describe())
            elif answer["event"] == "notice" and self.loaded:
                self.loaded["device"] = answer["device"]
            elif answer["event"] == "error" and answer.get("id") == self._loadId:
                self._requested = None  # load again next time
        return answers

    def requireRunning(self) -> None:
        """Check the process while no answer is awaited; :meth:`poll` reports its end only for an awaited command.

        Raises:
            WorkerError: If the process has ended on its own.
        """
        if not self.client.isRunning():
            self.client.send("cancel")  # raises the reason

    def describe(self) -> str:
        """Return model, version, checksum and device as one line; empty before a model is loaded."""
        if self.loaded is None:
            return ""
        about = self.loaded["about"]
        file = "/".join(Path(self.loaded["model"]).parts[-2:])
        name = f"{about['name']} {about['version']}" if about.get("version") else file
        checksum, planes = self.loaded["sha256"][:12], ", ".join(self.loaded["planes"])
        place = f" of {self.server.address}" if self.server else ""
        return f"{name}, SHA-256 {checksum}, striq {self.loaded['version']}, {self.loaded['device']}{place}: {planes}"

    def stop(self) -> None:
        """End the process."""
        self.client.stop()
        self._forgetModel()

    def _forgetModel(self) -> None:
        self.loaded = self._requested = self._loadId = None
