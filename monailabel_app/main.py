"""MONAI Label app for ultrasound plane quality: a model, a scoring method and a strategy for the worklist."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import requests
from fastapi import HTTPException
from lib.dicomweb import UltrasoundArchive
from lib.image_scores import NOTICE
from lib.infer import NOT_FOUND, StriqQuality
from lib.scorer_process import ScorerProcess
from lib.scoring import QualityScoring
from lib.settings import Settings
from lib.sources import may_be_named
from lib.strategy import WorstFirst
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.exception import MONAILabelException
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.tasks.activelearning.random import Random
from monailabel.utils.async_tasks.utils import tasks

logger = logging.getLogger(__name__)

BAD_GATEWAY = 502
MODEL, METHOD, STRATEGY = "striq_quality", "striq_quality", "worst_first"
# Files that STRIQ reads and an annotation client can open. MONAI Label's own list is for CT and pathology.
FILE_PATTERNS = (
    *("*.nii.gz", "*.nii", "*.nrrd", "*.mha", "*.mhd", "*.dcm", "*.dicom"),
    *("*.png", "*.jpg", "*.jpeg", "*.tif", "*.tiff", "*.bmp"),
)


class StriqLabelApp(MONAILabelApp):
    """Quality control for annotation projects: scores only, no labels, no training.

    Args:
        app_dir: Folder of the app.
        studies: Folder of images, or the address of a DICOMweb archive.
        conf: The server's ``--conf`` pairs.

    Raises:
        SettingsError: If a setting is missing or cannot be used.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self._settings = Settings.of(conf or {}, os.environ)
        self._scorer = ScorerProcess(self._settings)
        self._quality = StriqQuality(self._scorer, self._settings)
        self._scoring = QualityScoring(self._scorer, self._quality)
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="STRIQ ultrasound plane quality",
            description=f"Annotation-free quality control of ultrasound planes. {NOTICE}",
            version="0.1.0",
        )

    def init_infers(self) -> dict[str, InferTask]:
        """Return the one model."""
        return {MODEL: self._quality}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """Return the one scoring method."""
        return {METHOD: self._scoring}

    def init_strategies(self) -> dict[str, Strategy]:
        """Return the strategies; clients offer the first one by default."""
        return {STRATEGY: WorstFirst(), "random": Random()}

    def init_datastore(self) -> Datastore:
        """Return the datastore of ultrasound images; settings made by the user are kept."""
        if _is_default("MONAI_LABEL_DATASTORE_FILE_EXT"):
            settings.MONAI_LABEL_DATASTORE_FILE_EXT = list(FILE_PATTERNS)
        if _is_default("MONAI_LABEL_DICOMWEB_SEARCH_FILTER"):
            settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER = {"Modality": "US"}
        return super().init_datastore()

    def _init_dicomweb_datastore(self) -> Datastore:
        return UltrasoundArchive(self.studies)

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Answer a request for inference.

        Raises:
            HTTPException: If it cannot be answered, with the reason, which MONAI Label itself leaves out.
        """
        image = request.get("image")
        sessions = settings.MONAI_LABEL_SESSION_PATH or str(Path.home() / ".cache" / "monailabel" / "sessions")
        if isinstance(image, str) and not may_be_named(image, [str(self.studies), sessions]):
            raise HTTPException(NOT_FOUND, "There is no such image in the datastore.")
        try:
            result: dict[str, Any] = super().infer(request, datastore)
        except MONAILabelException as error:
            raise HTTPException(NOT_FOUND, error.msg) from error
        except requests.RequestException as error:
            raise HTTPException(BAD_GATEWAY, f"The archive does not answer: {error}") from error
        return result

    def info(self) -> dict[str, Any]:
        """Return the description for clients. It lists no labels, because clients create a segment for each label."""
        return {**super().info(), "labels": [], "notice": NOTICE}

    def on_init_complete(self) -> None:
        """Load the model before the first request, so that a model that cannot be loaded ends the start.

        Raises:
            UnavailableError: If the scoring process cannot start or load the model.
        """
        loaded = self._scorer.start()
        logger.info("STRIQ %s: %s (sha256 %s)", loaded["version"], loaded["model"], loaded["sha256"])
        super().on_init_complete()

    def async_scoring(self, method: str | None, params: dict[str, Any] | None = None) -> Any:
        """Start a scoring method. Without a name, as after every sample, start it only if an image has no score."""
        queued = any(task["status"] == "SUBMITTED" for task in tasks("scoring"))
        if method is None and (queued or not self._scoring.waiting(self.datastore())):
            return {}
        return super().async_scoring(method, params)


def _is_default(name: str) -> bool:
    return getattr(settings, name) == type(settings).model_fields[name].default
