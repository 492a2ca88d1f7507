"""The model ``striq_quality`` of the server: ``POST /infer/striq_quality``."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from lib.image_scores import NOTICE, combine_files
from lib.scorer_process import FileScores, RefusedError, ScorerProcess, UnavailableError
from lib.settings import AUTO, Settings, SettingsError, as_threshold
from lib.sources import image_files

logger = logging.getLogger(__name__)

NOT_FOUND, UNUSABLE, UNAVAILABLE = 404, 422, 503


class StriqQuality(InferTask):
    """Scores the frames of an image. The answer is JSON; there is no label.

    Args:
        scorer: The scoring process.
        settings: Plane and threshold of requests that name none.
    """

    def __init__(self, scorer: ScorerProcess, settings: Settings) -> None:
        super().__init__(
            type=InferType.CLASSIFICATION,
            labels=["quality"],
            dimension=2,
            description=f"Quality Q in [0, 1] of ultrasound frames, without quality labels. {NOTICE}",
        )
        self._scorer, self._settings = scorer, settings

    def is_valid(self) -> bool:
        """Return true: the server does not start without the model."""
        return True

    def config(self) -> dict[str, Any]:
        """Return the choices of a request, the default first."""
        planes = [AUTO, *self._scorer.loaded.get("planes", [])]
        default = self._settings.plane
        return {
            "plane": [default, *(plane for plane in planes if plane != default)],
            "threshold": self._threshold(None),
        }

    def info(self) -> dict[str, Any]:
        """Return the description of the model for clients."""
        known = ("model", "sha256", "version", "planes", "threshold", "device")
        return {**super().info(), "scorer": {key: self._scorer.loaded.get(key) for key in known}, "notice": NOTICE}

    def __call__(self, request: dict[str, Any]) -> tuple[None, dict[str, Any]]:
        """Return no file, and the score of the image.

        Raises:
            HTTPException: If there is no such image, it cannot be scored, or the scoring process fails.
        """
        started = time.perf_counter()
        image = request.get("image")
        if not isinstance(image, str) or not image or not Path(image).exists():
            raise HTTPException(NOT_FOUND, "There is no such image in the datastore.")
        try:
            answer = self.score_image(image, plane=request.get("plane"), threshold=request.get("threshold"))
        except (RefusedError, SettingsError) as error:
            raise HTTPException(UNUSABLE, str(error)) from error
        except UnavailableError as error:
            logger.exception("The scoring process failed.")
            raise HTTPException(UNAVAILABLE, str(error)) from error
        return None, {**answer, "latencies": {"total": round(time.perf_counter() - started, 3)}}

    def score_image(self, image: str, *, plane: Any = None, threshold: Any = None) -> dict[str, Any]:
        """Return the score of an image: a file, or a folder that holds one DICOM series.

        Args:
            image: Path of the image.
            plane: Plane that it shows; by default that of the settings.
            threshold: Quality that an accepted frame exceeds; by default that of the settings, else the model's.

        Raises:
            RefusedError: If no frame of it can be scored.
            SettingsError: If the model does not know the plane, or the threshold is not a number from 0 to 1.
            UnavailableError: If the scoring process fails.
        """
        model = self._scorer.start()
        limit = self._threshold(threshold)
        plane = self._plane(plane)
        scored: dict[str, FileScores | RefusedError] = {}
        for file in image_files(image):
            try:
                scored[file.name] = self._scorer.score(file, plane=plane, threshold=limit)
            except RefusedError as error:
                scored[file.name] = error
        return combine_files(scored, model, limit)

    def _plane(self, given: Any) -> str:
        # A client may send the whole list of choices when its user has chosen none.
        chosen = self._settings.plane if not given or isinstance(given, list) else str(given)
        known = [AUTO, *self._scorer.loaded["planes"]]
        if chosen not in known:
            raise SettingsError(f"'plane': the model does not know {chosen!r}; expected one of {', '.join(known)}.")
        return chosen

    def _threshold(self, given: Any) -> Any:
        chosen = as_threshold(given)
        if chosen is None:
            chosen = self._settings.threshold
        return self._scorer.loaded.get("threshold") if chosen is None else chosen
