"""One run of the worker over the frames of a source, a little at a time, so that the window stays free."""

from __future__ import annotations

import logging
import time

import numpy as np
from slicer.i18n import tr as _

from .FrameSource import SourceError
from .WorkerClient import Scratch, WorkerError

STEP_SECONDS = 0.02  # longest share of the main thread that one step takes
EXPORTING, LOADING, SCORING = "exporting", "loading", "scoring"
FINISHED, CANCELLED, FAILED = "finished", "cancelled", "failed"
RUNNING = (EXPORTING, LOADING, SCORING)


class ScoringRun:
    """Exports frames, has the model loaded, collects scores.

    Args:
        source: Frames, as ``openFrames`` returns them.
        holder: The worker.
        results: Table that takes the scores.
        plane: Name of the plane, or ``"auto"``.
        modelPath: Model or bundle; empty for the shipped one.
        device: Device that the worker is to use.
        threshold: Quality above which a frame is accepted; ``None`` for the model's own.
    """

    def __init__(self, source, holder, results, plane="auto", modelPath="", device="auto", threshold=None):
        self.source, self.holder, self.results = source, holder, results
        self.plane, self.modelPath, self.device = plane, modelPath, device
        self._takesThreshold = threshold is None
        if threshold is not None:
            results.rejudge(threshold)
        self.state, self.message, self.notices = EXPORTING, "", []
        self.done, self.total = 0, source.numFrames
        self._exported, self._pixels = 0, None
        self._scratch = Scratch()
        self._scoreId = self._scoringSince = None
        self._began = time.monotonic()

    @property
    def isRunning(self):
        """Whether there is work left."""
        return self.state in RUNNING

    def advance(self):
        """Do what can be done now, without waiting; return the answers that were stored."""
        if not (self.source.isInScene and self.results.isInScene):
            self.abandon(_("The frames or their scores were removed from the scene."))
            return []
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
        if not self.isRunning:
            return
        try:
            if self._scoreId is not None:
                self.holder.client.forget(self.holder.client.send("cancel"))
                return
        except WorkerError:
            logging.debug("The scoring process had ended before it was told to stop.")
        self._end(CANCELLED, "")

    def abandon(self, reason=""):
        """End at once, whatever the worker still does; its answers are dropped."""
        self.cancel()
        if self.isRunning:
            self._end(CANCELLED, reason)
        self.message = reason

    def secondsLeft(self):
        """Return the time left at the pace so far, ``None`` before the first score."""
        if self._scoringSince is None or not self.done:
            return None
        return (time.monotonic() - self._scoringSince) / self.done * (self.total - self.done)

    def secondsSpent(self):
        """Return the time since the start."""
        return time.monotonic() - self._began

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
                    _(
                        "{name}, frame {index}: the picture has shape {found}, the first {first}. "
                        "Expected frames of one size; score the parts one by one."
                    ).format(
                        name=self.source.name, index=self._exported, found=picture.shape, first=self._pixels.shape[1:]
                    )
                )
            self._pixels[self._exported] = picture
            self._exported += 1
            if time.monotonic() > until:
                return
        self._pixels.flush()
        self._pixels = None
        self._startScoring()

    def _startScoring(self):
        self.holder.request(self.modelPath, self.device)
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
        answers = self.holder.poll(self._scoreId)
        if self._takesThreshold and self.holder.loaded:
            self.results.rejudge(self.holder.loaded["threshold"])
            self._takesThreshold = False
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
            self.results.remember(
                model=self.holder.loaded["model"],
                device=self.holder.loaded["device"],
                sha256=self.holder.loaded.get("sha256", ""),
                about=self.holder.loaded.get("about", {}),
            )
        self.holder.client.forget(self._scoreId)
        self._pixels = None
        self._scratch.remove()
