"""Tests of ``striq.reporting.identity``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from striq.reporting.identity import ModelIdentity
from striq.scoring.checkpoint import default_checkpoint


def test_hash_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "model.pt").write_bytes(content)
    found = ModelIdentity.of(tmp_path / "model.pt", 0.5)
    assert found == ModelIdentity("model.pt", hashlib.sha256(content).hexdigest(), 0.5)


def test_bundle_gives_name_and_version() -> None:
    found = ModelIdentity.of(default_checkpoint(), 0.5)
    assert (found.name, found.version) == ("STRIQ ultrasound plane quality", "0.1.0")


@pytest.mark.parametrize("text", ["", "[]", "{", "{}"])
def test_damaged_metadata_costs_the_name_only(tmp_path: Path, text: str) -> None:
    for place in ("models", "configs"):
        (tmp_path / place).mkdir()
    (tmp_path / "models" / "model.pt").write_bytes(b"x")
    (tmp_path / "configs" / "metadata.json").write_text(text, encoding="utf-8")
    found = ModelIdentity.of(tmp_path / "models" / "model.pt", 0.5)
    assert (found.name, found.version) == ("model.pt", "")
