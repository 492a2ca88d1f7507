"""Tests of the ablations: each row changes what it names, results are kept, and the report can see a loss."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from striq.anchors.selection import select_anchors
from striq.config import AlignerConfig, EncoderConfig, QualityConfig, StriqConfig, SubspaceConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.errors import StriqError
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.studies.ablation import AblationData, AblationRunner, training_key
from striq.evaluation.studies.ablation_report import ablation_report, compare_with_reference
from striq.evaluation.studies.ablation_rows import (
    REFERENCE,
    Overrides,
    ablation_rows,
    apply_overrides,
    choose_rows,
    weights_without,
)
from striq.model.aligner import Aligner
from striq.model.subspace import KnowledgeSubspace
from striq.quality.normalization import TermRange, normalize_terms, plane_weights, quality_score
from striq.quality.terms import TERMS, Term, combine_terms, complete_weights, loss_term_names
from striq.registration.affine import identity_affine
from striq.registration.matching import Matches
from striq.training.objective import PairOutput, RegistrationLoss

ROWS = ablation_rows()
TINY = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=3))
SHORT = TrainingConfig(max_epochs=1, views=1, batch_size=8)
SETUP = TrainingSetup(config=TINY, training=SHORT, device="cpu", quiet=True)
QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")


def differences(overrides: Overrides) -> dict[str, dict[str, Any]]:
    """What a row's settings differ in from the defaults."""
    config, training = apply_overrides(overrides, StriqConfig(), TrainingConfig())
    before = {**StriqConfig().to_dict(), "training": asdict(TrainingConfig())}
    after = {**config.to_dict(), "training": asdict(training)}
    changed = {part: {k: v for k, v in after[part].items() if before[part][k] != v} for part in after}
    return {part: changes for part, changes in changed.items() if changes}


@pytest.mark.parametrize("name", [name for name in ROWS if name != REFERENCE])
def test_each_row_changes_exactly_what_it_names(name: str) -> None:
    expected = {
        part: {k: tuple(v) if isinstance(v, list) else v for k, v in c.items()} for part, c in ROWS[name].items()
    }
    assert expected
    assert differences(ROWS[name]) == expected


def test_the_reference_changes_nothing() -> None:
    assert differences(ROWS[REFERENCE]) == {}


def test_rows_about_terms_follow_from_the_table_of_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = Term("sharpness", "Sharpness", "Made up.", lambda *_: torch.zeros(1), 0.3, in_loss=True)
    monkeypatch.setitem(TERMS, "sharpness", extra)
    rows = ablation_rows()
    assert {"components/score without sharpness", "components/loss without sharpness"} <= rows.keys() - ROWS.keys()
    assert "sharpness" in rows["components/loss without NCC"]["training"]["loss_terms"]
    assert "components/score without smoothness" not in rows  # it has no weight to take away


def test_weight_of_a_term_left_out_goes_to_terms_of_its_kind() -> None:
    default = complete_weights({})
    for name, weight in default.items():
        left = weights_without(name)
        assert left[name] == 0
        assert sum(left.values()) == pytest.approx(1)
        assert all(value >= default[other] for other, value in left.items() if other != name)
        if name in ("similarity", "ncc"):
            assert left["contrast"] == default["contrast"]
        assert weight == 0 or left != default


def subspace_output(**settings: Any) -> Tensor:
    subspace = KnowledgeSubspace(2, 12, SubspaceConfig(activation_threshold=0.3, **settings))
    generator = torch.Generator().manual_seed(0)
    for parameter in subspace.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return subspace(torch.randn(1, 12, 4, 4, generator=generator), torch.ones(1, 1, 4, 4)).detach()


def selected(part: int, **settings: float) -> Tensor:
    """The bases chosen of the plane's (0) or the general (1) expert, of activations from 0 to 1."""
    activation = torch.linspace(0, 1, 64)
    return KnowledgeSubspace(1, 4, SubspaceConfig(rank=64, **settings)).select(activation.view(1, 1, 64), activation)[
        part
    ]


def aligned(**settings: Any) -> Tensor:
    aligner = Aligner((4, 4, 4), AlignerConfig(projections=(4, 4, 4), **settings))
    aligner.gates.fill_(1.0)
    generator = torch.Generator().manual_seed(0)
    fixed, moving = ([torch.randn(1, 4, s, s, generator=generator) for s in (16, 8, 4)] for _ in range(2))
    masks = [torch.ones(1, 1, s, s) for s in (16, 8, 4)]
    return aligner(aligner.project(fixed, masks), aligner.project(moving, masks), masks, masks).transform.detach()


def loss(**settings: Any) -> Tensor:
    identity = identity_affine(1, torch.zeros(1))
    terms = {name: torch.tensor([0.1 * 2**place]) for place, name in enumerate(loss_term_names())}
    nowhere = Matches(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), torch.zeros(1, 1), torch.full((1, 1, 1), 0.5))
    masks = (torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
    output = PairOutput((identity,), nowhere, masks, identity, identity, terms, torch.tensor(0.8))
    return RegistrationLoss(**settings)(output, identity)


def overlap(kind: str) -> Tensor:
    subspace = KnowledgeSubspace(2, 12, SubspaceConfig())
    subspace.up.data = torch.randn(subspace.up.shape, generator=torch.Generator().manual_seed(0))
    return subspace.overlap(kind).detach()


def anchors(strategy: str = "variance_spectrum", count: int = 20) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(60, 8, generator=generator), dim=1)
    structure = torch.rand(60, generator=generator)
    return select_anchors(embeddings, structure, count, strategy=strategy, generator=generator).sort().values


def quality(weights: Mapping[str, float]) -> Tensor:
    complete = complete_weights(weights)
    terms = torch.rand(9, len(complete), generator=torch.Generator().manual_seed(0))
    return quality_score(normalize_terms(terms, TermRange.of(terms)), plane_weights(terms, complete))


def counted(share: float) -> Tensor:
    return combine_terms(torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(0)), torch.ones(1, 1), share)


# What each setting is the setting of, as a function of its value.
EFFECT: dict[str, Callable[[Any], Tensor]] = {
    "subspace.enabled": lambda value: subspace_output(enabled=value),
    "subspace.adaptive": lambda value: subspace_output(adaptive=value),
    "subspace.rank": lambda value: torch.tensor(KnowledgeSubspace(2, 12, SubspaceConfig(rank=value)).basis.shape),
    "subspace.activation_threshold": lambda value: selected(0, activation_threshold=value),
    "subspace.general_threshold": lambda value: selected(1, general_threshold=value),
    "aligner.levels": lambda value: aligned(levels=value),
    "aligner.mode": lambda value: aligned(mode=value),
    "training.orthogonality_weight": lambda value: loss(orthogonality_weight=value),
    "training.loss_terms": lambda value: loss(terms=value),
    "training.known_transforms": lambda value: loss(known_transforms=value),
    "training.orthogonality": overlap,
    "quality.anchor_share": counted,
    "quality.anchor_strategy": anchors,
    "quality.num_anchors": lambda value: anchors(count=value),
    "quality.weights": quality,
}
CHANGES = [
    (row, f"{part}.{name}") for row, overrides in ROWS.items() for part, values in overrides.items() for name in values
]


def differ(one: Tensor, other: Tensor) -> bool:
    return one.shape != other.shape or not torch.equal(one, other)


@pytest.mark.parametrize(("row", "setting"), CHANGES)
def test_what_each_row_changes_has_an_effect_of_its_own(row: str, setting: str) -> None:
    part, name = setting.split(".")
    default = asdict(TrainingConfig())[name] if part == "training" else StriqConfig().to_dict()[part][name]
    effect, value = EFFECT[setting], ROWS[row][part][name]
    assert differ(effect(value), effect(default))
    others = [v[part][name] for other, v in ROWS.items() if other != row and name in v.get(part, {})]
    assert all(differ(effect(value), effect(other)) for other in others if other != value)


@pytest.mark.parametrize(("overrides", "complaint"), [({"subspace": {"ranks": 2}}, "ranks"), ({"other": {}}, "other")])
def test_an_override_of_nothing_is_refused(overrides: Overrides, complaint: str) -> None:
    with pytest.raises(StriqError, match=f"No setting '{complaint}'"):
        apply_overrides(overrides, StriqConfig(), TrainingConfig())


def test_rows_are_chosen_by_table_or_by_name_with_the_reference_first() -> None:
    assert choose_rows([])[0] == REFERENCE
    assert choose_rows(["components/no OKS"]) == [REFERENCE, "components/no OKS"]
    assert all(name == REFERENCE or name.startswith("anchors/") for name in choose_rows(["anchors"]))
    with pytest.raises(StriqError, match="No ablation 'magic'"):
        choose_rows(["magic"])


def test_what_only_the_score_depends_on_shares_a_training() -> None:
    plain = training_key(StriqConfig(), SHORT)
    assert training_key(replace(StriqConfig(), quality=QualityConfig(num_anchors=5, anchor_share=1.0)), SHORT) == plain
    assert training_key(replace(StriqConfig(), subspace=SubspaceConfig(rank=4)), SHORT) != plain
    assert training_key(StriqConfig(), replace(SHORT, loss_terms=("ncc",))) != plain


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> AblationRunner:
    folder = tmp_path_factory.mktemp("ablation")
    records = load_dataset(write_phantom(folder / "data", 8, 2, planes=("a4c", "kidney"), size=(96, 96)))
    data = AblationData.load(records, seed=0, size=(64, 64), quiet=True)
    return AblationRunner(data, folder / "out", SETUP)


@QUIET
def test_a_row_trains_once_is_kept_and_differs_where_the_score_does(runner: AblationRunner) -> None:
    full = runner.run(REFERENCE, {})
    assert set(full) == {"a4c", "kidney"}
    trained = list((runner.output / "trained").iterdir())
    changed = runner.run("components/all ncc", {"quality": {"weights": {"ncc": 1.0}}})
    fewer = runner.run("hyperparameters/K", {"quality": {"num_anchors": 1}})
    strategies = ("random", "k_center_greedy")  # of so few frames, one may happen to rank them as the default does
    others = [runner.run(f"anchors/{name}", {"quality": {"anchor_strategy": name}}) for name in strategies]
    assert full not in (changed, fewer)
    assert any(other != full for other in others)
    assert list((runner.output / "trained").iterdir()) == trained
    kept = runner.output / "components" / "full_seed0.json"
    kept.write_text(json.dumps({"srcc": {"a4c": 0.5, "kidney": 0.25}}), encoding="utf-8")
    assert runner.run(REFERENCE, {}) == {"a4c": 0.5, "kidney": 0.25}


@QUIET
def test_a_result_of_other_settings_or_frames_is_not_taken_for_this_one(runner: AblationRunner) -> None:
    weights = {"quality": {"weights": {"ncc": 1.0}}}
    kept = runner.run("components/kept", weights)
    assert runner.run("components/kept", weights) == kept
    longer = replace(SHORT, max_epochs=2)
    fewer = replace(runner.data, test=runner.data.test[1:], test_images=runner.data.test_images[1:])
    others = [
        AblationRunner(runner.data, runner.output, replace(SETUP, training=longer)),
        AblationRunner(fewer, runner.output, SETUP),
    ]
    for other in others:
        with pytest.raises(StriqError, match="other frames, epochs or settings"):
            other.run("components/kept", weights)
    with pytest.raises(StriqError, match="other frames, epochs or settings"):
        runner.run("components/kept", {})


@QUIET
def test_a_shared_training_gives_the_score_of_an_own_one(runner: AblationRunner, tmp_path: Path) -> None:
    overrides = {"quality": {"anchor_share": 1.0}}
    shared = runner.run("components/shared", overrides)
    alone = AblationRunner(runner.data, tmp_path, SETUP)
    assert alone.run("components/own", overrides) == pytest.approx(shared, abs=0.02)


def results(drop: float) -> dict[str, list[dict[str, float]]]:
    full = [{"a": 0.8, "b": 0.6}, {"a": 0.7, "b": 0.7}, {"a": 0.9, "b": 0.7}]
    return {REFERENCE: full, "components/x": [{k: v - drop for k, v in of_seed.items()} for of_seed in full]}


@QUIET
def test_a_row_of_another_encoder_takes_no_features_over(runner: AblationRunner, tmp_path: Path) -> None:
    overrides = {"encoder": {"channels": [8, 8, 256]}}
    after = runner.run("components/other encoder", overrides)
    alone = AblationRunner(runner.data, tmp_path, SETUP)
    assert after == alone.run("components/other encoder", overrides)


def test_summary_is_the_mean_over_planes_and_seeds_paired_by_seed() -> None:
    full, worse = compare_with_reference(results(0.1))
    assert full.srcc == pytest.approx((0.7 + 0.7 + 0.8) / 3)
    assert full.planes == pytest.approx({"a": 0.8, "b": 2 / 3})
    assert (worse.difference, worse.difference_spread) == pytest.approx((-0.1, 0.0), abs=1e-9)
    assert worse.lower_in_every_seed
    assert not full.lower_in_every_seed


@pytest.mark.parametrize(("drop", "word"), [(0.1, "yes"), (-0.1, "no"), (0.0, "no")])
def test_report_says_whether_a_change_is_lower_in_every_seed(tmp_path: Path, drop: float, word: str) -> None:
    text = ablation_report(results(drop), note="Mind this.").write(tmp_path)
    line = next(line for line in text.splitlines() if "components/x" in line)
    assert line.split("|")[4].strip() == word
    assert ("Not lower in every seed: components/x." in text) == (word == "no")
    assert ("Every change is lower in every seed." in text) == (word == "yes")
    assert "in one of 8 cases" in text
    assert "**Note:** Mind this." in text
    with Image.open(tmp_path / "ablation.png") as picture:
        assert picture.size[0] > 300
    assert json.loads((tmp_path / "ablation.json").read_text())["rows"][0]["name"] == REFERENCE


@pytest.mark.parametrize("missing", [("a4c",), ("a4c", "a2c")], ids=["a plane", "all planes"])
def test_a_correlation_that_is_not_defined_is_none_and_ends_nothing(missing: tuple[str, ...], tmp_path: Path) -> None:
    srcc = {"a4c": 0.4, "a2c": 0.6} | dict.fromkeys(missing, math.nan)
    ablation_report({REFERENCE: [srcc], "hyperparameters/R = 4": [srcc]}).write(tmp_path)
    stored = json.loads((tmp_path / "ablation.json").read_text(encoding="utf-8"))
    assert stored["seeds"][REFERENCE][0]["a4c"] is None
    assert (tmp_path / "ablation.png").stat().st_size > 1000


def test_a_result_that_is_not_defined_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_phantom(tmp_path / "phantom", 4, 2, planes=("kidney",), size=(96, 96))
    data = AblationData.load(load_dataset(table), seed=0, size=(64, 64), quiet=True)
    runner = AblationRunner(data, tmp_path / "out", SETUP)
    monkeypatch.setattr(AblationRunner, "_score", lambda *_: {"kidney": math.nan})
    first = runner.run(REFERENCE, {})
    monkeypatch.setattr(AblationRunner, "_fit", lambda *_: pytest.fail("trained again"))
    assert math.isnan(first["kidney"])
    assert math.isnan(AblationRunner(data, tmp_path / "out", SETUP).run(REFERENCE, {})["kidney"])
