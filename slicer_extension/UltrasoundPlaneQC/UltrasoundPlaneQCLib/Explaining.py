"""Explanations of single frames, asked of the worker without waiting."""

from __future__ import annotations

import numpy as np

from .FrameSource import SourceError
from .WorkerClient import Scratch


class Explainer:
    """Asks the worker why single frames got their score; a newer question replaces one not asked yet."""

    def __init__(self, holder):
        self.holder = holder
        self._scratch = None
        self._commandId = self._waiting = None

    @property
    def isBusy(self):
        """Whether an answer is awaited."""
        return self._commandId is not None

    def ask(self, source, index, plane="auto", modelPath="", device="auto"):
        """Ask about one frame."""
        self._waiting = (source, index, plane, modelPath, device)
        if not self.isBusy:
            self._send()

    def _send(self):
        (source, index, plane, modelPath, device), self._waiting = self._waiting, None
        self._scratch = self._scratch or Scratch()
        path = self._scratch.file("frame.npy")
        np.save(path, source.frame(index)[None])
        self._asked = (source, index)
        self.holder.request(modelPath, device)
        self._commandId = self.holder.client.send(
            "explain", frames=str(path), index=0, plane=plane, folder=str(self._scratch.path), source=source.name
        )

    def poll(self):
        """Return ``(source, index, explanation)`` when there is one, else ``None``.

        Raises:
            SourceError: If the frame cannot be explained.
        """
        for answer in self.holder.poll(self._commandId) if self.isBusy else ():
            if answer["event"] == "error":
                self._finish()
                raise SourceError(answer["text"])
            if answer["event"] == "explained":
                return self._received(answer)
        return None

    def _finish(self):
        self.holder.client.forget(self._commandId)
        self._commandId = None

    def _received(self, answer):
        self._finish()
        answer["residual"] = np.load(answer["residual"])
        if answer["anchor_picture"]:
            answer["anchor_picture"] = np.load(answer["anchor_picture"])
        asked = self._asked
        if self._waiting is not None:
            self._send()
        return (*asked, answer)

    def close(self):
        """Remove the files; a later question makes new ones."""
        self._finish()
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None
