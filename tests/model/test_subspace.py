"""Tests of ``striq.model.subspace``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from striq.config import ORTHOGONALITIES, SubspaceConfig
from striq.model.subspace import KnowledgeSubspace, orthogonality_penalty, select_bases
from tests.references import subspace as reference

CONFIG = SubspaceConfig(rank=6)


@pytest.fixture
def module() -> KnowledgeSubspace:
    generator = torch.Generator().manual_seed(0)
    subspace = KnowledgeSubspace(3, 12, CONFIG)
    for parameter in subspace.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return subspace


@pytest.fixture
def features() -> Tensor:
    return torch.randn(4, 12, 5, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def mask() -> Tensor:
    inside = torch.ones(4, 1, 5, 5)
    inside[:, :, :2] = 0
    return inside


def test_output_equals_the_sum_over_selected_rank_one_terms(
    module: KnowledgeSubspace, features: Tensor, mask: Tensor
) -> None:
    module.config = replace(CONFIG, general_threshold=2.0)  # no general basis: the loop covers the planes' experts
    down, up = (p.detach().double().numpy() for p in (module.down, module.up))
    down = reference.unit_rows(down)
    out = module(features, mask).detach().numpy()
    for b in range(4):
        vectors = features[b].flatten(1).double().numpy()
        inside = mask[b].flatten().numpy() > 0
        unit = vectors / np.linalg.norm(vectors, axis=0)
        activation = np.abs(np.einsum("prd,dn->prn", down, unit))[:, :, inside].mean(axis=2)
        chosen = reference.chosen_bases(activation, CONFIG.activation_threshold)
        expected = [reference.synergy(x, down, up, chosen, 1 / CONFIG.rank) for x in vectors.T]
        np.testing.assert_allclose(out[b].reshape(12, -1).T, expected, atol=1e-4)


def test_synergy_expert_equals_the_sum_over_the_bases_that_planes_and_general_expert_select(
    module: KnowledgeSubspace, features: Tensor, mask: Tensor
) -> None:
    threshold = 0.24  # some bases of every expert lie above, some below
    module.config = replace(CONFIG, activation_threshold=threshold, general_threshold=threshold, residual_scale=0.7)
    numbers = {name: p.detach().double().numpy() for name, p in module.named_parameters()}
    down, general_down = (reference.unit_rows(numbers[name]) for name in ("down", "general_down"))
    found = module(features, mask).detach().flatten(2)
    selected = set()
    for b in range(4):
        vectors = features[b].flatten(1).double().numpy()
        unit = (vectors / np.linalg.norm(vectors, axis=0))[:, mask[b].flatten().numpy() > 0]
        activation = np.abs(down @ unit).mean(axis=2)
        general = [i for i, row in enumerate(general_down) if np.abs(row @ unit).mean() > threshold]
        chosen = (reference.chosen_bases(activation, threshold), general)
        selected.add((sum(map(len, chosen[0])), len(general)))
        experts, shared = (down, numbers["up"]), (general_down, numbers["general_up"])
        expected = [reference.full_synergy(x, experts, shared, chosen, 0.7 / CONFIG.rank) for x in vectors.T]
        np.testing.assert_allclose(found[b].T.numpy(), expected, atol=1e-4)
    assert len(selected) > 1  # frames differ in what they select
    assert any(0 < planes < 6 and 0 < general < 6 for planes, general in selected)


def test_general_expert_adds_its_selected_bases(module: KnowledgeSubspace, features: Tensor, mask: Tensor) -> None:
    module.config = replace(CONFIG, activation_threshold=2.0, general_threshold=0.0)
    full = module.general_up @ module.general_basis / CONFIG.rank
    expected = features + torch.einsum("ed,bdhw->behw", full, features)
    torch.testing.assert_close(module(features, mask), expected)


def test_a_frame_does_not_depend_on_the_rest_of_the_batch(
    module: KnowledgeSubspace, features: Tensor, mask: Tensor
) -> None:
    torch.testing.assert_close(module(features, mask)[2:3], module(features[2:3], mask[2:3]))


def test_untrained_subspace_passes_features_unchanged(features: Tensor, mask: Tensor) -> None:
    assert torch.equal(KnowledgeSubspace(3, 12, CONFIG)(features, mask), features)


def test_disabled_subspace_passes_features_unchanged(module: KnowledgeSubspace, features: Tensor, mask: Tensor) -> None:
    module.config = replace(CONFIG, enabled=False)
    assert torch.equal(module(features, mask), features)


def test_scrambled_weights_change_the_output(module: KnowledgeSubspace, features: Tensor, mask: Tensor) -> None:
    before = module(features, mask)
    module.up.data = module.up.data.flip(1)
    assert float((module(features, mask) - before).detach().abs().max()) > 0.01


def test_kappa_is_the_smaller_of_bases_above_threshold_and_rank_over_planes() -> None:
    activation = torch.tensor([[[0.9, 0.8, 0.7, 0.05], [0.3, 0.0, 0.0, 0.0]]])
    chosen = select_bases(activation, 0.1)
    assert chosen.tolist() == [[[1, 1, 0, 0], [1, 0, 0, 0]]]  # floor(4 / 2) = 2 of three, then one of one


def test_selection_agrees_with_the_loop_reference() -> None:
    activation = torch.rand(5, 3, 9, generator=torch.Generator().manual_seed(8))
    chosen = select_bases(activation, 0.5)
    for b in range(5):
        expected = reference.chosen_bases(activation[b].double().numpy(), 0.5)
        assert [set(row.nonzero().flatten().tolist()) for row in chosen[b]] == [set(e) for e in expected]


def test_penalty_equals_the_double_loop(module: KnowledgeSubspace) -> None:
    expected = reference.overlap(module.basis.detach().double().numpy())
    assert orthogonality_penalty(module.basis).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ORTHOGONALITIES)
def test_every_form_of_the_penalty_equals_the_double_loop(module: KnowledgeSubspace, kind: str) -> None:
    norm, parts = kind.split("_")
    rows = [module.down.detach().double().numpy()]
    if parts == "ab":  # columns of B, each of length one
        rows.append(module.up.detach().double().numpy().transpose(0, 2, 1))
    expected = sum(reference.overlap(reference.unit_rows(part), entrywise=norm == "l1") for part in rows)
    assert float(module.overlap(kind).detach()) == pytest.approx(expected, rel=1e-5)


def test_more_planes_than_rank_still_leave_each_plane_its_strongest_basis() -> None:
    chosen = select_bases(torch.tensor([[[0.3, 0.4], [0.4, 0.2], [0.05, 0.01]]]), 0.1)  # floor(2 / 3) would be none
    assert chosen.tolist() == [[[0, 1], [1, 0], [0, 0]]]


def test_orthogonal_subspaces_have_no_penalty() -> None:
    assert orthogonality_penalty(torch.eye(12).view(3, 4, 12)).item() == 0.0


def test_one_plane_has_no_penalty() -> None:
    assert orthogonality_penalty(torch.ones(1, 4, 12)).item() == 0.0


def test_shrinking_the_rows_does_not_lower_the_penalty(module: KnowledgeSubspace) -> None:
    before = orthogonality_penalty(module.basis).item()
    module.down.data *= 1e-3
    assert orthogonality_penalty(module.basis).item() == pytest.approx(before, rel=1e-4)


def exported(num_planes: int) -> tuple[KnowledgeSubspace, torch.export.ExportedProgram]:
    subspace = KnowledgeSubspace(num_planes, 12, CONFIG)
    generator = torch.Generator().manual_seed(0)
    for parameter in subspace.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    batch = torch.export.Dim("batch", min=1, max=64)
    example = (torch.randn(3, 12, 5, 5, generator=generator), torch.ones(3, 1, 5, 5))
    return subspace, torch.export.export(subspace, example, dynamic_shapes=({0: batch}, {0: batch}))


def test_exported_subspace_takes_any_batch(features: Tensor, mask: Tensor) -> None:
    subspace, program = exported(3)
    for count in (1, 2, 4):
        found = program.module()(features[:count], mask[:count])
        torch.testing.assert_close(found, subspace(features[:count], mask[:count]))


def test_planes_and_frames_are_not_looped_over() -> None:
    operations = [[str(node.target) for node in exported(planes)[1].graph.nodes] for planes in (2, 5)]
    assert operations[0] == operations[1]  # of a batch of any size, see above
