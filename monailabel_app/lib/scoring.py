"""The scoring method: notes ``striq_quality`` of every image in the datastore."""

from __future__ import annotations

import logging
import time
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod

from lib.image_scores import model_mark
from lib.infer import StriqQuality
from lib.scorer_process import RefusedError, ScorerProcess, UnavailableError
from lib.sources import stamp
from lib.worklist import error_note, is_current, score_note

logger = logging.getLogger(__name__)


class QualityScoring(ScoringMethod):
    """Scores the images that are new or have changed since this model scored them.

    Args:
        scorer: The scoring process.
        quality: The model.
    """

    def __init__(self, scorer: ScorerProcess, quality: StriqQuality) -> None:
        super().__init__("Notes striq_quality, striq_plane and striq_verdict of every image. Research only.")
        self._scorer, self._quality = scorer, quality

    def waiting(self, datastore: Datastore) -> list[str]:
        """Return the images that have no current score."""
        mark = model_mark(self._scorer.start())
        return [image for image in sorted(datastore.list_images()) if not _is_scored(datastore, image, mark)]

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score images, note the scores and return the counts.

        Args:
            request: ``force`` scores all images again.
            datastore: Images and the notes about them.

        Raises:
            UnavailableError: If the scoring process cannot start at all.
        """
        started = time.perf_counter()
        mark = model_mark(self._scorer.start())
        images = sorted(datastore.list_images())
        todo = images if request.get("force") else self.waiting(datastore)
        failed = [image for image in todo if not self._note(image, mark, datastore)]
        summary = {
            "total": len(images),
            "skipped": len(images) - len(todo),
            "scored": len(todo) - len(failed),
            "failed": failed,
            "latency": round(time.perf_counter() - started, 3),
        }
        logger.info("STRIQ: %s", summary)
        return summary

    def _note(self, image: str, mark: str, datastore: Datastore) -> bool:
        """Score one image and note the score, or why there is none; return whether there is one."""
        path = state = ""
        try:
            path = datastore.get_image_uri(image)
            state = stamp(path)
            note = score_note(self._quality.score_image(path), mark, state, time.time())
        except (RefusedError, UnavailableError) as error:
            note = error_note(str(error), mark, state, time.time())
        except Exception as error:  # the other images can still be scored
            logger.exception("%s cannot be fetched.", image)
            note = error_note(f"The image cannot be fetched: {type(error).__name__}: {error}", mark, state, time.time())
        # Read the datastore again first: another process may have added notes.
        datastore.refresh()
        datastore.update_image_info(image, note)
        return note["striq_error"] is None


def _is_scored(datastore: Datastore, image: str, mark: str) -> bool:
    info = datastore.get_image_info(image)
    path = info.get("path", "")
    return is_current(info, mark, stamp(path) if path else "")
