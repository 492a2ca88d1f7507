"""Tests of ``striq sample``: a drawn cine that the shipped model knows."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

import striq
from striq.cli import main
from striq.data.phantom.sample import FRAMES, NAME, write_sample
from striq.data.readers import open_cine
from striq.scoring.checkpoint import default_checkpoint


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "new"
    with pytest.raises(SystemExit) as ended:
        main(["sample", str(folder)])
    assert ended.value.code == 0
    return folder / NAME


def test_sample_is_a_cine_with_times_and_of_no_patient(written: Path) -> None:
    cine = open_cine(written)
    assert len(cine) == FRAMES
    assert cine[1].time_s == pytest.approx(0.04)
    header = pydicom.dcmread(written)
    assert (str(header.PatientName), header.PatientID, header.Modality) == ("Phantom^Synthetic", "phantom", "US")


def test_sample_is_the_same_everywhere(written: Path, tmp_path: Path) -> None:
    assert write_sample(tmp_path / "again.dcm").read_bytes() == written.read_bytes()
    assert write_sample(tmp_path / "other.dcm", subject=7).read_bytes() != written.read_bytes()


@pytest.mark.skipif(not default_checkpoint().is_file(), reason="no shipped model")
def test_shipped_model_knows_the_plane_and_prefers_the_middle(written: Path) -> None:
    cine = open_cine(written)
    middle, first = striq.load_scorer(device="cpu").score([cine[FRAMES // 2], cine[0]])
    assert (middle.plane, middle.accepted) == ("synthetic_face", True)
    assert not first.accepted
    assert middle.quality > first.quality + 0.3


def test_folder_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SystemExit) as ended:
        main(["sample", str(tmp_path / "taken")])
    assert ended.value.code == 2
    assert "taken" in capsys.readouterr().err
