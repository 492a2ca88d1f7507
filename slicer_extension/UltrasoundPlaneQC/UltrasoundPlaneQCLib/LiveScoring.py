"""Live scoring of a streaming volume: one frame is in work, and the newest waits in place of all others."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
import slicer
from slicer.i18n import tr as _

from .FrameSource import SourceError, pictureOf
from .Results import ACCEPTED, NO_PLANE, REJECTED, UNSCORED
from .WorkerClient import Scratch

RATE_SECONDS = 2.0  # span over which rates are counted


@dataclass(frozen=True)
class LiveVerdict:
    """What the worker said about one live frame.

    Attributes:
        quality: Q, ``None`` if the frame could not be scored.
        verdict: ``"accepted"``, ``"rejected"``, or why there is none.
        plane: Plane shown.
        frameMs: Time the worker took.
        latencyMs: From the arrival of the image to the verdict.
        imageTime: When the image arrived, in seconds since the start.
    """

    quality: float | None
    verdict: str
    plane: str
    frameMs: float
    latencyMs: float
    imageTime: float


class LiveScoring:
    """Observes a volume and scores each new image unless an older one is still in work.

    Args:
        holder: The worker.
        threshold: Returns the quality above which a frame is accepted.
        onVerdict: Takes each :class:`LiveVerdict`.
    """

    def __init__(self, holder, threshold, onVerdict):
        self.holder, self._threshold, self._onVerdict = holder, threshold, onVerdict
        self.volume, self.recorder = None, None
        self.received = self.scored = 0
        self._observation = self._commandId = self._scratch = None
        self._newest = None  # arrival time of an image that waits
        self._arrivals, self._verdicts = deque(), deque()  # both hold when images arrived

    @property
    def isRunning(self):
        """Whether a volume is observed."""
        return self.volume is not None

    def start(self, volume, plane="auto", modelPath="", device="auto", recorder=None):
        """Observe a volume.

        Args:
            volume: Volume that the stream updates.
            plane: Name of the plane, or ``"auto"``.
            modelPath: Model or bundle; empty for the shipped one.
            device: Device that the worker is to use.
            recorder: Takes images and scores, if they are to be kept.
        """
        if volume is None:
            raise SourceError(_("No live image is chosen. Connect OpenIGTLink and choose the volume that it updates."))
        self.stop()
        self._plane, self.recorder, self._scratch = plane, recorder, Scratch()
        self.received = self.scored = 0
        self._began = time.monotonic()
        self.holder.request(modelPath, device)
        self.volume = volume
        event = slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent
        self._observation = volume.AddObserver(event, self._onImage)

    def stop(self):
        """Stop observing; an answer still on its way is dropped."""
        if self.volume is None:
            return
        self.volume.RemoveObserver(self._observation)
        self.volume, self._newest = None, None
        self.holder.client.forget(self._commandId)
        self._commandId = None
        self._arrivals.clear()
        self._verdicts.clear()
        self._scratch.remove()
        if self.recorder is not None:
            self.recorder.finish()

    def _onImage(self, caller, event):
        del event
        now = time.monotonic()
        self.received += 1
        self._arrivals.append(now)
        if self.recorder is not None:
            self.recorder.addImage(caller, now - self._began)
        self._newest = now
        self._sendNewest()

    def _sendNewest(self):
        if self._newest is None or self._commandId is not None:
            return
        self._inWork, self._newest = self._newest, None
        # A name of its own for each frame: a file that is still mapped cannot be written over on Windows.
        path = self._scratch.file(f"live{self.scored}.npy")
        np.save(path, pictureOf(self.volume)[None])
        self._path = path
        self._commandId = self.holder.client.send("score", frames=str(path), plane=self._plane, boxes=False)

    def poll(self):
        """Take the answers that have arrived, without waiting; return what the user should be told, if anything."""
        said = None
        for answer in self.holder.poll(self._commandId) if self.isRunning else ():
            event = answer["event"]
            if event == "error":
                self.stop()
                raise SourceError(answer["text"])
            if event == "frame":
                self._judge(answer)
            elif event == "notice":
                said = answer["text"]
            elif event == "finished":
                self.holder.client.forget(self._commandId)
                self._commandId = None
                self._scratch.discard(self._path)
                self._sendNewest()
        return said

    def _judge(self, answer):
        now = time.monotonic()
        self.scored += 1
        self._verdicts.append(self._inWork)
        quality, plane = answer.get("quality"), answer.get("plane", NO_PLANE)
        if quality is None:
            verdict = answer.get("error", UNSCORED)
        else:
            verdict = ACCEPTED if quality > self._threshold() and plane != NO_PLANE else REJECTED
        latencyMs = (now - self._inWork) * 1000
        imageTime = self._inWork - self._began
        judged = LiveVerdict(quality, verdict, plane, answer["ms"], latencyMs, imageTime)
        if self.recorder is not None:
            self.recorder.addScore(judged)
        self._onVerdict(judged)

    def rates(self):
        """Return frames per second received and scored, over the last two seconds."""
        now = time.monotonic()
        for times in (self._arrivals, self._verdicts):
            while times and times[0] < now - RATE_SECONDS:
                times.popleft()
        span = min(RATE_SECONDS, max(now - self._began, 1e-3))
        return len(self._arrivals) / span, len(self._verdicts) / span
