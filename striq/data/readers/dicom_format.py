"""The elements of a DICOM header that describe pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

IS_YBR = ("YBR_FULL", "YBR_FULL_422")
COLORS = ("RGB", *IS_YBR, "YBR_RCT", "YBR_ICT")
GRAYS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")


@dataclass(frozen=True)
class PixelFormat:
    """The elements of a DICOM header that describe a pixel."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    planar_configuration: int

    @classmethod
    def of(cls, header: Dataset) -> PixelFormat:
        """Read the format from a header.

        Raises:
            ValueError: If it is impossible or is not supported.
        """
        stored = int(header.BitsStored)
        found = cls(
            rows=int(header.Rows),
            columns=int(header.Columns),
            samples=int(header.SamplesPerPixel),
            photometric=str(header.PhotometricInterpretation).strip().upper(),
            bits_allocated=int(header.BitsAllocated),
            bits_stored=stored,
            high_bit=int(header.get("HighBit") or stored - 1),
            is_signed=header.get("PixelRepresentation") == 1,
            planar_configuration=int(header.get("PlanarConfiguration") or 0),
        )
        found.check()
        return found

    def check(self) -> None:
        """Raise ``ValueError`` if the format is impossible or is not supported."""
        problems = {
            f"{self.rows} x {self.columns} pixels": min(self.rows, self.columns) < 1,
            f"{self.samples} samples per pixel": self.samples not in (1, 3),
            f"{self.bits_allocated} bits allocated": self.bits_allocated not in (8, 16, 32),
            f"{self.bits_stored} bits stored of {self.bits_allocated}": not 1
            <= self.bits_stored
            <= self.bits_allocated,
            f"planar configuration {self.planar_configuration}": self.planar_configuration not in (0, 1),
        }
        for problem in (text for text, found in problems.items() if found):
            raise ValueError(problem)

    @property
    def frame_bits(self) -> int:
        """Bits of an uncompressed frame."""
        samples = 2 if self.is_subsampled else self.samples  # two pixels share their chroma
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def is_subsampled(self) -> bool:
        """Whether uncompressed pixels have half as many values of chroma as of luma."""
        return self.photometric == "YBR_FULL_422"

    def options(self, num_frames: int) -> dict[str, Any]:
        """Return the format as decoding options of pydicom."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "samples_per_pixel": self.samples,
            "photometric_interpretation": self.photometric,
            "bits_allocated": self.bits_allocated,
            "bits_stored": self.bits_stored,
            "pixel_representation": int(self.is_signed),
            "planar_configuration": self.planar_configuration,
            "number_of_frames": num_frames,
            "pixel_keyword": "PixelData",
        }
