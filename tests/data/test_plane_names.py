"""Tests of the names that planes may have, where they enter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.data.datasets import load_dataset
from striq.errors import DatasetError
from striq.plane_names import is_plane_name


@pytest.mark.parametrize("name", ["A4C", "fetal_head", "four-chamber", "Köpfchen", "4CH", "a" * 64])
def test_letters_digits_underscores_and_hyphens_are_names(name: str) -> None:
    assert is_plane_name(name)


OTHERS = ["", "..", ".", "../x", "/x", "a/b", "a\\b", "a b", "-a", "a.b", "a\0", "a\n", "=x", "a" * 65, 7, None]


@pytest.mark.parametrize("name", [*OTHERS, "none", "auto", "None", "AUTO"])
def test_anything_else_is_no_name(name: object) -> None:
    assert not is_plane_name(name)


@pytest.mark.parametrize("name", ["../../escape", "a b", "none", "auto", "x/y"])
def test_data_set_with_another_name_is_refused(name: str, tmp_path: Path) -> None:
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text(f"path,plane,group\na.png,{name},g\n")
    with pytest.raises(DatasetError, match="cannot be the name of a plane"):
        load_dataset(tmp_path / "list.csv")
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(flat / "a.png")
    with pytest.raises(DatasetError, match="cannot be the name of a plane"):
        load_dataset(flat, layout="flat", plane=name)
