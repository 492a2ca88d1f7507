"""Tests of negative anchors that a training sets at its end, and of the checks before it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from striq import cli
from striq.anchors.provenance import NEGATIVE
from striq.anchors.thumbnails import find_thumbnail
from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.errors import DatasetError
from striq.reporting.training_page import write_training_page
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.training.negative_anchors import NegativeFrames, read_negatives, set_negatives
from striq.training.outcome import TrainingOutcome
from striq.training.run import train_scorer
from striq.training.run_options import RunOptions
from striq.training.sequential import stage_folder, train_sequential
from striq.types import FrameRecord
from tests.training.interruption import differing_tensors, kill_in_epoch

CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=4))
SETTINGS: dict[str, Any] = {"config": CONFIG, "training": TrainingConfig(max_epochs=2, views=1)}
ORDER = ("kidney", "a4c")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")


def options_for(folder: Path, *, resume: bool = False) -> RunOptions:
    return RunOptions(folder, device="cpu", resume=resume, quiet=True)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("phantom"), 4, 2, planes=ORDER, size=(96, 96))


@pytest.fixture(scope="module")
def records(table: Path) -> list[FrameRecord]:
    return load_dataset(table)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Frames of a plane that is not trained."""
    folder = tmp_path_factory.mktemp("SMITH^JOHN")
    return [record.path for record in load_dataset(write_phantom(folder, 3, 2, planes=("face",), size=(96, 96)))]


def write_list(path: Path, rows: list[tuple[Path, str]]) -> Path:
    lines = [f"{file},{plane},group_{number}" for number, (file, plane) in enumerate(rows)]
    path.write_text("\n".join(["path,plane,group", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def negatives(faces: list[Path], tmp_path_factory: pytest.TempPathFactory) -> NegativeFrames:
    rows = [(faces[0], "a4c"), (faces[1], "a4c"), (faces[2], "kidney")]
    return read_negatives(write_list(tmp_path_factory.mktemp("lists") / "negatives.csv", rows))


@dataclass(frozen=True)
class Trained:
    """Joint trainings without and with negative anchors."""

    folder: Path
    plain: StriqScorer
    scorer: StriqScorer
    outcome: TrainingOutcome


@pytest.fixture(scope="module")
def trained(records: list[FrameRecord], negatives: NegativeFrames, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder, outcomes = tmp_path_factory.mktemp("joint"), list[TrainingOutcome]()
    plain = train_scorer(records, options_for(folder / "plain"), **SETTINGS)
    given: dict[str, Any] = {"negatives": negatives, "report": outcomes.append}
    scorer = train_scorer(records, options_for(folder), **SETTINGS, **given)
    return Trained(folder, plain, scorer, outcomes[0])


def test_training_ends_with_the_scorer_that_gets_negative_anchors_afterwards(
    trained: Trained, negatives: NegativeFrames
) -> None:
    expected = copy.deepcopy(trained.plain)
    different = differing_tensors(trained.scorer, expected)
    assert different
    assert all(name.startswith("negatives.") for name in different)  # ranges, weights and evidence are as without
    for plane in expected.planes:
        set_negatives(expected, plane, negatives)
    for scorer in (trained.scorer, load_scorer(trained.folder, "cpu")):
        assert differing_tensors(scorer, expected) == set()
        assert [len(sources) for sources in scorer.negatives.sources] == [2, 1]


def test_model_holds_hashes_of_negative_anchors_and_their_pictures_lie_beside_it(trained: Trained) -> None:
    assert "face" not in str(trained.scorer.negatives.sources)
    assert find_thumbnail(trained.folder, "a4c", 1, NEGATIVE) is not None
    assert find_thumbnail(trained.folder, "a4c", 2, NEGATIVE) is None
    assert find_thumbnail(trained.folder / "plain", "a4c", 0, NEGATIVE) is None


def test_names_of_files_are_kept_on_request(
    records: list[FrameRecord], negatives: NegativeFrames, faces: list[Path], tmp_path: Path
) -> None:
    options = replace(options_for(tmp_path), keep_paths=True, anchor_images=False)
    scorer = train_scorer(
        records, options, config=CONFIG, training=TrainingConfig(max_epochs=1, views=1), negatives=negatives
    )
    assert [source.path.split("/")[1] for source in scorer.negatives.sources[0]] == [p.stem for p in faces[:2]]
    assert not (tmp_path / "anchors").exists()


def test_page_names_the_negative_anchors_without_their_folders(trained: Trained, faces: list[Path]) -> None:
    page = write_training_page(trained.outcome).read_text(encoding="utf-8")
    assert "All 2 negative anchors" in page
    assert f"0, {faces[0].name}" in page
    assert f"1, {faces[1].name}" in page
    assert "SMITH" not in page
    plane = replace(trained.outcome.planes[0], negatives=[], negative_images=trained.outcome.planes[0].images[:0])
    bare = write_training_page(replace(trained.outcome, planes=[plane])).read_text(encoding="utf-8")
    assert "negative anchors" not in bare


def test_resumed_training_ends_with_the_same_negative_anchors(
    records: list[FrameRecord],
    negatives: NegativeFrames,
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        kill_in_epoch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train_scorer(records, options_for(tmp_path), **SETTINGS, negatives=negatives)
    resumed = train_scorer(records, options_for(tmp_path, resume=True), **SETTINGS, negatives=negatives)
    assert differing_tensors(resumed, trained.scorer) == set()


def test_planes_learned_one_by_one_get_theirs_and_resuming_ends_alike(
    records: list[FrameRecord], negatives: NegativeFrames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SETTINGS, "order": ORDER}
    expected = train_sequential(records, options_for(tmp_path / "plain"), **settings)
    for plane in expected.planes:
        set_negatives(expected, plane, negatives)
    with monkeypatch.context() as patch:
        kill_in_epoch(patch, 2, only=2)
        with pytest.raises(KeyboardInterrupt):
            train_sequential(records, options_for(tmp_path), **settings, negatives=negatives)
    first = load_scorer(stage_folder(tmp_path, 0, "kidney"), "cpu")
    assert [len(sources) for sources in first.negatives.sources] == [1]
    train_sequential(records, options_for(tmp_path, resume=True), **settings, negatives=negatives)
    scorer = load_scorer(tmp_path, "cpu")
    assert [len(sources) for sources in scorer.negatives.sources] == [1, 2]
    assert differing_tensors(scorer, expected) == set()
    assert find_thumbnail(tmp_path, "kidney", 0, NEGATIVE) is not None


def test_frames_count_twice_where_each_makes_a_mirror_image(negatives: NegativeFrames) -> None:
    negatives.check_count("a4c", 4, both_sides=True)
    with pytest.raises(DatasetError, match=r"'a4c' would have 2 negative anchors. Expected 1 frames at most, because"):
        negatives.check_count("a4c", 3, both_sides=True)


@pytest.mark.parametrize("protocol", ["joint", "sequential"])
@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("SPINE", ["SPINE: the model does not know the plane 'spine'", "Expected a plane", "a4c, kidney"]),
        ("BOTH", ["BOTH: ", "is listed for 'a4c', and the training frames of this plane contain it", "Remove it"]),
        ("BROKEN", ["broken.png", "Expected", "got"]),
        ("MANY", ["MANY: plane 'a4c' would have 3 negative anchors", "Expected 2 frames at most", "Leave some out"]),
        ("MISSING", ["MISSING: no such table. Expected a CSV file"]),
    ],
)
def test_wrong_list_is_one_line_before_any_training(
    table: Path,
    records: list[FrameRecord],
    faces: list[Path],
    tmp_path: Path,
    protocol: str,
    name: str,
    complaint: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("striq.training.setup.load_readable_images", lambda *_, **__: pytest.fail("frames were read"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    heart = next(record.path for record in records if record.plane == "a4c")
    rows = {
        "SPINE": [(faces[0], "spine")],
        "BOTH": [(faces[0], "kidney"), (heart, "a4c")],
        "BROKEN": [(faces[0], "a4c"), (broken, "a4c")],
        "MANY": [(face, "a4c") for face in faces[:3]],
    }
    if name in rows:
        write_list(tmp_path / name, rows[name])
    given = ["--negatives", tmp_path / name, "--num-anchors", 2, "--protocol", protocol, "--device", "cpu", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        cli.main([str(part) for part in ["train", table, "--out", tmp_path / "m", *given]])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert [part for part in complaint if part not in shown] == []
    assert shown.count("\n") == 1
    assert not (tmp_path / "m" / "model.pt").exists()


@pytest.mark.parametrize(
    ("protocol", "function"), [("joint", "run.train_scorer"), ("sequential", "sequential.train_sequential")]
)
def test_command_passes_the_list_on(
    table: Path, faces: list[Path], tmp_path: Path, protocol: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: dict[str, Any] = {}
    monkeypatch.setattr(f"striq.training.{function}", lambda *_, **given: named.update(given))
    listed = write_list(tmp_path / "negatives.csv", [(faces[0], "a4c")])
    for given, expected in (([], 0), (["--negatives", listed], 1)):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(part) for part in ["train", table, "--out", tmp_path, "--protocol", protocol, *given]])
        assert (ended.value.code or 0, len(named["negatives"].records)) == (0, expected)


def test_frame_of_another_trained_plane_may_be_a_negative_anchor(records: list[FrameRecord]) -> None:
    kidney = next(record for record in records if record.plane == "kidney")
    NegativeFrames([replace(kidney, plane="a4c")]).check(records, CONFIG)
