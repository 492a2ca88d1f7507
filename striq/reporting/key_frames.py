"""Key frames of a DICOM image as a Key Object Selection document (template TID 2010)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import striq
from striq.about import PUBLISHER
from striq.atomic_files import replacing
from striq.reporting import report_codes as known
from striq.reporting.patient_context import read_context, unfit
from striq.reporting.report_uids import derived_uid, new_uid

SERIES_NUMBER = 9101
SERIES_DESCRIPTION = "STRIQ key frames (research only, not for diagnosis)"


def write_key_frames(path: str | Path, dicom: str | Path, indices: Sequence[int], *, description: str = "") -> Path:
    """Write a document that names key frames of one DICOM file, atomically, and return the path.

    Arguments and errors are those of :func:`write_study_key_frames`.
    """
    return write_study_key_frames(path, {Path(dicom): indices}, description=description)


def write_study_key_frames(
    path: str | Path, frames: Mapping[Path, Sequence[int]], *, description: str = "", key: str = ""
) -> Path:
    """Write a document that names key frames of DICOM files of one study, atomically, and return the path.

    Convention:
        - The document counts frames from 1, as DICOM does; ``frames`` count them from 0.
        - It points to the images and copies no pixel. Each call writes a new instance, unless a key is given.

    Args:
        path: File to write.
        frames: Key frames of each image, in the order to be kept.
        description: Text for the reader; no names of patients.
        key: The same key and study give the same UID, so that a document that is written and sent again is the same
            instance.

    Raises:
        ReadError: If a file is not DICOM, or lacks an identifier that a document needs.
        ValueError: If there is no key frame, or one that its image does not have.
        OSError: If the document cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual but readable values of the images
        images = [(read_context(file), indices) for file, indices in frames.items()]
        for image, indices in images:
            _check(indices, int(image.get("NumberOfFrames") or 1))
        try:
            document = _document(images, description, key)
        except (AttributeError, KeyError, TypeError) as error:
            raise unfit(next(iter(frames)), " ".join(str(error).split())) from error
        with replacing(path) as stream:
            document.save_as(stream)
    return Path(path)


def _check(indices: Sequence[int], num_frames: int) -> None:
    """Refuse key frames that the image does not have.

    Raises:
        ValueError: If there is one, or no key frame at all.
    """
    wrong = [index for index in indices if not 0 <= index < num_frames]
    if wrong or not indices:
        got = f"frame {wrong[0]}" if wrong else "none"
        msg = f"Expected key frames from 0 to {num_frames - 1}, got {got}."
        raise ValueError(msg)


def _document(
    images: Sequence[tuple[Dataset, Sequence[int]]], description: str, key: str
) -> KeyObjectSelectionDocument:
    observer = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", striq.__version__),
        name="STRIQ",
        manufacturer_name=PUBLISHER,
        model_name=f"STRIQ {striq.__version__}",
    )
    content = KeyObjectSelection(
        document_title=known.KEY_FRAMES_TITLE,
        referenced_objects=[image for image, _ in images],
        observer_device_context=ObserverContext(codes.DCM.Device, observer),
        description=description or None,
    )
    for reference, (image, indices) in zip(content.get_references(), images, strict=True):
        if "NumberOfFrames" in image:  # highdicom refers to whole images only
            reference.ReferencedSOPSequence[0].ReferencedFrameNumber = [index + 1 for index in indices]
    first = images[0][0]
    series = first.SeriesInstanceUID if len(images) == 1 and not key else first.StudyInstanceUID
    return KeyObjectSelectionDocument(
        evidence=[image for image, _ in images],
        content=content,
        series_instance_uid=derived_uid("key frames", series, striq.__version__),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid("key frames", first.StudyInstanceUID, key) if key else new_uid(),
        instance_number=max(1, int(first.get("InstanceNumber") or 1)),
        manufacturer=PUBLISHER,
        specific_character_set="ISO_IR 192",
        manufacturer_model_name="STRIQ",
        software_versions=striq.__version__,
        series_description=SERIES_DESCRIPTION,
    )
