"""Fixtures shared by the tests of the readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def real_data() -> Path:
    """Folder of real ultrasound files; tests that need it are skipped if it is missing."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"needs the real ultrasound files in {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def stored_cine() -> NDArray[np.uint8]:
    """Three 8-bit frames without symmetry, shape (3, 40, 56), so that every flip or transposition changes them."""
    rows, columns = np.mgrid[:40, :56]
    still = 4 * rows + columns
    still[2:5, 3:6] = 250  # a bright block near the top left corner
    return np.stack([still, still // 2, 255 - still]).astype(np.uint8)
