"""A small fitted scorer that tests of the command line, reports and bundle share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from striq.config import EncoderConfig, QualityConfig, StriqConfig
from striq.data.phantom import make_phantom
from striq.data.preprocessing import prepare_batch
from striq.scoring.scorer import StriqScorer
from striq.training.cache import FeatureCache, ViewSettings
from striq.training.calibration import Calibration
from striq.training.training_frames import TrainingFrames
from striq.types import Frame, FrameRecord

TINY_PLANES = ("a4c", "abdomen")
TINY_SIZE = (64, 64)  # of prepared frames
DRAWN_SIZE = (96, 96)  # of pictures, whose fans must have at least 64 pixels a side

# A shell starts programs in its background with interruptions ignored. Commands that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def fit_tiny_scorer() -> StriqScorer:
    """Return a scorer of two phantom planes at 64x64 pixels with three anchors each, fitted but not trained."""
    frames = list(make_phantom(4, 2, planes=TINY_PLANES, size=DRAWN_SIZE))
    records = [
        FrameRecord(Path(f"{frame.plane}_{index}.png"), frame.plane, f"subject_{index // 2 % 4}")
        for index, frame in enumerate(frames)
    ]
    config = StriqConfig(encoder=EncoderConfig(size=TINY_SIZE), quality=QualityConfig(num_anchors=3))
    scorer = StriqScorer(sorted(TINY_PLANES), config)
    images = prepare_batch([Frame(frame.pixels) for frame in frames], TINY_SIZE)
    cache = FeatureCache(images, ViewSettings(count=1), quiet=True)
    calibration = Calibration(scorer, TrainingFrames.all_training(images, records), cache)
    calibration.prepare()
    calibration.finish()
    return scorer


@pytest.fixture(scope="session")
def tiny_scorer() -> StriqScorer:
    """The small fitted scorer."""
    return fit_tiny_scorer()


@pytest.fixture(scope="session")
def tiny_model(tiny_scorer: StriqScorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of the small scorer."""
    return tiny_scorer.save(tmp_path_factory.mktemp("model") / "model.pt")


collect_ignore = ["conftest.py"]  # no doctests here, and folders earlier in the alphabet have a conftest, too
ZOO = Path(__file__).parent / "bundle" / "zoo"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is written as the Model Zoo writes its tests: all of it trains, and the libraries it uses warn."""
    for item in items:
        if ZOO in item.path.parents:
            item.add_marker(pytest.mark.slow)
            for kind in ("DeprecationWarning", "UserWarning", "FutureWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))
