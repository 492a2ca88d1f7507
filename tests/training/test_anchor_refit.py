"""Tests of ``striq.training.anchor_refit`` and ``striq.scoring.anchor_usage``."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striq.anchors.orientation import Orientation
from striq.anchors.provenance import anchor_source
from striq.data.loading import load_images
from striq.data.phantom import make_phantom
from striq.errors import DatasetError
from striq.scoring.anchor_usage import agreement_ranks, count_nearest
from striq.scoring.scorer import StriqScorer
from striq.training.anchor_refit import AnchorChange, change_anchors
from striq.training.score_statistics import UnseenScores, set_range_and_weights
from striq.types import AnchorSource, Frame, FrameRecord

SIZE = (64, 64)
DRAWN_SIZE = (96, 96)
SALT = b"salt"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    """The frames of the small scorer as files."""
    folder = tmp_path_factory.mktemp("frames")
    found: list[FrameRecord] = []
    for index, frame in enumerate(make_phantom(4, 2, planes=("a4c", "abdomen"), size=DRAWN_SIZE)):
        path = folder / f"{frame.plane}_{index}.png"
        Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)).save(path)
        found.append(FrameRecord(path, frame.plane, f"subject_{index // 2 % 4}"))
    return found


@pytest.fixture
def scorer(tiny_scorer: StriqScorer) -> StriqScorer:
    return copy.deepcopy(tiny_scorer)


@pytest.fixture
def known_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striq.training.anchor_refit.new_salt", lambda: SALT)


def of_plane(records: list[FrameRecord], plane: str) -> list[FrameRecord]:
    return [record for record in records if record.plane == plane]


def state_of(scorer: StriqScorer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in scorer.state_dict().items() if isinstance(value, torch.Tensor)}


def qualities(scorer: StriqScorer, records: list[FrameRecord]) -> torch.Tensor:
    with torch.inference_mode():
        return scorer(load_images(records, SIZE, quiet=True))


@pytest.mark.parametrize("given", [False, True])
def test_only_the_named_plane_changes(scorer: StriqScorer, records: list[FrameRecord], given: bool) -> None:
    before, q_before, posterior = state_of(scorer), qualities(scorer, records), scorer.score(frames_of(records))
    change_anchors(scorer, {"a4c": AnchorChange(keep=[0, 2])}, records if given else [], quiet=True)
    after, q_after = state_of(scorer), qualities(scorer, records)
    changed = {name for name, value in before.items() if not same(value, after[name])}
    ranges = {"range_low", "range_high", "term_weights"}
    assert {name for name in changed if name.startswith("bank")} == changed - ranges
    assert all(name.endswith("_0") for name in changed - ranges)  # the buffers of the first plane
    for name in ranges:
        assert torch.equal(before[name][1], after[name][1])
        assert torch.equal(before[name][0], after[name][0]) or given
    assert torch.equal(q_before[:, 1], q_after[:, 1])
    assert not torch.equal(q_before[:, 0], q_after[:, 0])
    assert [s.plane_probabilities for s in scorer.score(frames_of(records))] == [
        s.plane_probabilities for s in posterior
    ]


def frames_of(records: list[FrameRecord]) -> list[Frame]:
    return [Frame(np.asarray(Image.open(record.path), dtype=np.float32) / 255) for record in records]


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return np.array_equal(one.numpy(), other.numpy(), equal_nan=True)


def test_kept_anchors_stay_what_they_were(scorer: StriqScorer) -> None:
    features, sources = scorer.bank.features(0), list(scorer.bank.sources[0])
    change_anchors(scorer, {"a4c": AnchorChange(keep=[2, 0])}, quiet=True)
    kept = scorer.bank.features(0)
    for now, before in zip((*kept.maps, *kept.masks), (*features.maps, *features.masks), strict=True):
        torch.testing.assert_close(now, before[[2, 0]], rtol=1e-3, atol=1e-6)
    assert scorer.bank.sources[0] == [sources[2], sources[0]]


def test_frames_become_the_anchors_and_ranges_are_those_of_other_groups(
    scorer: StriqScorer, records: list[FrameRecord], known_salt: None
) -> None:
    frames = of_plane(records, "a4c")
    group = frames[0].group
    use = [record for record in frames if record.group == group]
    changed = change_anchors(scorer, {"a4c": AnchorChange(use=use)}, frames, quiet=True)["a4c"]
    others = [record for record in frames if record.group != group]
    assert scorer.bank.sources[0] == [anchor_source(record, SALT) for record in use]
    assert changed.num_frames == len(others)
    assert changed.images is not None
    torch.testing.assert_close(changed.images, load_images(use, SIZE, quiet=True))
    images = load_images(others, SIZE, quiet=True)
    with torch.inference_mode():
        terms = scorer.score_as_plane(scorer.embed(images), scorer.frame_terms(images), 0).terms
    expected = StriqScorer(scorer.planes, scorer.config)
    set_range_and_weights(expected, 0, UnseenScores(terms, [], torch.zeros(len(terms)), []))
    for name in ("range_low", "range_high", "term_weights"):  # features are cached in half precision
        torch.testing.assert_close(getattr(scorer, name)[0], getattr(expected, name)[0], atol=5e-3, rtol=0)
    torch.testing.assert_close(scorer.term_weights[0].sum(), torch.tensor(1.0))


def test_frames_of_an_anchor_group_are_measured_against_the_other_groups(
    scorer: StriqScorer, records: list[FrameRecord]
) -> None:
    frames = of_plane(records, "a4c")
    by_group = {record.group: record for record in frames}
    use = [by_group["subject_0"], by_group["subject_1"]]
    assert change_anchors(scorer, {"a4c": AnchorChange(use=use)}, frames, quiet=True)["a4c"].num_frames == 8
    # An anchor is compared with the other group only: matched with itself, its similarity would be the lowest of all.
    images = load_images(use[:1], SIZE, quiet=True)
    with torch.inference_mode():
        itself = scorer.engine.pair_terms(scorer.embed(images), 0).terms[0, 0, 0]
    assert scorer.range_low[0, 0] > itself + 0.01


def test_changed_model_scores_the_same_after_saving(
    scorer: StriqScorer, records: list[FrameRecord], tmp_path: Path
) -> None:
    change_anchors(scorer, {"abdomen": AnchorChange(keep=[1])}, records, quiet=True)
    loaded = StriqScorer(["unset"])
    loaded.load_state_dict(torch.load(scorer.save(tmp_path / "model.pt"), weights_only=True))
    torch.testing.assert_close(qualities(loaded.eval(), records), qualities(scorer, records), atol=1e-6, rtol=0)


def test_impossible_changes_are_refused_before_anything_is_changed(
    scorer: StriqScorer, records: list[FrameRecord]
) -> None:
    frames, before = of_plane(records, "a4c"), state_of(scorer)
    keep = AnchorChange(keep=[0])
    for changes, given, complaint in (
        ({"a4c": AnchorChange()}, frames, "'a4c' would have 0 anchors; a plane of this model has 1 to 3"),
        ({"a4c": AnchorChange(use=frames[:4])}, frames, "would have 4 anchors"),
        ({"a4c": AnchorChange(use=frames[:2])}, [], "has 0 frames to measure its ranges on"),
        ({"a4c": keep, "abdomen": keep}, frames, "'abdomen' has 0 frames"),
    ):
        with pytest.raises(DatasetError, match=complaint):
            change_anchors(scorer, changes, given, quiet=True)
    assert all(same(value, state_of(scorer)[name]) for name, value in before.items())


def test_frames_of_the_one_group_of_the_anchors_make_no_range(scorer: StriqScorer, records: list[FrameRecord]) -> None:
    one_group = [record for record in of_plane(records, "a4c") if record.group == "subject_0"]
    with pytest.raises(DatasetError, match="the one group that all anchors come from"):
        change_anchors(scorer, {"a4c": AnchorChange(use=one_group)}, one_group, quiet=True)


def test_frames_of_a_plane_of_both_sides_make_two_anchors_each(
    scorer: StriqScorer, records: list[FrameRecord], monkeypatch: pytest.MonkeyPatch, known_salt: None
) -> None:
    frames = of_plane(records, "a4c")
    monkeypatch.setattr(
        "striq.training.plane_calibration.find_orientation",
        lambda layouts, *_: Orientation(torch.arange(len(layouts)) % 2 == 1, 2.0, torch.zeros(layouts.shape[1])),
    )
    with pytest.raises(DatasetError, match=r"each frame makes two anchors.* Name 1 frames at most, got 2"):
        change_anchors(scorer, {"a4c": AnchorChange(use=frames[::4])}, frames, quiet=True)
    scorer.config = replace(scorer.config, quality=replace(scorer.config.quality, num_anchors=4))
    scorer.bank.num_anchors = 4
    changed = change_anchors(scorer, {"a4c": AnchorChange(use=frames[::4])}, frames, quiet=True)["a4c"]
    sources = scorer.bank.sources[0]
    assert [(source.path, source.mirrored) for source in sources] == [
        (anchor_source(record, SALT).path, mirrored)
        for record, mirrored in zip([*frames[::4], *frames[::4]], [False, True, True, False], strict=True)
    ]
    assert changed.images is not None
    assert torch.equal(changed.images[2], changed.images[0].flip(-1))
    assert scorer.info["planes"]["a4c"]["both_sides"]
    assert float(scorer.bank.stability(0)[0].min()) < 1
    # Of the pair that stays, each is alone on its side: with nothing to compare, it is stable everywhere.
    change_anchors(scorer, {"a4c": AnchorChange(keep=[1, 3])}, quiet=True)
    assert all(bool((maps == 1).all()) for maps in scorer.bank.stability(0))


def test_model_says_what_its_new_anchors_are_based_on(scorer: StriqScorer, records: list[FrameRecord]) -> None:
    other = scorer.info["planes"]["abdomen"]
    groups = [source.group for source in scorer.bank.sources[0]]
    other_group = next(number for number, group in enumerate(groups) if group != groups[0])
    change_anchors(scorer, {"a4c": AnchorChange(keep=[0, other_group])}, records, quiet=True)
    found = scorer.info["planes"]
    assert (found["a4c"]["frames"], found["a4c"]["groups"], found["a4c"]["anchors"]) == (8, 4, 2)
    assert found["abdomen"] == other
    change_anchors(scorer, {"a4c": AnchorChange(keep=[1])}, quiet=True)
    assert (scorer.info["planes"]["a4c"]["anchors"], scorer.info["planes"]["a4c"]["ranking_stability"]) == (1, None)


def test_frames_are_not_measured_against_kept_anchors_of_their_group(
    scorer: StriqScorer, records: list[FrameRecord], known_salt: None, caplog: pytest.LogCaptureFixture
) -> None:
    frames = of_plane(records, "a4c")
    use = [next(record for record in frames if record.group == f"subject_{i}") for i in range(3)]
    change_anchors(scorer, {"a4c": AnchorChange(use=use)}, frames, quiet=True)
    assert scorer.bank.sources[0] == [anchor_source(record, SALT) for record in use]
    # The one anchor that stays is known by its content: the two frames of its group are left out.
    moved = [replace(record, group=f"another name of {record.group}") for record in frames]
    alone = copy.deepcopy(scorer)
    assert change_anchors(alone, {"a4c": AnchorChange(keep=[1])}, moved, quiet=True)["a4c"].num_frames == 6
    assert "come from none of the frames" not in caplog.text
    others = [record for record in frames if record not in use]
    assert change_anchors(alone, {"a4c": AnchorChange(keep=[0])}, others, quiet=True)["a4c"].num_frames == 5
    assert "a4c: 1 of 1 anchors come from none of the frames" in caplog.text


def test_anchors_of_one_group_are_known_by_one_of_them(scorer: StriqScorer, records: list[FrameRecord]) -> None:
    frames = of_plane(records, "a4c")
    use = [record for record in frames if record.group == "subject_0"]
    change_anchors(scorer, {"a4c": AnchorChange(use=use)}, frames, quiet=True)
    without_one = [record for record in frames if record != use[1]]
    changed = change_anchors(scorer, {"a4c": AnchorChange(keep=[0, 1])}, without_one, quiet=True)["a4c"]
    assert changed.num_frames == 6


def test_odd_anchor_agrees_least_with_the_others(scorer: StriqScorer, records: list[FrameRecord]) -> None:
    frame, odd = load_images([*of_plane(records, "a4c")[:1], *of_plane(records, "abdomen")[:1]], SIZE, quiet=True)
    images = torch.stack([frame, odd, 0.98 * frame])
    scorer.bank.fill(0, scorer.embed(images), [AnchorSource(f"{i}.png", str(i)) for i in range(3)])
    ranks = agreement_ranks(scorer, "a4c")
    assert ranks[1] == 3
    assert sorted(ranks) == [1, 2, 3]


def test_nearest_anchors_are_counted(scorer: StriqScorer, records: list[FrameRecord]) -> None:
    frames = frames_of(of_plane(records, "a4c"))
    counts = count_nearest(scorer, "a4c", frames)
    assert len(counts) == 3
    assert counts == [sum(s.anchor_number == i for s in scorer.score(frames, "a4c")) for i in range(3)]
    assert sum(counts) == len(frames)
