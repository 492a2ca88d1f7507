"""Tests of the ablations: each row changes what it names, results are kept, and the report can see a loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from striq.config import AlignerConfig, EncoderConfig, QualityConfig, StriqConfig, SubspaceConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.errors import StriqError
from striq.evaluation import ablation
from striq.evaluation.ablation import (
    REFERENCE,
    AblationData,
    AblationRunner,
    ablation_rows,
    apply_overrides,
    choose_rows,
    training_key,
)
from striq.evaluation.ablation_report import summarize, write_ablation
from striq.model.aligner import Aligner
from striq.model.subspace import KnowledgeSubspace
from striq.quality.consistency import TermValues
from striq.quality.frame_terms import frame_terms
from striq.registration.affine import identity_affine
from striq.registration.matching import Matches
from striq.training.objective import PairOutput, RegistrationLoss

ROWS = ablation_rows()
TINY = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=3))
SHORT = TrainingConfig(max_epochs=1, views=1, batch_size=8)
QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")


def differences(overrides: ablation.Overrides) -> dict[str, dict[str, Any]]:
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


def subspace_output(**settings: Any) -> Tensor:
    subspace = KnowledgeSubspace(2, 12, SubspaceConfig(**settings))
    generator = torch.Generator().manual_seed(0)
    for parameter in subspace.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return subspace(torch.randn(1, 12, 4, 4, generator=generator), torch.ones(1, 1, 4, 4)).detach()


def aligned(**settings: Any) -> Tensor:
    aligner = Aligner((4, 4, 4), AlignerConfig(projections=(4, 4, 4), **settings))
    aligner.gates.fill_(1.0)
    generator = torch.Generator().manual_seed(0)
    fixed, moving = ([torch.randn(1, 4, s, s, generator=generator) for s in (16, 8, 4)] for _ in range(2))
    masks = [torch.ones(1, 1, s, s) for s in (16, 8, 4)]
    return aligner(aligner.project(fixed, masks), aligner.project(moving, masks), masks, masks).transform.detach()


def loss(**settings: Any) -> Tensor:
    identity = identity_affine(1, torch.zeros(1))
    terms = TermValues(*(torch.tensor([value]) for value in (0.1, 0.2, 0.4)))
    nowhere = Matches(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), torch.zeros(1, 1), torch.ones(1, 1, 1))
    masks = (torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
    output = PairOutput((identity,), nowhere, masks, identity, identity, terms, torch.tensor(0.8))
    return RegistrationLoss(**settings)(output, identity)


def overlap(kind: str) -> Tensor:
    subspace = KnowledgeSubspace(2, 12, SubspaceConfig())
    subspace.up.data = torch.randn(subspace.up.shape, generator=torch.Generator().manual_seed(0))
    return subspace.overlap(kind).detach()


BEHAVIOR: dict[str, tuple[Callable[..., Tensor], dict[str, Any], dict[str, Any]]] = {
    "subspace.enabled": (subspace_output, {}, {"enabled": False}),
    "subspace.adaptive": (subspace_output, {"activation_threshold": 0.3}, {"adaptive": False}),
    "subspace.rank": (subspace_output, {}, {"rank": 8}),
    "subspace.activation_threshold": (subspace_output, {}, {"activation_threshold": 0.6}),
    "subspace.general_threshold": (subspace_output, {}, {"general_threshold": 0.6}),
    "aligner.levels": (aligned, {}, {"levels": 1}),
    "aligner.mode": (aligned, {}, {"mode": "translation"}),
    "training.orthogonality_weight": (loss, {}, {"orthogonality_weight": 0.0}),
    "training.loss_terms": (loss, {}, {"terms": ("similarity",)}),
    "training.orthogonality": (overlap, {"kind": "l1_a"}, {"kind": "frobenius_ab"}),
    "quality.anchor_share": (
        lambda share: frame_terms(
            torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(0)), torch.ones(1), share
        ),
        {"share": 0.5},
        {"share": 1.0},
    ),
}
SEEN_IN_A_RUN = {"quality.weights", "quality.num_anchors", "quality.anchor_strategy"}


def test_every_setting_of_the_rows_is_tested_for_its_effect() -> None:
    settings = {
        f"{part}.{name}" for overrides in ROWS.values() for part, changes in overrides.items() for name in changes
    }
    assert settings == set(BEHAVIOR) | SEEN_IN_A_RUN


@pytest.mark.parametrize("setting", BEHAVIOR)
def test_each_setting_has_an_effect(setting: str) -> None:
    function, before, after = BEHAVIOR[setting]
    assert not torch.equal(function(**before), function(**after))


@pytest.mark.parametrize(("overrides", "complaint"), [({"subspace": {"ranks": 2}}, "ranks"), ({"other": {}}, "other")])
def test_an_override_of_nothing_is_refused(overrides: ablation.Overrides, complaint: str) -> None:
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
    records = load_dataset(write_phantom(folder / "data", 8, 3, planes=("a4c", "kidney"), size=(64, 64)))
    data = AblationData.load(records, seed=0, size=(64, 64), quiet=True)
    return AblationRunner(data, folder / "out", config=TINY, training=SHORT, device="cpu", quiet=True)


@QUIET
def test_a_row_trains_once_is_kept_and_differs_where_the_score_does(runner: AblationRunner) -> None:
    full = runner.run(REFERENCE, {})
    assert set(full) == {"a4c", "kidney"}
    trained = list((runner.output / "trained").iterdir())
    changed = runner.run("components/all ncc", {"quality": {"weights": [0.0, 1.0, 0.0, 0.0]}})
    fewer = runner.run("hyperparameters/K", {"quality": {"num_anchors": 1}})
    other = runner.run("anchors/random", {"quality": {"anchor_strategy": "random"}})
    assert full not in (changed, fewer)
    assert other != full
    assert list((runner.output / "trained").iterdir()) == trained
    kept = runner.output / "components" / "full_seed0.json"
    kept.write_text(json.dumps({"srcc": {"a4c": 0.5, "kidney": 0.25}}), encoding="utf-8")
    assert runner.run(REFERENCE, {}) == {"a4c": 0.5, "kidney": 0.25}


@QUIET
def test_a_shared_training_gives_the_score_of_an_own_one(runner: AblationRunner, tmp_path: Path) -> None:
    overrides = {"quality": {"anchor_share": 1.0}}
    shared = runner.run("components/shared", overrides)
    alone = AblationRunner(runner.data, tmp_path, config=TINY, training=SHORT, device="cpu", quiet=True)
    assert alone.run("components/own", overrides) == pytest.approx(shared, abs=0.02)


def results(drop: float) -> dict[str, list[dict[str, float]]]:
    full = [{"a": 0.8, "b": 0.6}, {"a": 0.7, "b": 0.7}, {"a": 0.9, "b": 0.7}]
    return {REFERENCE: full, "components/x": [{k: v - drop for k, v in of_seed.items()} for of_seed in full]}


def test_summary_is_the_mean_over_planes_and_seeds_paired_by_seed() -> None:
    full, worse = summarize(results(0.1))
    assert full.srcc == pytest.approx((0.7 + 0.7 + 0.8) / 3)
    assert full.planes == pytest.approx({"a": 0.8, "b": 2 / 3})
    assert (worse.difference, worse.difference_spread) == pytest.approx((-0.1, 0.0), abs=1e-9)
    assert worse.hurts
    assert not full.hurts


@pytest.mark.parametrize(("drop", "word"), [(0.1, "yes"), (-0.1, "no"), (0.0, "no")])
def test_report_says_whether_an_ablation_hurts(tmp_path: Path, drop: float, word: str) -> None:
    text = write_ablation(results(drop), tmp_path, note="Mind this.")
    line = next(line for line in text.splitlines() if "components/x" in line)
    assert line.split("|")[4].strip() == word
    assert "**Note:** Mind this." in text
    with Image.open(tmp_path / "ablation.png") as picture:
        assert picture.size[0] > 300
    assert json.loads((tmp_path / "ablation.json").read_text())["rows"][0]["name"] == REFERENCE
