"""Tests of ``striq.reporting.model_facts``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from striq.reporting.model_facts import model_facts


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with a checkpoint and metadata."""
    for folder in ("models", "configs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "models" / "model.pt").write_bytes(b"weights")
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps({"name": "planes", "version": "1.2.3"}))
    return tmp_path


@pytest.mark.parametrize("given", ["", "models", "models/model.pt"])
def test_bundle_is_named_however_it_is_given(bundle: Path, given: str) -> None:
    assert model_facts(bundle / given) == {
        "file": str(bundle / "models" / "model.pt"),
        "sha256": hashlib.sha256(b"weights").hexdigest(),
        "name": "planes",
        "version": "1.2.3",
    }


def test_checkpoint_without_a_bundle_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"other")
    facts = model_facts(tmp_path)
    assert facts["name"] is facts["version"] is None
    assert facts["sha256"] == hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize("content", ["no JSON", "[1, 2]"])
def test_damaged_metadata_do_not_hide_the_checkpoint(bundle: Path, content: str) -> None:
    (bundle / "configs" / "metadata.json").write_text(content)
    assert model_facts(bundle)["name"] is None
    assert model_facts(bundle)["sha256"]
