"""Tests of ``striq.training`` and of what the scorer makes of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from striq.anchors.orientation import Orientation
from striq.anchors.provenance import anchor_source
from striq.anchors.thumbnails import find_thumbnail, write_thumbnails
from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.loading import load_images
from striq.data.phantom import write_phantom
from striq.data.preprocessing import prepare_batch
from striq.data.readers import open_cine
from striq.errors import CheckpointError, DatasetError, StriqError
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.model.backbone_files import fit_encoder_config
from striq.model.encoder import FrozenEncoder
from striq.quality.normalization import plane_weights
from striq.registration.affine import invert_affine, pixel_grid
from striq.registration.matching import Matches
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.training.cache import FeatureCache, ViewSettings
from striq.training.calibration import Calibration
from striq.training.handlers import GRADIENT_LIMIT
from striq.training.objective import endpoint_error, inverse_inconsistency, match_loss
from striq.training.pairs import EpochOrder, PairDataset
from striq.training.run import train_scorer
from striq.training.run_options import RunOptions
from striq.training.score_statistics import score_unseen
from striq.training.setup import make_calibration
from striq.training.trainer import make_steps
from striq.training.training_frames import TrainingFrames
from striq.types import FrameRecord
from tests.conftest import fit_tiny_scorer
from tests.training.interruption import differing_tensors, kill_in_epoch

CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=4))
SHORT = TrainingConfig(max_epochs=1, views=1, batch_size=8)
OPTIONS = RunOptions("unused", device="cpu", quiet=True)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")
SALT = b"salt"  # known to the tests, so that they can tell the anchors apart


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    folder = tmp_path_factory.mktemp("phantom")
    return load_dataset(write_phantom(folder, 6, 3, planes=("kidney", "a4c"), size=(96, 96)))


def options_for(folder: Path, *, resume: bool = False) -> RunOptions:
    return replace(OPTIONS, output_dir=folder, resume=resume)


@pytest.fixture(scope="module")
def run(records: list[FrameRecord], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StriqScorer]:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striq.training.calibration.new_salt", lambda: SALT)
        return folder, train_scorer(records, options_for(folder), config=CONFIG, training=SHORT)


def test_trained_scorer_knows_planes_anchors_and_ranges(run: tuple[Path, StriqScorer]) -> None:
    scorer = run[1]
    assert scorer.planes == ["a4c", "kidney"]
    assert [len(sources) for sources in scorer.bank.sources] == [3, 3]
    assert bool((scorer.range_low < scorer.range_high).all())
    torch.testing.assert_close(scorer.term_weights.sum(dim=1), torch.ones(2))
    assert b"subject" not in (run[0] / "model.pt").read_bytes()


def test_checkpoint_alone_reproduces_every_score(run: tuple[Path, StriqScorer], records: list[FrameRecord]) -> None:
    frames = [open_cine(record.path)[0] for record in records[:3]]
    loaded = load_scorer(run[0] / "model.pt", device="cpu")
    for before, after in zip(run[1].score(frames), loaded.score(frames), strict=True):
        assert after.quality == pytest.approx(before.quality, abs=1e-6)
        assert after.plane_probabilities == pytest.approx(before.plane_probabilities, abs=1e-6)
        np.testing.assert_allclose(after.transform, before.transform, atol=1e-6)
        assert after.nearest_anchor == before.nearest_anchor


def test_score_of_a_frame_does_not_depend_on_its_batch(
    run: tuple[Path, StriqScorer], records: list[FrameRecord]
) -> None:
    frames = [open_cine(record.path)[0] for record in records[:6]]
    together = run[1].score(frames)
    for frame, score in zip(reversed(frames), reversed(together), strict=True):
        alone = run[1].score([frame])[0]
        assert alone.quality == pytest.approx(score.quality, abs=1e-5)


def test_forward_gives_the_quality_of_every_plane(run: tuple[Path, StriqScorer], records: list[FrameRecord]) -> None:
    frame = open_cine(records[0].path)[0]
    with torch.inference_mode():
        quality = run[1](prepare_batch([frame], (64, 64)))
    assert quality.shape == (1, 2)
    for index, plane in enumerate(run[1].planes):
        assert run[1].score([frame], plane)[0].quality == pytest.approx(float(quality[0, index]), abs=1e-6)


def test_threshold_judges_again_without_changing_the_quality(
    run: tuple[Path, StriqScorer], records: list[FrameRecord]
) -> None:
    frame = open_cine(records[0].path)[0]
    low, high = (run[1].score([frame], records[0].plane, threshold=t)[0] for t in (-0.1, 1.1))
    assert low.quality == high.quality
    assert low.accepted
    assert not high.accepted


def test_explanation_has_the_residual_of_the_nearest_anchor(
    run: tuple[Path, StriqScorer], records: list[FrameRecord]
) -> None:
    explanation = run[1].explain(open_cine(records[0].path)[0], records[0].plane)
    assert explanation.residual.shape == (16, 16)
    inside = explanation.residual[np.isfinite(explanation.residual)]
    assert 0 <= inside.min() <= inside.max() <= 2
    assert explanation.warped_anchor.shape == (256, 4, 4)


def test_unknown_plane_names_the_known_ones(run: tuple[Path, StriqScorer]) -> None:
    with pytest.raises(StriqError, match="'face'; it knows: a4c, kidney"):
        run[1].score([], "face")


def test_unfitted_scorer_refuses_to_score() -> None:
    with pytest.raises(StriqError, match="no anchors for a4c"):
        StriqScorer(["a4c"], CONFIG).score([])


def test_damaged_and_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    (tmp_path / "damaged.pt").write_bytes(b"PK not really")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "foreign.pt")
    for name, complaint in (("damaged", "cannot be read"), ("foreign", "Not a STRIQ checkpoint"), ("no", "no model")):
        with pytest.raises(CheckpointError, match=complaint):
            load_scorer(tmp_path / f"{name}.pt")


def test_ratings_do_not_influence_training(
    run: tuple[Path, StriqScorer], records: list[FrameRecord], tmp_path: Path
) -> None:
    unrated = [replace(record, rating=None) for record in records]
    again = train_scorer(unrated, options_for(tmp_path), config=CONFIG, training=SHORT)
    assert differing_tensors(run[1], again) == set()  # also shows that training is deterministic


def test_killed_and_resumed_training_ends_with_the_very_scorer_of_an_unbroken_one(
    records: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = replace(SHORT, max_epochs=3)
    settings: dict[str, Any] = {"config": CONFIG, "training": three}
    unbroken = train_scorer(records, options_for(tmp_path / "a"), **settings)
    with monkeypatch.context() as patch:
        kill_in_epoch(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            train_scorer(records, options_for(tmp_path / "b"), **settings)
    assert not (tmp_path / "b" / "model.pt").exists()
    resumed = train_scorer(records, options_for(tmp_path / "b", resume=True), **settings)
    assert resumed.info["epochs"] == 3
    assert differing_tensors(resumed, unbroken) == set()


def test_folder_of_a_training_run_is_a_model(run: tuple[Path, StriqScorer]) -> None:
    assert load_scorer(run[0], device="cpu").planes == run[1].planes


def test_nothing_to_resume_from_is_said(records: list[FrameRecord], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing to resume from"):
        train_scorer(records, options_for(tmp_path, resume=True))


def test_anchors_come_from_training_groups_only(records: list[FrameRecord]) -> None:
    calibration = make_calibration(records, OPTIONS, config=CONFIG, training=SHORT)
    calibration.prepare()
    held_out = {records[int(i)].group for i in calibration.frames.held_out.nonzero()}
    assert held_out
    assert not held_out & {records[int(i)].group for plane in calibration.anchors.values() for i in plane}


def test_pairs_show_one_plane_and_change_with_the_epoch(records: list[FrameRecord]) -> None:
    calibration = make_calibration(records, OPTIONS, config=CONFIG, training=SHORT)
    pairs = PairDataset(calibration)
    first = [pairs[i] for i in range(len(pairs))]
    pairs.epoch = 1
    assert [pairs[i] for i in range(len(pairs))] != first
    assert all(calibration.planes[p["frame"]] == calibration.planes[p["partner"]] for p in first)


def test_pairs_of_a_plane_of_both_sides_show_one_side(records: list[FrameRecord]) -> None:
    of_plane = [record for record in records if record.plane == "a4c"]
    spot = torch.exp(-4 * (torch.linspace(-1, 1, 64)[:, None].square() + (torch.linspace(-1, 1, 64) + 0.6).square()))
    images = 0.1 + 0.6 * spot + 0.2 * torch.rand(len(of_plane), 1, 64, 64, generator=torch.Generator().manual_seed(0))
    flipped = torch.arange(len(images)) % 2 == 1
    images[flipped] = images[flipped].flip(-1)
    calibration = make_calibration(of_plane, OPTIONS, config=CONFIG, training=SHORT, images=images)
    calibration.prepare()
    assert calibration.of_planes[0].both_sides
    for held_out in (False, True):
        pairs = PairDataset(calibration, held_out=held_out)
        drawn = [pairs[i] for i in range(len(pairs))]
        assert len({pair["partner"] for pair in drawn}) > 1
        assert all(flipped[pair["frame"]] == flipped[pair["partner"]] for pair in drawn)


def test_partners_of_a_plane_of_one_side_are_drawn_among_all_its_frames(records: list[FrameRecord]) -> None:
    calibration = make_calibration(records, OPTIONS, config=CONFIG, training=SHORT)
    calibration.prepare()
    assert not any(of_plane.both_sides for of_plane in calibration.of_planes.values())
    for held_out in (False, True):
        pairs = PairDataset(calibration, seed=3, held_out=held_out)
        for pair in (pairs[i] for i in range(len(pairs))):
            among = calibration.frames_of(int(calibration.planes[pair["frame"]]), held_out=held_out)
            generator = torch.Generator().manual_seed(3 * 7919 * 1_000_003 + pair["frame"])
            assert pair["partner"] == among[torch.randint(len(among), (1,), generator=generator)]


def test_order_of_pairs_depends_on_seed_and_epoch_alone(records: list[FrameRecord]) -> None:
    pairs = PairDataset(make_calibration(records, OPTIONS, config=CONFIG, training=SHORT))
    orders = []
    for epoch, seed in ((1, 0), (2, 0), (1, 5), (1, 0)):
        pairs.epoch = epoch
        orders.append(list(EpochOrder(pairs, seed=seed)))
    assert all(sorted(order) == list(range(len(pairs))) for order in orders)
    assert orders[0] == orders[3]
    assert orders[1] != orders[0] != orders[2]


def test_too_few_frames_of_a_plane_are_refused(records: list[FrameRecord]) -> None:
    few = [r for r in records if r.plane == "a4c"] + [r for r in records if r.plane == "kidney"][:1]
    with pytest.raises(DatasetError, match="'kidney' has"):
        make_calibration(few, OPTIONS, config=CONFIG, training=SHORT)


def test_endpoint_error_of_a_shift_is_its_length() -> None:
    shift = torch.tensor([[[1.0, 0.0, 0.3], [0.0, 1.0, 0.4]]])
    assert float(endpoint_error(shift, torch.eye(2, 3)[None])) == pytest.approx(0.5, abs=1e-3)


def test_there_and_back_is_consistent_only_with_the_inverse() -> None:
    transform = torch.tensor([[[0.9, 0.1, 0.3], [0.0, 1.1, 0.4]]])
    assert float(inverse_inconsistency(transform, invert_affine(transform))) < 1e-9
    assert float(inverse_inconsistency(transform, transform)) > 0.1


def test_match_loss_is_lowest_at_the_true_location() -> None:
    points, mask = pixel_grid(6, 6, torch.zeros(1)), torch.ones(1, 1, 6, 6)
    identity = torch.eye(2, 3)[None]
    right, spread = torch.eye(36)[None], torch.full((1, 36, 36), 1 / 36)
    losses = [float(match_loss(Matches(points, points[None], mask, p), identity, mask, mask)) for p in (right, spread)]
    assert losses[0] == pytest.approx(0.0, abs=1e-3)
    assert losses[1] == pytest.approx(np.log(36), abs=1e-3)


def test_a_monstrous_gradient_is_shortened_before_the_step(records: list[FrameRecord], tmp_path: Path) -> None:
    calibration = make_calibration(records, OPTIONS, config=CONFIG, training=SHORT)
    steps = make_steps(calibration, SHORT, options_for(tmp_path))
    calibration.scorer.model.aligner.log_sharpness.register_hook(lambda gradient: 1e6 * gradient)
    lengths = []

    def measure() -> None:
        gradients = [p.grad for p in steps.trainer.network.parameters() if p.grad is not None]
        lengths.append(float(torch.stack([g.norm() for g in gradients]).norm()))

    steps.trainer.add_event_handler(Events.ITERATION_COMPLETED, measure)
    steps.prepare()
    steps.optimize()
    assert lengths
    assert max(lengths) == pytest.approx(GRADIENT_LIMIT, rel=1e-3)


def test_training_logs_how_the_subspaces_lie_to_one_another(
    records: list[FrameRecord], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two = replace(SHORT, max_epochs=2)
    with caplog.at_level(logging.INFO, logger="striq"):
        train_scorer(records, options_for(tmp_path), config=CONFIG, training=two)
    assert caplog.text.count("Subspaces: ") == 2
    folders = {file.parent for file in (tmp_path / "tensorboard").rglob("events*")}
    events = [EventAccumulator(str(folder)).Reload() for folder in folders]
    for name in ("principal_angle_min_deg", "cross_gram_max", "effective_rank_min"):
        values = [e.value for one in events if name in one.Tags()["scalars"] for e in one.Scalars(name)]
        assert len(values) == 2
        assert f"{name} {values[-1]:.3g}" in caplog.text


def test_training_logs_where_the_encoder_comes_from(
    records: list[FrameRecord], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="striq"):
        calibration = make_calibration(records, replace(OPTIONS, backbone="seeded"), config=CONFIG, training=SHORT)
        calibration.prepare()
    assert "seeded initialization 0" in caplog.text


def test_model_takes_the_network_of_the_backbone_file_and_keeps_it(records: list[FrameRecord], tmp_path: Path) -> None:
    name = "resnet18_quarter"
    encoder = FrozenEncoder(fit_encoder_config(EncoderConfig(), name))
    torch.save({"backbone": name, **encoder.backbone.state_dict()}, tmp_path / "light.pt")
    options = replace(options_for(tmp_path), backbone=tmp_path / "light.pt")
    trained = train_scorer(records, options, config=CONFIG, training=SHORT)
    assert trained.config.encoder.backbone == name
    assert trained.config.encoder.channels == (16, 32, 64)
    loaded = load_scorer(tmp_path)
    frame = open_cine(records[0].path)[0]
    assert loaded.score([frame])[0].quality == pytest.approx(trained.score([frame])[0].quality, abs=1e-6)


def test_ranges_and_weights_come_from_frames_whose_groups_gave_no_anchor(records: list[FrameRecord]) -> None:
    scorer = StriqScorer(["a4c", "kidney"], CONFIG)
    images = load_images(records, (64, 64), quiet=True)
    cache = FeatureCache(images, ViewSettings(count=1), quiet=True)
    calibration = Calibration(scorer, TrainingFrames.all_training(images, records), cache)
    calibration.prepare()
    calibration.finish()
    for plane, of_plane in calibration.of_planes.items():
        unseen = score_unseen(of_plane)
        for fold in unseen.folds:
            groups = {of_plane.groups[row] for row in fold.tolist()}
            rest = torch.tensor([row for row in range(len(of_plane.frames)) if of_plane.groups[row] not in groups])
            of_plane.set_mean_maps(rest)
            of_plane.install(of_plane.choose(rest))
            assert not groups & {source.group for source in scorer.bank.sources[plane]}
            alone = torch.cat([score.terms for score in of_plane.score(fold)])
            torch.testing.assert_close(unseen.terms[fold], alone)
        assert bool((scorer.range_low[plane] < unseen.terms.amin(dim=0)).all())
        assert bool((scorer.range_high[plane] > unseen.terms.amax(dim=0)).all())
        expected = plane_weights(unseen.terms, scorer.config.quality.weights)
        torch.testing.assert_close(scorer.term_weights[plane], expected)
    assert not torch.equal(scorer.term_weights[0], scorer.term_weights[1])


def test_pictures_of_the_anchors_lie_beside_the_model(
    run: tuple[Path, StriqScorer], records: list[FrameRecord]
) -> None:
    folder, scorer = run
    for plane, sources in zip(scorer.planes, scorer.bank.sources, strict=True):
        assert len(list((folder / "anchors").glob(f"{plane}_*.png"))) == len(sources)
        for number, source in enumerate(sources):
            record = next(record for record in records if anchor_source(record, SALT) == source)
            shown = find_thumbnail(folder / "model.pt", plane, number)
            assert shown is not None
            prepared = prepare_batch([open_cine(record.path)[0]], (128, 128))[0, 0].numpy()
            assert np.corrcoef(shown.ravel(), prepared.ravel())[0, 1] > 0.9


def test_no_picture_is_kept_where_none_is_wanted(records: list[FrameRecord], tmp_path: Path) -> None:
    train_scorer(records, replace(options_for(tmp_path), anchor_images=False), config=CONFIG, training=SHORT)
    assert (tmp_path / "model.pt").is_file()
    assert not (tmp_path / "anchors").exists()


def test_pictures_of_an_earlier_training_do_not_stay(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    write_thumbnails(tmp_path, {"a": torch.rand(5, 1, 64, 64, generator=generator), "a_b": torch.rand(1, 1, 64, 64)})
    fewer = torch.rand(2, 1, 64, 64, generator=generator)
    write_thumbnails(tmp_path, {"a": fewer})
    assert sorted(file.name for file in (tmp_path / "anchors").iterdir()) == ["a_00.png", "a_01.png", "a_b_00.png"]


def test_features_too_many_for_the_memory_are_mapped_and_the_same(tmp_path: Path) -> None:
    scorer = StriqScorer(["a4c"], CONFIG).eval()
    images = torch.rand(3, 1, *CONFIG.encoder.size, generator=torch.Generator().manual_seed(0))
    views, folder = ViewSettings(count=1), tmp_path / "features"
    kept = FeatureCache(images, views, folder=folder, quiet=True)
    kept.fill(scorer.embed, scorer.device)
    assert not folder.exists()
    mapped = FeatureCache(images, views, folder=folder, max_bytes=1000, quiet=True)
    mapped.fill(scorer.embed, scorer.device)
    assert len(list((tmp_path / "features").glob("*.npy"))) == 6
    for one, other in zip(kept.features([0, 2], 1).maps, mapped.features([0, 2], 1).maps, strict=True):
        assert torch.equal(one, other)


def test_odd_number_of_anchors_of_a_plane_of_both_sides_makes_whole_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "striq.training.plane_calibration.find_orientation",
        lambda layouts, *_: Orientation(torch.arange(len(layouts)) % 2 == 1, 2.0, torch.zeros(layouts.shape[1])),
    )
    scorer = fit_tiny_scorer()  # three anchors at most
    assert [len(sources) for sources in scorer.bank.sources] == [2, 2]
    assert all({source.mirrored for source in sources} == {False, True} for sources in scorer.bank.sources)


@pytest.mark.parametrize("gain", [1.0, 2.0])  # planes of one side and of both
def test_calibration_like_an_earlier_one_sets_the_same_values(
    records: list[FrameRecord], monkeypatch: pytest.MonkeyPatch, gain: float
) -> None:
    found = "striq.training.plane_calibration.find_orientation"
    monkeypatch.setattr(found, lambda a, b, *_: Orientation(torch.arange(len(a)) % 2 == 1, gain, (a - b).mean(dim=0)))
    frames = TrainingFrames.all_training(load_images(records, (64, 64), quiet=True), records)
    cache = FeatureCache(frames.images, ViewSettings(count=1), quiet=True)
    first = Calibration(StriqScorer(["a4c", "kidney"], CONFIG), frames, cache)
    second = Calibration(StriqScorer(["a4c", "kidney"], CONFIG), frames, cache, like=first)
    for calibration in (first, second):
        if calibration is second:
            monkeypatch.setattr(found, None)  # would fail
        calibration.prepare()
        calibration.finish()
    assert not differing_tensors(first.scorer, second.scorer)


def test_calibration_that_does_not_recognize_planes_gives_the_same_quality(records: list[FrameRecord]) -> None:
    frames = TrainingFrames.all_training(load_images(records, (64, 64), quiet=True), records)
    qualities: list[float] = []
    for recognizes in (True, False):
        cache = FeatureCache(frames.images, ViewSettings(count=1), quiet=True)
        scorer = StriqScorer(["a4c", "kidney"], CONFIG)
        calibration = Calibration(scorer, frames, cache, recognizes=recognizes)
        calibration.prepare()
        calibration.finish()
        with torch.inference_mode():
            qualities.append(FrameInputs.encode(scorer.eval(), frames.images[:1], records[0].plane).quality())
        assert bool(scorer.densities.whitener.any()) == recognizes
    assert qualities[0] == qualities[1]
