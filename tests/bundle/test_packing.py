"""Tests of ``tools/make_bundle.py``: what is packed, and that the same is packed again."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from monai.apps.utils import HashCheckError
from monai.bundle.scripts import download_large_files

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "monai_bundle"
MEGABYTE = 1_000_000
pytestmark = pytest.mark.filterwarnings("ignore:tqdm is not installed:UserWarning")


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_bundle", ROOT / "tools" / "make_bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TOOL.pack(tmp_path_factory.mktemp("packed"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A bundle with other weights, of a few bytes, and their hash."""
    folder = tmp_path / "source"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("anchors", "model*", "eval"))
    (folder / "models").mkdir(exist_ok=True)
    (folder / TOOL.WEIGHTS).write_bytes(b"weights")
    listed = yaml.safe_load((folder / TOOL.LARGE_FILES).read_text(encoding="utf-8"))
    listed["large_files"][0]["hash_val"] = hashlib.sha256(b"weights").hexdigest()
    (folder / TOOL.LARGE_FILES).write_text(yaml.safe_dump(listed), encoding="utf-8")
    return folder


def unpack(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder / TOOL.NAME


def test_zip_holds_one_folder_with_all_that_a_bundle_needs_and_nothing_else(packed: Path) -> None:
    with zipfile.ZipFile(packed) as opened:
        assert opened.testzip() is None
        names = [name.removeprefix(f"{TOOL.NAME}/") for name in opened.namelist()]
    assert packed.name == "striq_ultrasound_plane_quality_regression.zip"
    assert set(TOOL.NEEDED) < set(names)
    configs = {f"configs/{path.name}" for path in (SOURCE / "configs").iterdir()}
    assert configs < set(names)
    assert all(name.startswith(("configs/", "docs/", "models/", "LICENSE")) for name in names)
    assert [name for name in names if name.endswith(".pt")] == [TOOL.WEIGHTS]


def test_packing_again_gives_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source)
    (source / "docs" / "README.md").touch()  # another time of change
    (source / "eval").mkdir(exist_ok=True)
    (source / "eval" / "quality.csv").write_text("output of a run", encoding="utf-8")
    assert TOOL.pack(tmp_path / "again", source).read_bytes() == packed.read_bytes()
    with zipfile.ZipFile(packed) as opened:  # the time of packing would not differ within two seconds
        assert {info.date_time for info in opened.infolist()} == {TOOL.EPOCH}


def test_hash_of_the_weights_is_the_one_prepared() -> None:
    listed = yaml.safe_load((SOURCE / TOOL.LARGE_FILES).read_text(encoding="utf-8"))["large_files"]
    assert [entry["path"] for entry in listed] == [TOOL.WEIGHTS]
    assert listed[0]["hash_val"] == hashlib.sha256((SOURCE / TOOL.WEIGHTS).read_bytes()).hexdigest()


def test_weights_left_out_are_fetched_and_checked(small: Path, tmp_path: Path) -> None:
    (tmp_path / "published.pt").write_bytes(b"weights")
    url = (tmp_path / "published.pt").as_uri()
    bundle = unpack(TOOL.pack(tmp_path / "out", small, url), tmp_path / "unpacked")
    assert not (bundle / TOOL.WEIGHTS).exists()
    download_large_files(bundle_path=str(bundle))
    assert (bundle / TOOL.WEIGHTS).read_bytes() == b"weights"


def test_weights_that_are_not_the_published_ones_are_refused_on_fetching(small: Path, tmp_path: Path) -> None:
    (tmp_path / "published.pt").write_bytes(b"other weights")
    url = (tmp_path / "published.pt").as_uri()
    bundle = unpack(TOOL.pack(tmp_path / "out", small, url), tmp_path / "unpacked")
    with pytest.raises(HashCheckError, match="check of downloaded file failed"):
        download_large_files(bundle_path=str(bundle))


@pytest.mark.parametrize("part", ["LICENSE", "configs/metadata.json", "models/model.pt"])
def test_bundle_without_a_part_is_not_packed(small: Path, tmp_path: Path, part: str) -> None:
    (small / part).unlink()
    with pytest.raises(ValueError, match=f"not a complete bundle, {part} is missing"):
        TOOL.pack(tmp_path / "out", small)
    assert not (tmp_path / "out").exists()


def test_other_weights_than_prepared_are_not_packed(small: Path, tmp_path: Path) -> None:
    (small / TOOL.WEIGHTS).write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"SHA-256 is .* Restore the weights, or write the new hash"):
        TOOL.pack(tmp_path / "out", small)


def test_no_part_is_larger_than_repositories_take(packed: Path) -> None:
    with zipfile.ZipFile(packed) as opened:
        assert max(info.file_size for info in opened.infolist()) < 25 * MEGABYTE
