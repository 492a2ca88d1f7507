"""Writer of DICOM files of lossless JPEG, which GDCM encodes."""

from __future__ import annotations

from pathlib import Path

import gdcm
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame

from tests.dicom_writer import save


def save_as_lossless_jpeg(dataset: Dataset, path: Path) -> Path:
    """Write a dataset of uncompressed pixels with compressed ones, and return its path."""
    save(dataset, path)
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return path


def codestream_of(path: Path) -> bytes:
    """Return the compressed frame of a file of one."""
    return get_frame(pydicom.dcmread(path).PixelData, 0, number_of_frames=1)
