"""A loaded model: scores and explanations, on the CPU once the memory of an accelerator has run out."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from striq.anchors.thumbnails import find_thumbnail
from striq.data.cine import Cine
from striq.reporting.identity import ModelIdentity
from striq.scoring.checkpoint import find_checkpoint
from striq.scoring.cine_scoring import score_cine
from striq.scoring.devices import check_device, is_out_of_memory
from striq.scoring.loading import load_scorer
from striq.scoring.results import FrameResult
from striq.scoring.scorer import Explanation, StriqScorer
from striq.service.requests import Load
from striq.types import Frame, FrameScore

CPU = "cpu"
Notify = Callable[[str], None]


class LoadedModel:
    """A scorer, and where it was loaded from.

    Args:
        scorer: The scorer.
        checkpoint: File of the model.
    """

    def __init__(self, scorer: StriqScorer, checkpoint: Path) -> None:
        self.scorer, self.checkpoint = scorer, checkpoint

    @classmethod
    def load(cls, request: Load, notify: Notify) -> LoadedModel:
        """Return the model of a load command, on the CPU where it does not fit into the memory of the device.

        Convention:
            - A fallback to the CPU computes in float32, with the engine that is fastest there.

        Args:
            request: The command.
            notify: Called with the reason for a fallback.

        Raises:
            StriqError: If there is no such model, device, precision or engine.
        """
        device, checkpoint = check_device(request.device), find_checkpoint(request.model or None)
        try:
            scorer = load_scorer(checkpoint, device, precision=request.precision, engine=request.engine)
            return cls(scorer, checkpoint)
        except RuntimeError as error:
            if not is_out_of_memory(error) or device == CPU:
                raise
        # Only here, after the error and the tensors that it refers to are gone, is the memory free.
        notify("The model does not fit into the memory of the graphics card")
        return cls(load_scorer(checkpoint, CPU), checkpoint)

    @property
    def device(self) -> str:
        """Type of the device that the model computes on."""
        return self.scorer.device.type

    def identity(self) -> ModelIdentity:
        """Return name, checksum and threshold of the model."""
        return ModelIdentity.of(self.checkpoint, self.scorer.config.quality.threshold)

    def score(
        self, cine: Cine, plane: str, threshold: float | None, notify: Notify
    ) -> Generator[FrameResult, None, None]:
        """Yield one result per frame, in order.

        Args:
            cine: Frames, each read once unless the memory of the device runs out.
            plane: As for ``StriqScorer.score``.
            threshold: Likewise.
            notify: Called with the reason for a fallback to the CPU.

        Raises:
            StriqError: If the model does not know the plane.
        """
        done = 0
        while True:
            results = score_cine(self.scorer, cine, cine.source, plane=plane, threshold=threshold, first=done)
            try:
                for result in results:
                    done += 1
                    yield result
            except RuntimeError as error:
                if not self._can_fall_back(error):
                    raise
            else:
                return
            self._fall_back(notify)

    def explain(self, frame: Frame, plane: str, notify: Notify) -> Explanation:
        """Return why a frame got its score.

        Args:
            frame: The frame.
            plane: As for ``StriqScorer.score``.
            notify: Called with the reason for a fallback to the CPU.
        """
        try:
            return self.scorer.explain(frame, plane)
        except RuntimeError as error:
            if not self._can_fall_back(error):
                raise
        self._fall_back(notify)
        return self.scorer.explain(frame, plane)

    def anchor_picture(self, score: FrameScore) -> NDArray[np.uint8] | None:
        """Return the picture of the nearest anchor, cropped to its fan, if the model came with pictures."""
        return find_thumbnail(self.checkpoint, score.scored_plane, score.anchor_number)

    def _can_fall_back(self, error: RuntimeError) -> bool:
        return is_out_of_memory(error) and self.device != CPU

    def _fall_back(self, notify: Notify) -> None:
        """Move the scorer to the CPU. Call it after the error is handled: until then the error holds tensors."""
        reason = f"The memory of {self.device.upper()} ran out"
        self.scorer.to(CPU)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        notify(reason)
