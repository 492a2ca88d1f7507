"""One run of scoring over the frames of a source, in small steps that do not block the window."""

from __future__ import annotations

import logging
import time
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from .FrameSource import FrameSource, SourceError, originalOf
from .Messages import FrameAnswer
from .ModelHolder import ModelHolder
from .Options import ScoringOptions
from .Results import Results
from .WorkerClient import Scratch, WorkerError

MIN_PAUSE_SECONDS, PAUSE_FACTOR = 0.2, 10  # between two updates of the table: a tenth of the time at most
STEP_SECONDS = 0.02  # longest time that one step takes on the main thread
EXPORTING, LOADING, SCORING = "exporting", "loading", "scoring"
FINISHED, CANCELLED, FAILED = "finished", "cancelled", "failed"
RUNNING = (EXPORTING, LOADING, SCORING)


class ScoringRun:
    """Exports frames, requests the model and collects scores.

    Args:
        source: Frames to score.
        holder: The scoring process.
        results: Empty table for the scores.
        options: Plane, model, device and threshold.
    """

    def __init__(
        self, source: FrameSource, holder: ModelHolder, results: Results, options: ScoringOptions | None = None
    ) -> None:
        self.source, self.holder, self.results = source, holder, results
        self.options = options or ScoringOptions()
        if self.options.threshold is not None:
            results.applyThreshold(self.options.threshold)
        self.state, self.message = EXPORTING, ""
        self.notices: list[str] = []
        self.done, self.total = 0, source.numFrames
        self._modelIsKnown = False  # the table has the model's terms and threshold
        self._exported = 0
        self._pixels: NDArray[Any] | None = None
        self._scratch = Scratch()
        self._scoreId: int | None = None
        self._scoringSince: float | None = None
        self._startTime = time.monotonic()
        self._nextUpdate = self._startTime  # of the table

    @property
    def isRunning(self) -> bool:
        """Whether there is work left."""
        return self.state in RUNNING

    def advance(self) -> list[FrameAnswer]:
        """Do one step without waiting; return the scores that were stored.

        Raises:
            SourceError: If the frames cannot be exported.
            WorkerError: If the scoring process has ended on its own.
        """
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

    def cancel(self) -> None:
        """Ask the run to end; the scores so far stay."""
        if not self.isRunning:
            return
        try:
            if self._scoreId is not None:
                self.holder.client.forget(self.holder.client.send("cancel"))
                return
        except WorkerError:
            logging.debug("The scoring process had ended before it was cancelled.")
        self._end(CANCELLED, "")

    def abandon(self, reason: str = "") -> None:
        """End at once without waiting for the scoring process; its further answers are dropped."""
        self.cancel()
        if self.isRunning:
            self._end(CANCELLED, reason)
        self.message = reason

    def secondsLeft(self) -> float | None:
        """Return the time left at the pace so far, ``None`` before the first score."""
        if self._scoringSince is None or not self.done:
            return None
        return (time.monotonic() - self._scoringSince) / self.done * (self.total - self.done)

    def secondsSpent(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._startTime

    def _export(self) -> None:
        if self.source.file is not None:  # the scoring process reads it
            self._startScoring()
            return
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
        self._pixels = None  # closes the file
        self._startScoring()

    def _startScoring(self) -> None:
        self.holder.request(self.options.modelPath, self.options.device)
        self.state, self._scoringSince = LOADING, time.monotonic()
        self._scoreId = self.holder.client.send("score", plane=self.options.plane, **self._framesOfCommand())

    def _framesOfCommand(self) -> dict[str, Any]:
        """Return the fields of the command that say what is scored."""
        if self.source.file is not None:
            return {"file": self.source.file}
        return {
            "frames": str(self._scratch.file("frames.npy")),
            "source": self.source.name,
            "times_s": self.source.timesS,
            "spacing_mm": self.source.spacingMm,
            **originalOf(self.source),
        }

    def _collect(self) -> list[FrameAnswer]:
        answers = self.holder.poll(self._scoreId)
        self._takeModel()
        frames = [cast("FrameAnswer", answer) for answer in answers if answer["event"] == "frame"]
        if frames:
            self.state = SCORING
            self.results.store(frames, announce=False)
            self.done += len(frames)
            self._updateTable()
        for answer in answers:
            if self.isRunning:
                self._handle(answer)
        return frames

    def _updateTable(self) -> None:
        """Let views show the scores so far, unless they did so just before."""
        started = time.monotonic()
        if started >= self._nextUpdate:
            self.results.announce()
            spent = time.monotonic() - started
            self._nextUpdate = started + spent + max(MIN_PAUSE_SECONDS, PAUSE_FACTOR * spent)

    def _takeModel(self) -> None:
        """Give the table the columns of the model's terms, and the model's threshold if no other is set."""
        loaded = self.holder.loaded
        if loaded is None or self._modelIsKnown:
            return
        self._modelIsKnown = True
        self.results.setTerms(loaded["terms"])
        if self.options.threshold is None:
            self.results.applyThreshold(loaded["threshold"])

    def _handle(self, answer: dict[str, Any]) -> None:
        event = answer["event"]
        if event == "loaded":
            self.state, self._scoringSince = SCORING, time.monotonic()
        elif event == "notice":
            self.notices.append(answer["text"])
        elif event == "error":
            self._end(FAILED, answer["text"])
        elif event == "finished":
            self._end(CANCELLED if answer["cancelled"] else FINISHED, "")

    def _end(self, state: str, message: str) -> None:
        self.state, self.message = state, message
        loaded = self.holder.loaded
        if loaded is not None:
            self.results.keepFacts(
                model=loaded["model"],
                device=loaded["device"],
                sha256=loaded["sha256"],
                about=loaded["about"],
                planes=loaded["planes"],
            )
        self.holder.client.forget(self._scoreId)
        if self.results.isInScene:
            self.results.announce()
        self._pixels = None
        self._scratch.remove()
