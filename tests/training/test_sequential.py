"""Tests of ``striq.training.sequential``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.data.readers import open_cine
from striq.errors import DatasetError
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.training import sequential
from striq.training.run_options import RunOptions
from striq.training.sequential import add_plane, extend_scorer, stage_folder, train_sequential
from striq.types import FrameRecord
from tests.training.interruption import differing_tensors, kill_in_epoch, same

PLANES = ("a4c", "kidney", "abdomen")
CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=4))
SHORT = TrainingConfig(max_epochs=1, views=1, batch_size=8)
MOST_MOVED = 0.02  # of Q, by a plane learned later
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    return load_dataset(write_phantom(tmp_path_factory.mktemp("phantom"), 5, 3, planes=PLANES, size=(96, 96)))


@pytest.fixture(scope="module")
def run(records: list[FrameRecord], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train_sequential(records, options_for(folder), order=PLANES, config=CONFIG, training=SHORT)
    return folder


@pytest.fixture(scope="module")
def stages(run: Path) -> list[StriqScorer]:
    return [load_scorer(stage_folder(run, i, plane), "cpu") for i, plane in enumerate(PLANES)]


def options_for(folder: Path, *, resume: bool = False) -> RunOptions:
    return RunOptions(folder, device="cpu", resume=resume, quiet=True)


def of_plane(records: list[FrameRecord], plane: str) -> list[FrameRecord]:
    return [record for record in records if record.plane == plane]


def qualities(scorer: StriqScorer, records: list[FrameRecord], plane: str) -> list[float]:
    return [score.quality for score in scorer.score([open_cine(r.path)[0] for r in of_plane(records, plane)], plane)]


def test_planes_come_one_by_one_in_the_order_given(run: Path, stages: list[StriqScorer]) -> None:
    assert [scorer.planes for scorer in stages] == [list(PLANES[: i + 1]) for i in range(3)]
    assert load_scorer(run, "cpu").planes == list(PLANES)
    assert all(sources for sources in stages[-1].bank.sources)


def test_what_belongs_to_earlier_planes_and_what_all_share_stays(stages: list[StriqScorer]) -> None:
    before, after = (scorer.state_dict() for scorer in stages[1:])
    tensors = {name: value for name, value in before.items() if isinstance(value, torch.Tensor) and value.ndim}
    changed = {name for name, value in tensors.items() if not same(after[name][: len(value)], value)}
    assert changed <= {"model.subspace.general_down", "model.subspace.general_up"}
    assert bool(stages[2].model.subspace.task_down[2].any())


def test_scores_of_earlier_planes_hardly_move(stages: list[StriqScorer], records: list[FrameRecord]) -> None:
    for plane, before in (("a4c", stages[0]), ("kidney", stages[1])):
        assert qualities(stages[2], records, plane) == pytest.approx(qualities(before, records, plane), abs=MOST_MOVED)


def test_given_scorer_stays_as_it_is(stages: list[StriqScorer], records: list[FrameRecord], tmp_path: Path) -> None:
    before = {name: v.clone() for name, v in stages[0].state_dict().items() if isinstance(v, torch.Tensor)}
    add_plane(stages[0], of_plane(records, "abdomen"), options_for(tmp_path), training=SHORT)
    after = stages[0].state_dict()
    assert all(same(after[name], value) for name, value in before.items())


def test_resuming_keeps_the_planes_already_learned(
    run: Path, records: list[FrameRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_folder(run, 2, "abdomen").joinpath("model.pt").unlink()
    learned = []
    plain = add_plane
    monkeypatch.setattr(
        sequential, "add_plane", lambda *a, **k: learned.append((a[1][0].plane, a[2].resume)) or plain(*a, **k)
    )
    train_sequential(records, options_for(run, resume=True), order=PLANES, config=CONFIG, training=SHORT)
    assert learned == [("abdomen", True)]


def test_killed_and_resumed_learning_ends_with_the_very_scorer_of_an_unbroken_one(
    records: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = replace(SHORT, max_epochs=2)
    settings: dict[str, Any] = {"order": PLANES, "config": CONFIG, "training": two}
    unbroken = train_sequential(records, options_for(tmp_path / "a"), **settings)
    with monkeypatch.context() as patch:
        kill_in_epoch(patch, 2, only=3)
        with pytest.raises(KeyboardInterrupt):
            train_sequential(records, options_for(tmp_path / "b"), **settings)
    known = load_scorer(stage_folder(tmp_path / "b", 1, "kidney"), "cpu")
    assert bool(known.model.subspace.task_down[1].any())  # what projection and masks need is in the checkpoint
    assert not (stage_folder(tmp_path / "b", 2, "abdomen") / "model.pt").exists()
    resumed = train_sequential(records, options_for(tmp_path / "b", resume=True), **settings)
    assert differing_tensors(resumed, unbroken) == set()
    assert bool(resumed.model.subspace.task_down.flatten(1).any(dim=1).all())


def test_known_several_and_missing_planes_are_refused(
    stages: list[StriqScorer], records: list[FrameRecord], tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="other than a4c; got: a4c"):
        add_plane(stages[0], of_plane(records, "a4c"), options_for(tmp_path))
    with pytest.raises(DatasetError, match="got: a4c, abdomen, kidney"):
        add_plane(stages[0], records, options_for(tmp_path))
    with pytest.raises(DatasetError, match="No frames of the plane 'face'"):
        train_sequential(records, options_for(tmp_path), order=("face",))


def test_an_extended_scorer_judges_known_planes_as_before_up_to_the_bases_it_now_shares(
    stages: list[StriqScorer], records: list[FrameRecord]
) -> None:
    extended = extend_scorer(stages[0], ["face"])
    assert extended.planes == ["a4c", "face"]
    frames = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(min=0.01)
    torch.testing.assert_close(extended(frames)[:, 0], stages[0](frames)[:, 0], atol=MOST_MOVED, rtol=0)
    assert bool(extended(frames)[:, 1].isnan().all())


def test_model_of_all_planes_has_the_pictures_of_all_anchors(run: Path, stages: list[StriqScorer]) -> None:
    wanted = sum(len(sources) for sources in stages[-1].bank.sources)
    assert len(list((run / "anchors").glob("*.png"))) == wanted
