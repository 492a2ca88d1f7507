"""Names of the data-set layouts; cheap to import, because the command line lists them in its help."""

from __future__ import annotations

from typing import Literal, get_args

Layout = Literal[
    "camus_official", "camus_nifti", "us4qa", "hc18", "fetal_planes_db", "acouslic", "cactus", "planes", "flat", "csv"
]
LAYOUTS: tuple[str, ...] = ("auto", *get_args(Layout))  # as an argument, "auto" recognizes the layout
