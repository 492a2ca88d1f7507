"""DICOM objects with pixels that are no ultrasound frames."""

from __future__ import annotations

from pathlib import Path

from pydicom.uid import UID

from striq.data.readers.dicom_values import HeaderValues
from striq.errors import ReadError

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
