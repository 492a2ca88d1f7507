"""The light model as it is shipped: three real planes, no names, and the apical cines of other scanners."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import striq
from striq.anchors.provenance import SHOWN_DIGITS
from striq.anchors.thumbnails import find_thumbnail
from striq.data.phantom.sample import write_sample
from striq.data.readers import open_cine
from striq.reporting.identity import ModelIdentity
from striq.scoring.checkpoint import default_checkpoint, find_checkpoint

PLANES = ["A4C", "fetal_head", "liver"]
CINES = Path(__file__).parents[3] / "shared" / "data" / "dicom_us"
NAMES = re.compile(rb"/home|/work|/tmp|/data|patient|camus|hc18|\.png|\.mhd|\.nii|\.dcm", re.IGNORECASE)
pytestmark = pytest.mark.skipif(not default_checkpoint().with_name("light.pt").is_file(), reason="no light model")


@pytest.fixture(scope="module")
def scorer() -> striq.StriqScorer:
    return striq.load_scorer("light", device="cpu")


def test_it_knows_the_three_real_planes(scorer: striq.StriqScorer) -> None:
    assert scorer.planes == PLANES
    assert [len(sources) for sources in scorer.bank.sources] == [11, 10, 10]
    assert [len(sources) for sources in scorer.negatives.sources] == [3, 0, 0]
    assert scorer.config.encoder.backbone == "resnet18_half"


def test_it_holds_hashes_in_place_of_names(scorer: striq.StriqScorer) -> None:
    for bank in (scorer.bank, scorer.negatives):
        for source in (source for sources in bank.sources for source in sources):
            assert re.fullmatch(rf"[0-9a-f]{{{SHOWN_DIGITS}}}", source.path)
            assert re.fullmatch(rf"[0-9a-f]{{{SHOWN_DIGITS}}}", source.group)
    state = torch.load(find_checkpoint("light"), weights_only=True)
    assert not NAMES.search(repr(state["_extra_state"]).encode())


def test_it_has_no_pictures(scorer: striq.StriqScorer) -> None:
    for plane in scorer.planes:
        assert find_thumbnail(find_checkpoint("light"), plane, 0) is None


def test_reports_do_not_take_it_for_the_model_of_the_bundle() -> None:
    found = ModelIdentity.of(find_checkpoint("light"), 0.5)
    assert (found.name, found.version) == ("light.pt", "")


def test_it_scores_frames_and_accepts_none_of_a_plane_it_does_not_know(
    scorer: striq.StriqScorer, tmp_path: Path
) -> None:
    frames = list(open_cine(write_sample(tmp_path / "sample.dcm")))[::6]
    assert not any(score.accepted for score in scorer.score(frames))
    named = scorer.score(frames, "A4C")
    assert all(score.plane == score.scored_plane == "A4C" and 0 < score.quality < 1 for score in named)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("30f", 0.6), ("65f", 0.9)])
def test_it_names_apical_cines_of_other_scanners(scorer: striq.StriqScorer, name: str, least: float) -> None:
    cine = CINES / f"apical_cine_{name}_ybr422_jpeg.dcm"
    if not cine.is_file():
        pytest.skip(f"{cine.name} is not here")
    named = [score.plane for score in scorer.score(cine)]
    assert named.count("A4C") >= least * len(named), named
    assert named.count("liver") <= 0.1 * len(named), named
