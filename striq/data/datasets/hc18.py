"""HC18 data set (fetal head circumference plane) in its official layout; it has no quality ratings.

Cite when using the data: van den Heuvel et al., "Automated measurement of fetal head circumference using 2D ultrasound
images", PLoS ONE 2018.
"""

from __future__ import annotations

import re
from pathlib import Path

from striq.errors import DatasetError
from striq.types import FrameRecord

PLANE = "fetal_head"
SETS = ("training_set", "test_set")
FRAME_NAME = re.compile(r"(\d{3})_\d*HC\.png")  # which excludes the outlines, _Annotation.png


def hc18_files(root: Path) -> list[Path]:
    """Return the images of both sets, sorted; an archiver may have put a set into a folder of its own name."""
    places = [root / name / inner for name in SETS for inner in (".", name)]
    files = [file for place in places for file in place.glob("*.png")]
    return sorted(file for file in files if FRAME_NAME.fullmatch(file.name))


def load_hc18(root: Path) -> list[FrameRecord]:
    """List the frames of the training and the test set: plane ``fetal_head``, one group per fetus and set.

    Raises:
        DatasetError: If there are no images.
    """
    files = hc18_files(root)
    if not files:
        msg = f"{root}: no frames. Expected files such as training_set/000_HC.png."
        raise DatasetError(msg)
    return [FrameRecord(file, PLANE, f"{file.parent.name}_{file.name[:3]}") for file in files]
