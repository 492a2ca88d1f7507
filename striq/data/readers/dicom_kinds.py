"""DICOM objects with pixels that are no ultrasound frames."""

from __future__ import annotations

import logging
from pathlib import Path

from pydicom.uid import UID

from striq.data.readers.dicom_values import HeaderValues
from striq.errors import ReadError

logger = logging.getLogger(__name__)
VOLUMES = {
    "1.2.840.10008.5.1.4.1.1.6.2",  # Enhanced US Volume
    "1.2.840.10008.5.1.4.1.1.6.3",  # Photoacoustic Image
}
MADE_FROM_IMAGES = {
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
    "1.2.840.10008.5.1.4.1.1.66.8",  # Height Map Segmentation
    "1.2.840.10008.5.1.4.1.1.30",  # Parametric Map
    "1.2.840.10008.5.1.4.1.1.481.2",  # RT Dose
}
# Defined terms of PS3.3 C.7.3.1.1.1, retired ones as well.
ULTRASOUND = {"US", "IVUS", "BDUS", "EC", "CD", "DD"}
ANY_MODALITY = {"", "OT", "SC"}  # captures of a screen, whatever it showed
ANY_STORAGE = ("Ultrasound", "Secondary Capture")  # in the names of storage classes


def warn_of_other_modality(header: HeaderValues, path: Path) -> None:
    """Log a warning if the object is an image of another modality. It is read, because headers are often wrong.

    Args:
        header: Header of the file.
        path: File, for the message.
    """
    modality, kind = header.text("Modality").upper(), UID(header.text("SOPClassUID"))
    if modality in ULTRASOUND:
        return
    found = f"modality {modality}"
    if modality in ANY_MODALITY:
        if kind.type != "SOP Class" or kind.is_private or any(name in kind.name for name in ANY_STORAGE):
            return
        found = kind.name
    logger.warning(
        "%s: expected ultrasound (modality US or IVUS), got %s. A score of another kind of picture means nothing.",
        path,
        found,
    )


def refuse_other_kinds(header: HeaderValues, path: Path) -> None:
    """Raise ``ReadError`` if the object is a volume, or a map or mask made from images.

    Args:
        header: Header of the file.
        path: File, for the message.
    """
    kind = header.text("SOPClassUID")
    is_made = kind in MADE_FROM_IMAGES or header.text("Modality") == "SEG" or header.integer("BitsAllocated") == 1
    if kind in VOLUMES or is_made:
        raise ReadError(
            what="The DICOM file is not a cine" if kind in VOLUMES else "The DICOM file is a mask or map, not an image",
            where=path,
            expected="an ultrasound image or an ultrasound multi-frame image",
            got=UID(kind).name or f"modality {header.text('Modality') or 'unknown'}",
            remedy="Export the B-mode frames." if kind in VOLUMES else "Choose the images it was made from.",
        )
