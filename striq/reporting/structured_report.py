"""DICOM structured reports of scores: template TID 1500, one report per file, one measurement group per frame."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    SourceImageForMeasurement,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import striq
from striq.about import PUBLISHER
from striq.atomic_files import replacing
from striq.reporting import report_codes as known
from striq.reporting.cine_figures import CineFigures
from striq.reporting.identity import ModelIdentity
from striq.reporting.patient_context import read_context, unfit
from striq.reporting.report_uids import derived_uid, new_uid
from striq.scoring.results import FrameResult
from striq.types import FrameScore

SERIES_NUMBER = 9100
LONGEST_PARAMETER = 1024  # characters, as DICOM allows a text
SERIES_DESCRIPTION = "STRIQ plane quality (research only, not for diagnosis)"


def write_structured_report(
    path: str | Path,
    dicom: str | Path,
    results: Sequence[FrameResult],
    model: ModelIdentity,
    *,
    decided_by_user: Collection[int] = (),
    key: str = "",
) -> Path:
    """Write the scores of one DICOM file as a Comprehensive SR, atomically, and return the path.

    Convention:
        - The report counts frames from 1, as DICOM does; ``results`` count them from 0.
        - Each call writes a new instance with its own UID, unless a key is given. Reports on images of one series, by
          one model and one version of STRIQ, form one series; the tracking UID of a frame is the same in all reports.
        - A frame without a score has the evaluation *not scored* and no measurement.

    Args:
        path: File to write.
        dicom: File that was scored.
        results: One per frame.
        model: Model that scored the frames.
        decided_by_user: Indices of the frames whose verdict is a person's and not the score's.
        key: The same key, image, model, threshold and policy give the same UID, so that a report that is written and
            sent again is the same instance.

    Raises:
        ReadError: If the file is not DICOM, or lacks an identifier that a report needs.
        ValueError: If there are no results.
        OSError: If the report cannot be written.
    """
    if not results:
        msg = "A report needs at least one result."
        raise ValueError(msg)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual but readable values of the image
        image = read_context(Path(dicom))
        try:
            report = _Writer(image, model, decided_by_user).report(results, key)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise unfit(dicom, " ".join(str(error).split())) from error
        with replacing(path) as stream:
            report.save_as(stream)
    return Path(path)


class _Writer:
    """Builds the report on one image by one model."""

    def __init__(self, image: Dataset, model: ModelIdentity, decided_by_user: Collection[int]) -> None:
        self.image, self.model, self.decided_by_user = image, model, decided_by_user
        self.is_multiframe = "NumberOfFrames" in image
        self.algorithm = AlgorithmIdentification("STRIQ", striq.__version__, _parameters(model))

    def report(self, results: Sequence[FrameResult], key: str) -> ComprehensiveSR:
        """Return the report of all frames."""
        instance = (self.image.SOPInstanceUID, key, *self.model.settings, striq.__version__)
        content = MeasurementReport(
            observation_context=ObservationContext(observer_device_context=self._device()),
            procedure_reported=known.PROCEDURE,
            imaging_measurements=[self._cine(results), *(self._frame(result) for result in results)],
            title=codes.cid7021.ImagingMeasurementReport,
        )
        return ComprehensiveSR(
            evidence=[self.image],
            content=content,
            series_instance_uid=derived_uid(
                "series", self.image.SeriesInstanceUID, self.model.sha256, striq.__version__
            ),
            series_number=SERIES_NUMBER,
            sop_instance_uid=derived_uid("report", *instance) if key else new_uid(),
            instance_number=max(1, int(self.image.get("InstanceNumber") or 1)),
            manufacturer=PUBLISHER,
            manufacturer_model_name="STRIQ",
            software_versions=striq.__version__,
            series_description=SERIES_DESCRIPTION,
            specific_character_set="ISO_IR 192",
            coding_schemes=[known.coding_scheme()],
            is_complete=True,
            is_final=True,
            is_verified=False,
        )

    def _device(self) -> ObserverContext:
        attributes = DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", self.model.sha256, striq.__version__),
            name="STRIQ",
            manufacturer_name=PUBLISHER,
            model_name=f"STRIQ {striq.__version__}",
        )
        return ObserverContext(codes.DCM.Device, attributes)

    def _cine(self, results: Sequence[FrameResult]) -> MeasurementsAndQualitativeEvaluations:
        """Return the group that summarizes all frames."""
        summary = CineFigures.of(results)
        measurements = [
            *self._thresholds(results),
            _number(known.FRAMES, summary.num_frames),
            _number(known.FRAMES_ACCEPTED, summary.num_accepted),
            _number(known.FRAMES_NOT_SCORED, summary.num_not_scored),
        ]
        if summary.median_quality is not None:
            measurements.append(_number(known.QUALITY, summary.median_quality, derivation=known.MEDIAN))
        measurements += [
            self._extreme(score, derivation)
            for score, derivation in ((summary.worst, known.LOWEST), (summary.best, known.HIGHEST))
            if score is not None
        ]
        evaluations = [QualitativeEvaluation(known.INTENDED_USE, known.RESEARCH_ONLY)]
        return self._group("all frames", None, measurements, evaluations)

    def _thresholds(self, results: Sequence[FrameResult]) -> list[Measurement]:
        """Return the threshold of all frames; none where a policy gives them several, which the frames' groups name."""
        found = {result.score.threshold for result in results if result.score is not None}
        if self.model.policy is None or not found:
            found = {self.model.threshold}
        return [_number(known.THRESHOLD, found.pop())] if len(found) == 1 else []

    def _extreme(self, score: FrameScore, derivation: CodedConcept) -> Measurement:
        frame = SourceImageForMeasurement(self.image.SOPClassUID, self.image.SOPInstanceUID, self._numbers(score.index))
        return _number(known.QUALITY, score.quality, derivation=derivation, referenced_images=[frame])

    def _frame(self, result: FrameResult) -> MeasurementsAndQualitativeEvaluations:
        index, score = result.index or 0, result.score
        name = f"frame {index + 1}"
        if score is None:
            return self._group(name, index, [], [QualitativeEvaluation(known.VERDICT, known.NOT_SCORED)])
        accepted, not_accepted = (
            (known.ACCEPTED_BY_USER, known.NOT_ACCEPTED_BY_USER)
            if index in self.decided_by_user
            else (known.ACCEPTED, known.NOT_ACCEPTED)
        )
        evaluations = [
            QualitativeEvaluation(known.VERDICT, accepted if score.accepted else not_accepted),
            QualitativeEvaluation(known.VIEW, known.plane_code(score.plane)),
        ]
        measurements = [_number(known.QUALITY, score.quality)]
        if self.model.policy is not None:
            measurements.append(_number(known.THRESHOLD, score.threshold))
        return self._group(name, index, measurements, evaluations)

    def _group(
        self, name: str, index: int | None, measurements: list[Measurement], evaluations: list[QualitativeEvaluation]
    ) -> MeasurementsAndQualitativeEvaluations:
        numbers = None if index is None else self._numbers(index)
        image = SourceImageForMeasurementGroup(self.image.SOPClassUID, self.image.SOPInstanceUID, numbers)
        return MeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(derived_uid("part", self.image.SOPInstanceUID, name), name),
            algorithm_id=self.algorithm,
            measurements=measurements or None,
            qualitative_evaluations=evaluations,
            source_images=[image],
        )

    def _numbers(self, index: int) -> list[int] | None:
        """Return the frame number for a reference; ``None`` for an image of a single frame, as DICOM requires."""
        return [index + 1] if self.is_multiframe else None


def _parameters(model: ModelIdentity) -> list[str]:
    """Return the parameters of the algorithm: model, threshold and policy."""
    version = f" {model.version}" if model.version else ""
    parameters = [f"model: {model.name}{version}", f"model sha256: {model.sha256}", f"threshold: {model.threshold:g}"]
    if model.policy is not None:
        parameters += [f"policy: {model.policy}"[:LONGEST_PARAMETER], f"policy sha256: {model.policy.sha256}"]
    return parameters


def _number(name: CodedConcept, value: float, **given: object) -> Measurement:
    # Seven digits are the precision of float32.
    return Measurement(name, float(f"{value:.7g}"), known.NO_UNITS, **given)  # type: ignore[arg-type]
