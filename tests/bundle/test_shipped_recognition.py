"""The shipped model names no plane where a picture shows none, and the plane of cines of other scanners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import striq
from striq.types import Frame
from tests.bundle.drawn_views import VIEWS

DRAWN = 6  # pictures of each kind
CINES = Path(__file__).parents[3] / "shared" / "data" / "dicom_us"


@pytest.mark.slow
def test_few_pictures_of_no_plane_get_the_name_of_a_plane() -> None:
    scorer = striq.load_scorer(device="cpu")
    named: dict[str, int] = {}
    for kind, draw in VIEWS.items():
        pictures = [draw(np.random.default_rng(seed)).astype(np.float32) for seed in range(DRAWN)]
        scores = scorer.score([Frame(pixels, index=index) for index, pixels in enumerate(pictures)])
        named[kind] = sum(score.plane != "none" for score in scores)
    assert sum(named.values()) <= 0.1 * DRAWN * len(VIEWS), named


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("30f", 0.6), ("65f", 0.9)])
def test_apical_cines_of_other_scanners_are_named_so(name: str, least: float) -> None:
    cine = CINES / f"apical_cine_{name}_ybr422_jpeg.dcm"
    if not cine.is_file():
        pytest.skip(f"{cine.name} is not here")
    named = [score.plane for score in striq.score(cine, device="cpu")]
    assert named.count("A4C") >= least * len(named), named
    assert named.count("liver") <= 0.1 * len(named), named
