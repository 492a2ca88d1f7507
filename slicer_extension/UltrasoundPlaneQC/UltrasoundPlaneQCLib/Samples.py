"""The sample for Slicer's module *Sample Data*: a generated cine that is part of the extension."""

from __future__ import annotations

from pathlib import Path

RESOURCES = Path(__file__).parents[1] / "Resources"
SAMPLE = RESOURCES / "Data" / "STRIQPhantomCine.seq.nrrd"
SHA256 = "7f9a962d2f817a9a7ba3b817910f4a37f91365081486bbeb10be279a53b260d0"


def registerSample() -> None:
    """Register the cine; it is a file of the extension, so nothing is downloaded."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Ultrasound",
        sampleName="STRIQ phantom cine",
        thumbnailFileName=str(RESOURCES / "Icons" / "STRIQPhantomCine.png"),
        uris=SAMPLE.as_uri(),
        fileNames=SAMPLE.name,
        checksums=f"SHA256:{SHA256}",
        nodeNames="STRIQPhantomCine",
        loadFileType="SequenceFile",
    )
