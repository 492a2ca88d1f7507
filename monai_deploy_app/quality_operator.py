"""The operator that scores: DICOM ultrasound series in, JSON and CSV out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loader import UNREADABLE
from monai.deploy.core import Fragment, Operator, OperatorSpec
from monai.deploy.core.domain.dicom_series_selection import SelectedSeries, StudySelectedSeries
from monai.deploy.core.domain.dicom_sop_instance import DICOMSOPInstance

import striq
from striq.atomic_files import write_json
from striq.data.readers import open_cine
from striq.errors import StriqError
from striq.reporting.identity import ModelIdentity
from striq.reporting.rows import source_name, write_scores
from striq.reporting.summary import summarize
from striq.scoring.checkpoint import find_checkpoint
from striq.scoring.cine_scoring import score_cine
from striq.scoring.loading import load_scorer
from striq.scoring.results import FrameResult
from striq.scoring.scorer import AUTO

JSON_NAME, CSV_NAME = "striq_scores.json", "striq_scores.csv"
NOTICE = "Research software. Not a medical device, never for diagnosis."
logger = logging.getLogger(__name__)


class PlaneQualityOperator(Operator):
    """Scores every frame of the selected ultrasound series, read from their files as ``striq score`` reads them.

    It does not use Deploy's ``Image``, which orders axes for volumes: a rotated frame has another score.

    Named input:
        study_selected_series_list: Studies with selected series.
        unreadable_files: Path and reason of files that could not be loaded; the results list them.

    Results, in the output folder:
        striq_scores.json: The model, and a summary and all frames of every instance.
        striq_scores.csv: One row per frame, with the columns of ``striq score``.

    Args:
        fragment: The application.
        output_folder: Folder for the results.
        model: A ``model.pt`` or a bundle; the shipped model by default.
        plane: Plane that the frames show, or ``"auto"`` to recognize it frame by frame.
        threshold: Quality that an accepted frame exceeds; the model's own by default.
        device: Device of PyTorch.
    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        output_folder: Path,
        model: Path | None = None,
        plane: str = AUTO,
        threshold: float | None = None,
        device: str = "cpu",
        **kwargs: Any,
    ) -> None:
        self._output_folder, self._plane = output_folder, plane
        self._scorer = load_scorer(model, device)
        if plane != AUTO:
            self._scorer.plane_index(plane)
        limit = self._scorer.config.quality.threshold if threshold is None else threshold
        self._model = ModelIdentity.of(find_checkpoint(model), limit)
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the inputs."""
        spec.input("study_selected_series_list")
        spec.input(UNREADABLE)

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Score the series and write the results.

        Raises:
            StriqError: If no frame could be scored; the results are written first and contain the reasons.
        """
        studies = op_input.receive("study_selected_series_list")
        unreadable = op_input.receive(UNREADABLE)
        results = [FrameResult(source_name(Path(file)), None, error=reason) for file, reason in unreadable]
        series = [self._score_series(study, selected, results) for study, selected in _selected(studies)]
        content = {
            "notice": NOTICE,
            "model": {**asdict(self._model), "striq_version": striq.__version__},
            "plane": self._plane,
            "series": series,
            "unreadable": [{"file": source_name(Path(file)), "error": reason} for file, reason in unreadable],
        }
        write_json(self._output_folder / JSON_NAME, content)
        write_scores(self._output_folder / CSV_NAME, results)
        scored = sum(result.score is not None for result in results)
        logger.info("%d of %d frames scored: %s", scored, len(results), self._output_folder)
        if not scored:
            first = next((result.error for result in results), "there is no series of modality US.")
            msg = f"No ultrasound frame could be scored: {first} See {self._output_folder / CSV_NAME}."
            raise StriqError(msg)

    def _score_series(
        self, study: StudySelectedSeries, selected: SelectedSeries, results: list[FrameResult]
    ) -> dict[str, Any]:
        """Return the scores of a series, and add them to the results."""
        instances = sorted(selected.series.get_sop_instances(), key=_instance_number)
        return {
            "study_instance_uid": str(study.study.StudyInstanceUID),
            "series_instance_uid": str(selected.series.SeriesInstanceUID),
            "instances": [self._score_instance(instance, results) for instance in instances],
        }

    def _score_instance(self, instance: DICOMSOPInstance, results: list[FrameResult]) -> dict[str, Any]:
        header = instance.get_native_sop_instance()
        with tempfile.TemporaryDirectory() as folder:
            file = _file_of(header, Path(folder))
            source, found = source_name(file), []
            try:
                cine = open_cine(file)
                scores = score_cine(self._scorer, cine, source, plane=self._plane, threshold=self._model.threshold)
                found.extend(scores)
            except StriqError as error:
                found.append(FrameResult(source, None, error=str(error)))
        results.extend(found)
        return {
            "sop_instance_uid": str(header.SOPInstanceUID),
            "file": source,
            "summary": asdict(summarize(found)),
            "frames": [_frame(result) for result in found],
        }


def _selected(studies: Sequence[StudySelectedSeries]) -> Iterator[tuple[StudySelectedSeries, SelectedSeries]]:
    for study in studies:
        for selected in study.selected_series:
            yield study, selected


def _instance_number(instance: DICOMSOPInstance) -> int:
    return int(instance.get_native_sop_instance().get("InstanceNumber") or 0)


def _file_of(header: Any, folder: Path) -> Path:
    """Return the file that an instance was read from; an instance without a file is written into the folder."""
    if header.filename:
        return Path(header.filename)
    file = folder / f"{header.SOPInstanceUID}.dcm"
    header.save_as(file, enforce_file_format=True)
    return file


def _frame(result: FrameResult) -> dict[str, Any]:
    """Return a result as plain JSON values."""
    if result.score is None:
        return {"frame": result.index, "error": result.error}
    score = result.score
    return {
        "frame": score.index,
        "time_s": score.time_s,
        "quality": score.quality,
        "accepted": score.accepted,
        "plane": score.plane,
        "plane_probability": score.plane_probabilities[score.plane],
        "scored_plane": score.scored_plane,
        "threshold": score.threshold,
        "terms": score.terms,
        "normalized_terms": score.normalized_terms,
        "weights": score.weights,
    }
