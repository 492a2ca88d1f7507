"""One run of the worker over the frames of a source, a little at a time, so that the window stays free."""

from __future__ import annotations

import time

import numpy as np

from .FrameSource import SourceError
from .WorkerClient import Scratch, WorkerClient

STEP_SECONDS = 0.02  # longest share of the main thread that one step takes
EXPORTING, LOADING, SCORING = "exporting", "loading", "scoring"
FINISHED, CANCELLED, FAILED = "finished", "cancelled", "failed"
RUNNING = (EXPORTING, LOADING, SCORING)


class ModelHolder:
    """The worker process with one model loaded; another model or device is loaded only when asked for."""

    def __init__(self, client=None):
        self.client = client or WorkerClient()
        self.loaded = None  # the worker's answer
        self._wanted = None

    def request(self, modelPath, device):
        """Ask for a model; return the number of the command, ``None`` if it was asked for before.

        The worker takes commands in their order, so the next one can follow at once.
        """
        wanted = (modelPath, device)
        if self.client.isRunning() and self._wanted == wanted:
            return None
        self.client.start()
        self._wanted, self.loaded = wanted, None
        return self.client.send("load", model=modelPath or None, device=device)

    def poll(self, *numbers):
        """Return the answers to some commands, taking note of the model and the device they speak of."""
        answers = self.client.poll(*numbers)
        for answer in answers:
            if answer["event"] == "loaded":
                self.loaded = answer
            elif answer["event"] == "notice" and self.loaded:
                self.loaded = {**self.loaded, "device": answer["device"]}
            elif answer["event"] == "error":
                self._wanted = None  # load again next time: the model may be what failed
        return answers

    def stop(self):
        """End the process."""
        self.client.stop()
        self.loaded = self._wanted = None


class ScoringRun:
    """Exports frames, has the model loaded, collects scores.

    Args:
        source: Frames, as ``openFrames`` returns them.
        holder: The worker.
        results: Table that takes the scores.
        plane: Name of the plane, or ``"auto"``.
        modelPath: Model or bundle; empty for the shipped one.
        device: Device that the worker is to use.
    """

    def __init__(self, source, holder, results, plane="auto", modelPath="", device="auto"):
        self.source, self.holder, self.results = source, holder, results
        self.plane, self.modelPath, self.device = plane, modelPath, device
        self.state, self.message, self.notices = EXPORTING, "", []
        self.done, self.total = 0, source.numFrames
        self._exported, self._pixels = 0, None
        self._scratch = Scratch()
        self._loadId = self._scoreId = None
        self._scoringSince = None

    @property
    def isRunning(self):
        """Whether there is work left."""
        return self.state in RUNNING

    def advance(self):
        """Do what can be done now, without waiting; return the answers that were stored."""
        try:
            if self.state == EXPORTING:
                self._export()
                return []
            return self._collect()
        except Exception as error:
            self._end(FAILED, str(error))
            raise

    def cancel(self):
        """Ask the run to end; scores that are done stay."""
        if self._scoreId is not None and self.isRunning:
            self.holder.client.forget(self.holder.client.send("cancel"))
        elif self.isRunning:
            self._end(CANCELLED, "")

    def abandon(self):
        """End at once, whatever the worker still does; its answers are dropped."""
        self.cancel()
        if self.isRunning:
            self._end(CANCELLED, "")

    def secondsLeft(self):
        """Return the time left at the pace so far, ``None`` before the first score."""
        if self._scoringSince is None or not self.done:
            return None
        return (time.monotonic() - self._scoringSince) / self.done * (self.total - self.done)

    def _export(self):
        until = time.monotonic() + STEP_SECONDS
        while self._exported < self.total:
            picture = self.source.frame(self._exported)
            if self._pixels is None:
                shape = (self.total, *picture.shape)
                path = self._scratch.file("frames.npy")
                self._pixels = np.lib.format.open_memmap(path, mode="w+", dtype=picture.dtype, shape=shape)
            if picture.shape != self._pixels.shape[1:]:
                raise SourceError(
                    f"{self.source.name}, frame {self._exported}: the picture has shape {picture.shape}, the first "
                    f"{self._pixels.shape[1:]}. Expected frames of one size; score the parts one by one."
                )
            self._pixels[self._exported] = picture
            self._exported += 1
            if time.monotonic() > until:
                return
        self._pixels.flush()
        self._pixels = None
        self._startScoring()

    def _startScoring(self):
        self._loadId = self.holder.request(self.modelPath, self.device)
        self.state, self._scoringSince = LOADING, time.monotonic()
        self._scoreId = self.holder.client.send(
            "score",
            frames=str(self._scratch.file("frames.npy")),
            source=self.source.name,
            plane=self.plane,
            times_s=self.source.timesS,
            spacing_mm=self.source.spacingMm,
        )

    def _collect(self):
        answers = self.holder.poll(self._loadId, self._scoreId)
        frames = [answer for answer in answers if answer["event"] == "frame"]
        if frames:
            self.state = SCORING
            self.results.store(frames)
            self.done += len(frames)
        for answer in answers:
            if self.isRunning:
                self._handle(answer)
        return frames

    def _handle(self, answer):
        event = answer["event"]
        if event == "loaded":
            self.state, self._scoringSince = SCORING, time.monotonic()
        elif event == "notice":
            self.notices.append(answer["text"])
        elif event == "error":
            self._end(FAILED, answer["text"])
        elif event == "finished":
            self._end(CANCELLED if answer["cancelled"] else FINISHED, "")

    def _end(self, state, message):
        self.state, self.message = state, message
        if self.holder.loaded:
            self.results.remember(model=self.holder.loaded["model"], device=self.holder.loaded["device"])
        self.holder.client.forget(self._loadId, self._scoreId)
        self._pixels = None
        self._scratch.remove()


class Explainer:
    """Asks the worker why single frames got their score; a newer question replaces one not asked yet."""

    def __init__(self, holder):
        self.holder = holder
        self._scratch = None
        self._commandId = None
        self._loadId = None
        self._waiting = None

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
        self._loadId = self.holder.request(modelPath, device)
        self._commandId = self.holder.client.send(
            "explain", frames=str(path), index=0, plane=plane, folder=str(self._scratch.path), source=source.name
        )

    def poll(self):
        """Return ``(source, index, explanation)`` when there is one, else ``None``.

        Raises:
            SourceError: If the frame cannot be explained.
        """
        for answer in self.holder.poll(self._loadId, self._commandId) if self.isBusy else ():
            if answer["event"] == "error":
                self._finish()
                raise SourceError(answer["text"])
            if answer["event"] == "explained":
                return self._received(answer)
        return None

    def _finish(self):
        self.holder.client.forget(self._loadId, self._commandId)
        self._commandId = self._loadId = None

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
