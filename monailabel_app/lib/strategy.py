"""The strategy ``worst_first``: show the image with the lowest quality next."""

from __future__ import annotations

import logging
import time
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from lib.worklist import QUALITY, turn

logger = logging.getLogger(__name__)


class WorstFirst(Strategy):
    """Shows the images without a final label in order of quality, the lowest first.

    It starts again after the last one, or after a day. Images without a score come last. If none has a
    score, images are shown in order of name.
    """

    def __init__(self) -> None:
        super().__init__("Lowest striq_quality first; images without a score come last")

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """Return the next image, ``None`` if every image has a final label."""
        images = datastore.get_unlabeled_images(request.get("label_tag"), request.get("labels"))
        if not images:
            return None
        infos = {image: datastore.get_image_info(image) for image in sorted(images)}
        now = time.time()
        chosen = min(infos, key=lambda image: turn(infos[image], request["strategy"], now))
        logger.info("worst_first: %s, quality %s", chosen, infos[chosen].get(QUALITY))
        return {"id": chosen}
