"""The sample that Slicer's module *Sample Data* offers: a generated cine that comes with the extension."""

from __future__ import annotations

from pathlib import Path

RESOURCES = Path(__file__).parents[1] / "Resources"
SAMPLE = RESOURCES / "Data" / "STRIQPhantomCine.seq.nrrd"
SHA256 = "fd633e168130db92351fe53f53f4cebda2875de7c263c9034e1e6ae23b39d0f8"


def registerSample():
    """Offer the cine; it is a file of the extension, so nothing is downloaded."""
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
