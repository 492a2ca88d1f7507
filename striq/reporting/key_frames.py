"""Key frames of a DICOM image as a Key Object Selection document (template TID 2010)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import striq
from striq.atomic_files import replacing
from striq.reporting import report_codes as known
from striq.reporting.patient_context import read_context, unfit
from striq.reporting.report_uids import derived_uid, new_uid

SERIES_NUMBER = 9101
SERIES_DESCRIPTION = "STRIQ key frames (research only, not for diagnosis)"


def write_key_frames(path: str | Path, dicom: str | Path, indices: Sequence[int], *, description: str = "") -> Path:
    """Write a document that names key frames of one DICOM file, atomically, and return the path.

    Convention:
        - The document counts frames from 1, as DICOM does; ``indices`` count them from 0.
        - It points to the image and copies no pixel. Each call writes a new instance.

    Args:
        path: File to write.
        dicom: The image.
        indices: Key frames, in the order to be kept.
        description: Text for the reader; no names of patients.

    Raises:
        ReadError: If the file is not DICOM, or lacks an identifier that a document needs.
        ValueError: If there is no key frame, or one that the image does not have.
        OSError: If the document cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual but readable values of the image
        image = read_context(Path(dicom))
        _check(indices, int(image.get("NumberOfFrames") or 1))
        try:
            document = _document(image, indices, description)
        except (AttributeError, KeyError, TypeError) as error:
            raise unfit(dicom, " ".join(str(error).split())) from error
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


def _document(image: Dataset, indices: Sequence[int], description: str) -> KeyObjectSelectionDocument:
    observer = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", striq.__version__),
        name="STRIQ",
        manufacturer_name="STRIQ contributors",
        model_name=f"STRIQ {striq.__version__}",
    )
    content = KeyObjectSelection(
        document_title=known.KEY_FRAMES_TITLE,
        referenced_objects=[image],
        observer_device_context=ObserverContext(codes.DCM.Device, observer),
        description=description or None,
    )
    if "NumberOfFrames" in image:  # highdicom refers to whole images only
        (reference,) = content.get_references()
        reference.ReferencedSOPSequence[0].ReferencedFrameNumber = [index + 1 for index in indices]
    return KeyObjectSelectionDocument(
        evidence=[image],
        content=content,
        series_instance_uid=derived_uid("key frames", image.SeriesInstanceUID, striq.__version__),
        series_number=SERIES_NUMBER,
        sop_instance_uid=new_uid(),
        instance_number=max(1, int(image.get("InstanceNumber") or 1)),
        manufacturer="STRIQ contributors",
        specific_character_set="ISO_IR 192",
        manufacturer_model_name="STRIQ",
        software_versions=striq.__version__,
        series_description=SERIES_DESCRIPTION,
    )
