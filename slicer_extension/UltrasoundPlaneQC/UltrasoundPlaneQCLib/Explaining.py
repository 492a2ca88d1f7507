"""Explanations of single frames, requested from the scoring process without waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .FrameSource import FrameSource, SourceError, originalOf
from .Messages import ExplainedFrame
from .ModelHolder import ModelHolder
from .Options import ScoringOptions
from .WorkerClient import Scratch


@dataclass(frozen=True)
class Explanation:
    """Why one frame got its score.

    Attributes:
        source: Frames that it is one of.
        index: Number of the frame.
        residual: One minus the cosine of features per pixel, NaN outside the fan, shape ``(H, W)``.
        missing: Where structure that all references show is not found, 0 to 1, same shape.
        picture: The nearest reference, cropped to its fan; ``None`` if the model has no pictures.
        transform: Pull-back from frame to reference, 2x3.
        crop: Top, left, bottom and right of the box that ``transform`` lives in.
    """

    source: FrameSource
    index: int
    residual: NDArray[np.float32]
    missing: NDArray[np.float32]
    picture: NDArray[np.uint8] | None
    transform: list[list[float]]
    crop: list[int]


class Explainer:
    """Asks the scoring process to explain frames; a newer request replaces one that still waits.

    Args:
        holder: The scoring process.
    """

    def __init__(self, holder: ModelHolder) -> None:
        self.holder = holder
        self._scratch: Scratch | None = None
        self._commandId: int | None = None
        self._asked: tuple[FrameSource, int] | None = None
        self._waiting: tuple[FrameSource, int, ScoringOptions] | None = None

    @property
    def isBusy(self) -> bool:
        """Whether an answer is awaited."""
        return self._commandId is not None

    def ask(self, source: FrameSource, index: int, options: ScoringOptions) -> None:
        """Request the explanation of one frame."""
        self._waiting = (source, index, options)
        if not self.isBusy:
            self._sendWaiting()

    def _sendWaiting(self) -> None:
        if self._waiting is None:
            return
        (source, index, options), self._waiting = self._waiting, None
        self._scratch = self._scratch or Scratch()
        path = self._scratch.file("frame.npy")
        original = originalOf(source, index)
        # The first frame, on which the fan of the sequence is found, unless the file of the frames is named.
        sent = [index] if original else sorted({0, index})
        np.save(path, np.stack([source.frame(number) for number in sent]))
        self._asked = (source, index)
        self.holder.request(options.modelPath, options.device)
        self._commandId = self.holder.client.send(
            "explain",
            frames=str(path),
            index=len(sent) - 1,
            plane=options.plane,
            folder=str(self._scratch.path),
            source=source.name,
            **original,
        )

    def poll(self) -> Explanation | None:
        """Return the explanation if it has arrived, ``None`` otherwise.

        Raises:
            SourceError: If the frame cannot be explained.
            WorkerError: If the scoring process has ended on its own.
        """
        for answer in self.holder.poll(self._commandId) if self.isBusy else ():
            if answer["event"] == "error":
                self._finish()
                raise SourceError(answer["text"])
            if answer["event"] == "explained":
                return self._received(cast("ExplainedFrame", answer))
        return None

    def _finish(self) -> None:
        self.holder.client.forget(self._commandId)
        self._commandId = None

    def _received(self, answer: ExplainedFrame) -> Explanation:
        assert self._asked is not None
        source, index = self._asked
        self._finish()
        picture = answer["anchor_picture"]
        explanation = Explanation(
            source=source,
            index=index,
            residual=np.load(answer["residual"]),
            missing=np.load(answer["missing"]),
            picture=np.load(picture) if picture else None,
            transform=answer["transform"],
            crop=answer["crop"],
        )
        self._sendWaiting()  # only now: it writes over the files
        return explanation

    def close(self) -> None:
        """Remove the files; a later request makes new ones."""
        self._finish()
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None
