"""Every baseline prefers frames of its plane to noise, and each is checked against a reference or a known value."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.metrics.regression import MultiScaleSSIMMetric
from scipy.stats import laplace, norm
from torch import Tensor

import striq.baselines
from striq.baselines import structure_detector
from striq.baselines.clip_features import clip_features
from striq.baselines.extras import CLIP, BaselineExtras
from striq.baselines.fitting import find_baselines, score_by_baselines
from striq.baselines.natural_statistics import asymmetric_fit
from striq.baselines.padim import CHANNELS, RIDGE, Padim
from striq.baselines.patch_core import cover
from striq.baselines.patch_mixture import fit_mixture, log_densities
from striq.baselines.patches import patch_features, project, random_projection
from striq.baselines.physics import generalized_contrast
from striq.baselines.protocol import BASELINES, Baseline, PlaneFrames
from striq.baselines.structural_similarity import MeanStructuralSimilarity
from striq.baselines.structure_detector import SIDE, center_loss, heat_maps
from striq.data.fan import bounding_box, fan_mask
from striq.data.phantom import make_phantom
from striq.data.phantom.phantom import PhantomFrames
from striq.data.phantom.scene import structure_boxes
from striq.data.preprocessing import prepare_frame
from striq.data.structure_boxes import MarkedBoxes, StructureBox
from striq.errors import StriqError
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameRecord
from tests.conftest import DRAWN_SIZE, TINY_PLANES, TINY_SIZE

NAMES = sorted(BASELINES)
OF_ONE_FRAME = {"Tenengrad", "gCNR"}  # fitted on nothing, so they do not know what a plane looks like


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def drawn() -> PhantomFrames:
    return make_phantom(12, 2, planes=TINY_PLANES[:1], size=DRAWN_SIZE, seed=3)


@pytest.fixture(scope="module")
def images(drawn: PhantomFrames) -> Tensor:
    return torch.stack([prepare_frame(Frame(frame.pixels), TINY_SIZE) for frame in drawn])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """A small vision tower of CLIP's kind with random weights, where the package is installed."""
    if importlib.util.find_spec("transformers") is None:
        return None
    from transformers import CLIPVisionConfig, CLIPVisionModel

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIPVisionModel(CLIPVisionConfig(image_size=64, patch_size=8, **sizes))
    folder = tmp_path_factory.mktemp("clip")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def frames(drawn: PhantomFrames, images: Tensor, tiny_scorer: StriqScorer, clip: Path | None) -> PlaneFrames:
    boxes: list[tuple[StructureBox, ...]] = []
    for frame in drawn:
        found = structure_boxes(frame.parameters, DRAWN_SIZE)
        (top, left, bottom, right) = bounding_box(fan_mask(frame.pixels))
        sides = (bottom - top, right - left, bottom - top, right - left)
        boxes.append(
            tuple(
                StructureBox(
                    name, tuple((e - s) / n for e, s, n in zip(box, (top, left, top, left), sides, strict=True))
                )
                for name, box in found.items()
            )
        )
    with torch.no_grad():
        return PlaneFrames(images, tiny_scorer.embed(images), tiny_scorer.embed, tuple(boxes), clip)


@pytest.fixture(scope="module")
def noise(images: Tensor, frames: PlaneFrames) -> PlaneFrames:
    """Frames of white noise inside the same fans."""
    drawn = torch.rand(images[:6].shape, generator=rng()).clamp(min=1 / 255) * (images[:6] > 0)
    with torch.no_grad():
        return frames[rows(0, 6)].with_images(drawn)


@pytest.fixture(autouse=True)
def _short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure_detector, "STEPS", 100)
    monkeypatch.setattr(structure_detector, "BATCH_SIZE", 4)
    monkeypatch.setattr(structure_detector, "LEARNING_RATE", 5e-3)


def skip_without_clip(name: str, frames: PlaneFrames) -> None:
    if BASELINES[name].needs == CLIP and frames.clip is None:
        pytest.skip("the package transformers is not installed")


def rows(start: int, stop: int) -> Tensor:
    return torch.arange(start, stop)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_ONE_FRAME])
def test_frames_of_the_plane_score_higher_than_noise(name: str, frames: PlaneFrames, noise: PlaneFrames) -> None:
    skip_without_clip(name, frames)
    found = BASELINES[name]()
    found.fit(frames[rows(0, 16)], frames[rows(0, 5)])
    of_plane, of_noise = found.score(frames[rows(16, 24)]), found.score(noise)
    assert of_plane.shape == (8,)
    assert np.median(of_plane) > of_noise.max()


@pytest.mark.parametrize("name", NAMES)
def test_a_score_depends_on_its_own_frame_only(name: str, frames: PlaneFrames) -> None:
    skip_without_clip(name, frames)
    found = BASELINES[name]()
    found.fit(frames[rows(0, 16)], frames[rows(0, 5)])
    together, alone = found.score(frames[rows(16, 20)]), found.score(frames[rows(18, 19)])
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together[2:3], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_does_not_depend_on_what_was_drawn_before(name: str, frames: PlaneFrames) -> None:
    skip_without_clip(name, frames)
    scores: list[np.ndarray] = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found = BASELINES[name]()
        found.fit(frames[rows(0, 16)], frames[rows(0, 5)])
        scores.append(found.score(frames[rows(16, 20)]))
    np.testing.assert_array_equal(*scores)


def test_mssim_is_monais_mean_over_the_anchors(frames: PlaneFrames) -> None:
    found = MeanStructuralSimilarity()
    found.fit(frames, frames[rows(0, 3)])
    metric = MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0, kernel_size=3)
    expected = [float(metric(frames.images[i : i + 1], frames.images[7:8])) for i in range(3)]
    assert found.score(frames[rows(7, 8)])[0] == pytest.approx(np.mean(expected), abs=1e-5)


@pytest.mark.parametrize(("family", "exponent"), [(norm, 2.0), (laplace, 1.0)])
def test_shape_of_known_distributions_is_found(family: object, exponent: float) -> None:
    values = family.rvs(size=200_000, random_state=0)  # pyright: ignore[reportAttributeAccessIssue]
    shape, left, right = asymmetric_fit(values)
    assert shape == pytest.approx(exponent, rel=0.03)
    assert left == pytest.approx(right, rel=0.02)
    _, left, right = asymmetric_fit(np.where(values < 0, 3 * values, values))
    assert left == pytest.approx(3 * right, rel=0.03)


def test_padim_equals_a_loop_at_one_location(frames: PlaneFrames) -> None:
    found = Padim()
    known = frames[rows(0, 16)]
    found.fit(known, known)
    features = patch_features(known)
    values = project(features, random_projection(features.shape[1], CHANNELS)).flatten(2).numpy()[:, :, 5]
    covariances = np.cov(values.T)
    mean_variance = float(found._precision.inverse().diagonal(dim1=1, dim2=2).mean()) / (1 + RIDGE)
    expected = covariances + RIDGE * mean_variance * np.eye(len(covariances))
    np.testing.assert_allclose(found._precision[5].inverse().numpy(), expected, rtol=0.02, atol=0.02 * mean_variance)


def test_cover_leaves_no_point_far_from_the_chosen() -> None:
    points = torch.randn(300, 4, generator=rng())
    chosen, first = cover(points, 40), points[:40]
    assert torch.cdist(points, chosen).amin(dim=1).max() < torch.cdist(points, first).amin(dim=1).max()
    assert torch.equal(cover(points[:3], 10).sort(dim=0).values, points[:3].sort(dim=0).values)


def test_mixture_finds_separate_clusters() -> None:
    centers = 20 * torch.randn(8, 3, generator=rng(1))
    points = centers.repeat(200, 1) + 0.5 * torch.randn(1600, 3, generator=rng(2))
    mixture = fit_mixture(points)
    assert mixture[0].sum() == pytest.approx(1)
    likelihood = log_densities(points, *mixture).logsumexp(dim=1).mean()
    one = points.mean(dim=0)[None], points.var(dim=0)[None]
    assert likelihood > log_densities(points, torch.ones(1), *one).logsumexp(dim=1).mean() + 1


def test_generalized_contrast_of_equal_and_of_disjoint_regions() -> None:
    region = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    assert generalized_contrast(region, region) == pytest.approx(0)
    assert generalized_contrast(region, region + 2) == pytest.approx(1)


def test_heat_map_has_its_peak_at_the_center_of_the_box() -> None:
    box = StructureBox("valve", (0.25, 0.5, 0.5, 1.0))
    maps = heat_maps(((box,), ()), ["aorta", "valve"])
    assert maps.shape == (2, 2, SIDE, SIDE)
    assert maps[0, 1].argmax() == 12 * SIDE + 24
    assert (maps[0, 1] == 1).sum() == 1
    assert maps[0, 0].max() == maps[1].max() == 0
    down, across = maps[0, 1, 12 + 3, 24], maps[0, 1, 12, 24 + 3]
    assert 0 < down < across < 1  # the box is wider than high
    assert heat_maps(((StructureBox("valve", (1.5, 0, 1.9, 1)),),), ["valve"]).max() == 0  # outside the picture


def test_loss_of_centers_is_the_published_one_and_least_where_the_map_is_right() -> None:
    targets = torch.zeros(1, 1, 4, 4)
    targets[0, 0, 1, 2], targets[0, 0, 1, 1] = 1.0, 0.5
    logits = torch.randn(1, 1, 4, 4, generator=rng())
    p = logits.sigmoid()
    expected = sum(
        -((1 - p[0, 0, y, x]) ** 2) * p[0, 0, y, x].log()
        if targets[0, 0, y, x] == 1
        else -((1 - targets[0, 0, y, x]) ** 4) * p[0, 0, y, x] ** 2 * (1 - p[0, 0, y, x]).log()
        for y in range(4)
        for x in range(4)
    )
    torch.testing.assert_close(center_loss(logits, targets), torch.as_tensor(expected))
    assert center_loss(20 * (targets == 1).float() - 10, targets) < 0.01


def test_detector_learns_which_frames_show_the_structures(frames: PlaneFrames) -> None:
    detector = BASELINES["Weighted Score (uses boxes)"]()
    detector.fit(frames, frames)
    assert frames.boxes is not None
    shown = np.array([len(marked) for marked in frames.boxes])
    scores = detector.score(frames)
    assert scores[shown > 4].min() > scores[shown == 0].max()


def test_detector_without_any_box_scores_all_frames_alike(frames: PlaneFrames) -> None:
    detector = BASELINES["Weighted Score (uses boxes)"]()
    detector.fit(replace(frames, boxes=((),) * len(frames)), frames)
    assert detector.score(frames[rows(0, 3)]).tolist() == [0, 0, 0]


def test_features_of_clip_lie_where_the_picture_changes(frames: PlaneFrames) -> None:
    if frames.clip is None:
        pytest.skip("the package transformers is not installed")
    changed = frames.images[:1].clone()
    changed[0, 0, 16:24, 40:48] = 1.0
    before, after = clip_features(frames[rows(0, 1)]), clip_features(frames[rows(0, 1)].with_images(changed))
    assert before.shape == (1, 16, 8, 8)
    assert (after - before).norm(dim=1)[0].argmax() == 2 * 8 + 5


def test_missing_weights_of_clip_are_named(frames: PlaneFrames, tmp_path: Path) -> None:
    with pytest.raises(StriqError, match="--clip FOLDER"):
        clip_features(replace(frames, clip=None))
    if frames.clip is not None:
        with pytest.raises(StriqError, match=r"holds no CLIP model.*model\.safetensors"):
            clip_features(replace(frames, clip=tmp_path))


def test_every_module_of_the_package_registers_its_baselines() -> None:
    marked = [path.read_text().count("\n@baseline") for path in Path(striq.baselines.__path__[0]).glob("*.py")]
    assert sum(marked) == len(NAMES) > 10


def test_all_stands_for_every_baseline_and_others_are_refused() -> None:
    without = {one.name for one in find_baselines(["all"])}
    assert without == {name for name in NAMES if not BASELINES[name].needs}
    extras = BaselineExtras(MarkedBoxes(Path("boxes.csv"), {}), Path("clip"))
    assert {one.name for one in find_baselines(["all"], extras)} == set(NAMES)
    assert extras.names == ["boxes", "clip"]
    with pytest.raises(StriqError, match=r"'Weighted Score \(uses boxes\)' needs boxes.*--boxes"):
        find_baselines(["Weighted Score (uses boxes)"])
    with pytest.raises(StriqError, match="No baseline 'magic'; choose among: all, ARNIQA"):
        find_baselines(["PaDiM", "magic"])


def test_baselines_are_fitted_on_the_training_frames_of_each_plane(
    images: Tensor, tiny_scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int, int]] = []

    class Counting(Baseline):
        name = "counting"

        def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
            seen.append((len(frames), len(anchors), 0))

        def score(self, frames: PlaneFrames) -> np.ndarray:
            return frames.images.sum(dim=(1, 2, 3)).double().numpy()

    monkeypatch.setitem(BASELINES, "counting", Counting)
    record = FrameRecord("x.png", TINY_PLANES[0], "g")  # pyright: ignore[reportArgumentType]
    planes = [TINY_PLANES[i % 2] for i in range(10)]
    records = [replace(record, plane=plane) for plane in planes]
    found = score_by_baselines(tiny_scorer, ["counting"], (images[:10], records), (images[10:14], records[:4]))
    assert [counts[0] for counts in seen] == [5, 5]
    assert all(0 < counts[1] <= tiny_scorer.config.quality.num_anchors for counts in seen)
    np.testing.assert_allclose(found["counting"], images[10:14].sum(dim=(1, 2, 3)).numpy(), rtol=1e-6)
