"""Tests of the models that come with STRIQ under a name: where ``--model light`` is found, and what wins over it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import striq
from striq.errors import CheckpointError
from striq.scoring import checkpoint
from striq.scoring.checkpoint import default_checkpoint, find_checkpoint
from striq.shipped_models import NAMED, is_shipped_name

LIGHT = default_checkpoint().with_name("light.pt")
MEGABYTE = 1_000_000
needs_file = pytest.mark.skipif(not LIGHT.is_file(), reason="no light model")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package of an earlier version: ``striq/scoring/checkpoint.py`` and the default model."""
    module = tmp_path / "site-packages" / "striq" / "scoring" / "checkpoint.py"
    models = module.parents[1] / "bundle" / "models"
    models.mkdir(parents=True)
    (models / "model.pt").write_bytes(b"x")
    monkeypatch.setattr(checkpoint, "__file__", str(module))
    monkeypatch.chdir(tmp_path)
    return models


@needs_file
@pytest.mark.parametrize("name", ["light", Path("light")])
def test_name_gives_the_file_beside_the_default_model(
    name: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint(name) == LIGHT


def test_installed_package_is_searched_first(package: Path) -> None:
    (package / "light.pt").write_bytes(b"y")
    assert find_checkpoint("light") == package / "light.pt"


def test_package_without_the_file_says_so(package: Path) -> None:
    with pytest.raises(CheckpointError, match=r"light\.pt: this version of STRIQ comes without the model 'light'"):
        find_checkpoint("light")


@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "file"])
def test_what_the_user_calls_so_wins(
    is_folder: bool, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = Path("light", "model.pt") if is_folder else Path("light")
    expected.parent.mkdir(exist_ok=True)
    shutil.copy(tiny_model, expected)
    assert not is_shipped_name("light")
    assert find_checkpoint("light") == expected
    assert striq.load_scorer("light", "cpu").planes == striq.load_scorer(tiny_model, "cpu").planes


def test_folder_of_the_name_without_a_model_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("light").mkdir()
    with pytest.raises(CheckpointError, match="A file or folder of the name 'light' is used instead of the shipped"):
        find_checkpoint("light")


@pytest.mark.parametrize("wrong", ["lihgt", "Light", "ligt"])
def test_misspelled_name_is_proposed(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"no model there\. Did you mean 'light'\?"):
        find_checkpoint(wrong)


def test_other_paths_get_no_proposal(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model there\. Give --model"):
        find_checkpoint(tmp_path / "model.pt")


def test_every_named_model_is_small() -> None:
    for file in NAMED.values():
        assert default_checkpoint().with_name(file).stat().st_size <= 8 * MEGABYTE
