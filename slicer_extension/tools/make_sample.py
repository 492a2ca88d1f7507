"""Make the sample cine of the extension, its thumbnail and the icons: ``make_sample.py`` with slicer-core installed.

The cine is a generated phantom, so it may be passed on freely: a sweep through a plane that the shipped model knows.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import numpy as np
import slicer
from PIL import Image, ImageDraw

from striq.data.phantom import make_phantom_cine

MODULE = Path(__file__).parents[1] / "UltrasoundPlaneQC"
CINE = MODULE / "Resources" / "Data" / "STRIQPhantomCine.seq.nrrd"
NUM_FRAMES, SIZE, FRAME_RATE = 32, (160, 192), 25.0
LPS = np.diag([-0.8, -0.8, 0.8, 1.0])
BACKGROUND, GOOD = (23, 43, 77), (46, 204, 113)


def write_cine(pixels: np.ndarray) -> None:
    """Write the frames as Slicer keeps a cine."""
    slicer.mrmlScene = slicer.vtkMRMLScene()
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "STRIQPhantomCine")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    volume = slicer.util.addVolumeFromArray(pixels[0][None].copy(), ijkToRAS=LPS, name="STRIQPhantomCine")
    for index, picture in enumerate(pixels):
        slicer.util.updateVolumeFromArray(volume, picture[None].copy())
        sequence.SetDataNodeAtValue(volume, f"{index / FRAME_RATE:.3f}")
    storage = sequence.CreateDefaultStorageNode()
    storage.SetFileName(str(CINE))
    storage.SetUseCompression(True)
    if not storage.WriteData(sequence):
        msg = f"{CINE}: the cine was not written."
        raise OSError(msg)


def write_hash() -> None:
    """Write the hash of the cine where the module reads it."""
    path = MODULE / "UltrasoundPlaneQCLib" / "Samples.py"
    digest = hashlib.sha256(CINE.read_bytes()).hexdigest()
    path.write_text(re.sub(r'SHA256 = "\w+"', f'SHA256 = "{digest}"', path.read_text()))


def write_icons(picture: np.ndarray) -> None:
    """Write the thumbnail of the sample and the icon of the module."""
    frame = Image.fromarray(picture).convert("RGB")
    thumbnail = Image.new("RGB", (260, 280))
    thumbnail.paste(frame.resize((260, round(260 * SIZE[0] / SIZE[1]))), (0, 32))
    thumbnail.save(MODULE / "Resources" / "Icons" / "STRIQPhantomCine.png")
    scale = 4  # drawn larger, for smooth edges
    icon = Image.new("RGB", (128 * scale, 128 * scale), BACKGROUND)
    draw = ImageDraw.Draw(icon)
    apex = (64, 8)
    for radius, gray in ((112, 210), (84, 150), (56, 210), (28, 150)):
        arc = [(apex[0] + radius * math.sin(a), apex[1] + radius * math.cos(a)) for a in np.linspace(-0.75, 0.75, 40)]
        draw.polygon([(x * scale, y * scale) for x, y in (apex, *arc)], fill=(gray, gray, gray))
    draw.line([(x * scale, y * scale) for x, y in ((46, 84), (64, 102), (104, 56))], fill=GOOD, width=13 * scale)
    icon.resize((128, 128), Image.Resampling.LANCZOS).save(MODULE / "Resources" / "Icons" / "UltrasoundPlaneQC.png")


def main() -> None:
    """Write everything."""
    frames = make_phantom_cine("four_chamber", NUM_FRAMES, seed=7, size=SIZE)
    pixels = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])
    write_cine(pixels)
    write_hash()
    write_icons(pixels[NUM_FRAMES // 2])


if __name__ == "__main__":
    main()
