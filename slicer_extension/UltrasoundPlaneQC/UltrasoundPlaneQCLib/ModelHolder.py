"""The worker process with one model loaded, shared by scoring, explanations and live streams."""

from __future__ import annotations

import logging
from pathlib import Path

from .WorkerClient import WorkerClient


class ModelHolder:
    """Loads a model when another one, or another device, is asked for.

    Args:
        client: The worker; one of its own by default.
    """

    def __init__(self, client=None):
        self.client = client or WorkerClient()
        self.loaded = None  # the worker's answer
        self._wanted = self._loadId = None

    def request(self, modelPath, device):
        """Ask for a model unless it was asked for before; return whether it had to be asked for.

        The worker takes commands in their order, so the next one can follow at once.
        """
        wanted = (modelPath, device)
        if self.client.isRunning() and self._wanted == wanted:
            return False
        self.client.start()
        self.client.forget(self._loadId)
        self._wanted, self.loaded = wanted, None
        self._loadId = self.client.send("load", model=modelPath or None, device=device)
        return True

    def poll(self, *numbers):
        """Return the answers to some commands and to the loading, taking note of the model and its device."""
        answers = self.client.poll(self._loadId, *numbers)
        for answer in answers:
            if answer["event"] == "loaded":
                self.loaded = answer
                logging.info("Ultrasound Plane QC: %s", self.describe())
            elif answer["event"] == "notice" and self.loaded:
                self.loaded = {**self.loaded, "device": answer["device"]}
            elif answer["event"] == "error":
                self._wanted = None  # load again next time: the model may be what failed
        return answers

    def describe(self):
        """Return model, version, checksum and device as one line; empty before a model is loaded."""
        if not self.loaded:
            return ""
        about = self.loaded.get("about", {})
        file = "/".join(Path(self.loaded["model"]).parts[-2:])
        name = f"{about['name']} {about['version']}" if about.get("version") else file
        checksum = self.loaded.get("sha256", "")[:12]
        planes = ", ".join(self.loaded["planes"])
        return f"{name}, SHA-256 {checksum}, striq {self.loaded.get('version', '?')}, {self.loaded['device']}: {planes}"

    def stop(self):
        """End the process."""
        self.client.stop()
        self.loaded = self._wanted = self._loadId = None
