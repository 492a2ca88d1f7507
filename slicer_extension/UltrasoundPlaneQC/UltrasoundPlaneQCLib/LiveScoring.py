"""Live scoring of a streaming volume: while one image is scored, only the newest one waits."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from .FrameSource import SourceError, knownSpacingOf, pictureOf
from .Judgement import UNSCORED, verdictOf
from .Messages import FrameAnswer
from .ModelHolder import ModelHolder
from .Options import ScoringOptions
from .Verdict import NO_PLANE
from .WorkerClient import Scratch, WorkerError

RATE_SECONDS = 2.0  # time over which rates are measured


@dataclass(frozen=True)
class LiveVerdict:
    """The verdict on one live image.

    Attributes:
        quality: Q; ``None`` if the image could not be scored.
        verdict: ``"accepted"``, ``"rejected"``, or why there is no score.
        plane: Predicted plane.
        frameMs: Time that scoring took, in milliseconds.
        latencyMs: Time from the arrival of the image to the verdict, in milliseconds.
        imageTime: Time at which the image arrived, in seconds since the start.
        transform: Pull-back from the image to its nearest reference, 2x3; ``None`` without a score.
        crop: Top, left, bottom and right of the box that ``transform`` lives in; ``None`` without a score.
        pixels: The image as stored.
        spacingMm: Distance between its rows, then columns; ``None`` if unknown.
    """

    quality: float | None
    verdict: str
    plane: str
    frameMs: float
    latencyMs: float
    imageTime: float
    transform: list[list[float]] | None = None
    crop: list[int] | None = None
    pixels: NDArray[Any] | None = field(default=None, compare=False, repr=False)
    spacingMm: tuple[float, float] | None = None


class Recorder(Protocol):
    """Keeps images and verdicts of a stream."""

    def addImage(self, volume: slicer.vtkMRMLVolumeNode, timeS: float) -> None:
        """Keep one image."""
        ...

    def addScore(self, verdict: LiveVerdict) -> None:
        """Keep the verdict on one image."""
        ...

    def finish(self) -> object:
        """End the recording."""
        ...


class LiveScoring:
    """Observes a volume and scores its newest image whenever the scoring process is free.

    Args:
        holder: The scoring process.
        threshold: Returns the quality that an accepted frame exceeds.
        onVerdict: Called with each :class:`LiveVerdict`.
    """

    def __init__(
        self, holder: ModelHolder, threshold: Callable[[], float], onVerdict: Callable[[LiveVerdict], None]
    ) -> None:
        self.holder, self._threshold, self._onVerdict = holder, threshold, onVerdict
        self.volume: slicer.vtkMRMLVolumeNode | None = None
        self.recorder: Recorder | None = None
        self.received = self.scored = 0
        self.isHeld = False  # images are received, but not scored
        self._plane = ""
        self._startTime = 0.0
        self._scratch: Scratch | None = None
        self._observation: int | None = None
        self._commandId: int | None = None
        self._sent = 0.0  # arrival of the image that is being scored
        self._sentPath: Path | None = None
        self._sentPixels: NDArray[Any] | None = None
        self._sentSpacing: tuple[float, float] | None = None
        self._newest: float | None = None  # arrival of the image that waits
        self._failure: WorkerError | SourceError | OSError | None = None  # of an image that was not sent
        self._arrivals: deque[float] = deque()
        self._scoredArrivals: deque[float] = deque()

    @property
    def isRunning(self) -> bool:
        """Whether a volume is observed."""
        return self.volume is not None

    def start(
        self, volume: slicer.vtkMRMLVolumeNode | None, options: ScoringOptions, recorder: Recorder | None = None
    ) -> None:
        """Observe a volume.

        Args:
            volume: Volume that the stream updates.
            options: Plane, model and device; the threshold is the one given to the constructor.
            recorder: Keeps images and scores; ``None`` records nothing.

        Raises:
            SourceError: If there is no volume.
            WorkerError: If the scoring process cannot start.
        """
        if volume is None:
            raise SourceError(_("No live image is chosen. Connect OpenIGTLink and choose the volume that it updates."))
        self.stop()
        self._plane, self.recorder, self._scratch = options.plane, recorder, Scratch()
        self.received = self.scored = 0
        self.isHeld = False
        self._failure = None
        self._startTime = time.monotonic()
        self.holder.request(options.modelPath, options.device)
        self.volume = volume
        event = slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent
        self._observation = volume.AddObserver(event, self._onImage)

    def stop(self) -> None:
        """Stop observing; an answer that is still awaited is dropped."""
        if self.volume is None:
            return
        if self._observation is not None:
            self.volume.RemoveObserver(self._observation)
        self.volume, self._newest = None, None
        self.holder.client.forget(self._commandId)
        self._commandId = None
        self._arrivals.clear()
        self._scoredArrivals.clear()
        if self._scratch is not None:
            self._scratch.remove()
        if self.recorder is not None:
            self.recorder.finish()

    def _onImage(self, caller: slicer.vtkMRMLVolumeNode, event: str) -> None:
        del event
        now = time.monotonic()
        self.received += 1
        self._arrivals.append(now)
        if self.recorder is not None:
            self.recorder.addImage(caller, now - self._startTime)
        if self.isHeld:
            return
        self._newest = now
        try:
            self._sendNewest()
        except (WorkerError, SourceError, OSError) as error:  # the next poll reports it; an observer must not raise
            logging.debug("The image was not sent: %s", error)
            self._failure = error

    def _sendNewest(self) -> None:
        if self._newest is None or self._commandId is not None or self.volume is None or self._scratch is None:
            return
        self._sent, self._newest = self._newest, None
        # A new name for each image: on Windows, a file that is still mapped cannot be overwritten.
        self._sentPath = self._scratch.file(f"live{self.scored}.npy")
        self._sentPixels, self._sentSpacing = np.array(pictureOf(self.volume)), knownSpacingOf(self.volume)
        np.save(self._sentPath, self._sentPixels[None])
        self._commandId = self.holder.client.send("score", frames=str(self._sentPath), plane=self._plane)

    def poll(self) -> str | None:
        """Handle the answers that have arrived, without waiting; return a notice for the user, if any.

        Raises:
            SourceError: If the stream cannot be scored; it is stopped.
            WorkerError: If the scoring process has ended on its own.
            OSError: If an image cannot be written for the scoring process.
        """
        notice: str | None = None
        if not self.isRunning:
            return notice
        if self._failure is not None:
            raise self._failure
        if self._commandId is None:
            self.holder.requireRunning()
        found: list[LiveVerdict] = []
        for answer in self.holder.poll(self._commandId):
            event = answer["event"]
            if event == "error":
                self.stop()
                raise SourceError(answer["text"])
            if event == "frame":
                found.append(self._onAnswer(cast("FrameAnswer", answer)))
            elif event == "notice":
                notice = answer["text"]
            elif event == "finished":
                self._onFinished()
        for live in found:  # shown last, so that the next image is already being scored while the window is drawn
            self._onVerdict(live)
        return notice

    def _onFinished(self) -> None:
        self.holder.client.forget(self._commandId)
        self._commandId = None
        if self._scratch is not None and self._sentPath is not None:
            self._scratch.discard(self._sentPath)
        self._sendNewest()

    def _onAnswer(self, answer: FrameAnswer) -> LiveVerdict:
        self.scored += 1
        self._scoredArrivals.append(self._sent)
        quality, verdict, plane = self._verdict(answer)
        live = LiveVerdict(
            quality=quality,
            verdict=verdict,
            plane=plane,
            frameMs=answer["ms"],
            latencyMs=(time.monotonic() - self._sent) * 1000,
            imageTime=self._sent - self._startTime,
            transform=None if "error" in answer else answer["transform"],
            crop=None if "error" in answer else answer["crop"],
            pixels=self._sentPixels,
            spacingMm=self._sentSpacing,
        )
        if self.recorder is not None:
            self.recorder.addScore(live)
        return live

    def _verdict(self, answer: FrameAnswer) -> tuple[float | None, str, str]:
        """Return quality, verdict and plane of an image."""
        if "error" in answer:
            return None, answer["error"], NO_PLANE
        quality, plane = answer["quality"], answer["plane"]
        return quality, UNSCORED if quality is None else verdictOf(quality, plane, self._threshold()), plane

    def rates(self) -> tuple[float, float]:
        """Return images per second received and scored, over the last two seconds."""
        now = time.monotonic()
        for times in (self._arrivals, self._scoredArrivals):
            while times and times[0] < now - RATE_SECONDS:
                times.popleft()
        span = min(RATE_SECONDS, max(now - self._startTime, 1e-3))
        return len(self._arrivals) / span, len(self._scoredArrivals) / span
