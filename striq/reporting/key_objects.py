"""DICOM key object selection: the best accepted frame of each plane of a study."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pydicom
from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import striq
from striq.about import PUBLISHER
from striq.atomic_files import replacing
from striq.reporting.identity import ModelIdentity
from striq.reporting.structured_report import derived_uid, device_observer, read_image_header, unfit
from striq.scoring.results import FrameResult
from striq.types import FrameScore

SERIES_NUMBER = 9101
SERIES_DESCRIPTION = "STRIQ key frames (research only, not for diagnosis)"
DESCRIPTION = "Best accepted frame of each plane by STRIQ, for research only: {}"
Key = tuple[Path, FrameScore]


def best_frames(cines: Mapping[Path, Sequence[FrameResult]]) -> list[Key]:
    """Return file and score of the best accepted frame of each plane, the first of equal ones, by name of plane.

    Args:
        cines: Results of the frames of each file.
    """
    best: dict[str, Key] = {}
    for path, results in cines.items():
        for score in (result.score for result in results if result.score is not None and result.score.accepted):
            if score.plane not in best or score.quality > best[score.plane][1].quality:
                best[score.plane] = (path, score)
    return [best[plane] for plane in sorted(best)]


def write_key_objects(path: str | Path, frames: Sequence[Key], model: ModelIdentity, *, key: str) -> Path:
    """Write a selection of frames of one study, atomically, and return the path.

    Convention:
        - Frames are counted from 1, as DICOM does. An image of a single frame is named without a number.

    Args:
        path: File to write.
        frames: As of :func:`best_frames`; at least one.
        model: Model that scored the frames.
        key: The same key, study and model give the same UID.

    Raises:
        ReadError: If a file lacks an identifier, or the files are not of one study.
        OSError: If the selection cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual but readable values of the images
        images = {file: read_image_header(file) for file in dict.fromkeys(file for file, _ in frames)}
        try:
            document = _document(images, frames, model, key)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise unfit(next(iter(images)), " ".join(str(error).split())) from error
        with replacing(path) as stream:
            document.save_as(stream)
    return Path(path)


def _document(
    images: Mapping[Path, Dataset], frames: Sequence[Key], model: ModelIdentity, key: str
) -> KeyObjectSelectionDocument:
    content = KeyObjectSelection(
        document_title=codes.DCM.OfInterest,
        referenced_objects=list(images.values()),
        observer_device_context=device_observer(model),
        description=DESCRIPTION.format(", ".join(f"{score.plane} Q {score.quality:.2f}" for _, score in frames)),
    )
    for file, image in images.items():
        if "NumberOfFrames" in image:
            numbers = sorted({score.index + 1 for other, score in frames if other == file})
            _reference(content, image.SOPInstanceUID).ReferencedFrameNumber = numbers
    study = next(iter(images.values())).StudyInstanceUID
    return KeyObjectSelectionDocument(
        evidence=list(images.values()),
        content=content,
        series_instance_uid=derived_uid("key object series", study, model.sha256, striq.__version__),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid("key objects", study, key, *model.settings),
        instance_number=1,
        manufacturer=PUBLISHER,
        manufacturer_model_name="STRIQ",
        software_versions=striq.__version__,
        series_description=SERIES_DESCRIPTION,
        specific_character_set="ISO_IR 192",
    )


def _reference(content: KeyObjectSelection, instance_uid: str) -> pydicom.Dataset:
    """Return the reference to an image in the content of a selection."""
    for item in content[0].ContentSequence:
        references = item.get("ReferencedSOPSequence")
        if references and references[0].ReferencedSOPInstanceUID == instance_uid:
            return references[0]
    raise KeyError(instance_uid)
