"""Tests of ``striq.training.continual``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from striq.config import SubspaceConfig
from striq.model.subspace import KnowledgeSubspace
from striq.training.continual import conflict_mask, learning_only, orthonormal_rows, protected_gradient
from tests.references import continual as reference


@pytest.fixture
def task_vectors() -> Tensor:
    return torch.randn(3, 6, 10, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def gradient() -> Tensor:
    return torch.randn(6, 10, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("num_planes", [2, 3, 7])
def test_mask_equals_the_loop_reference(task_vectors: Tensor, num_planes: int) -> None:
    expected = reference.conflict_mask(task_vectors[0].double().numpy(), num_planes)
    np.testing.assert_array_equal(conflict_mask(task_vectors[0], num_planes).numpy(), expected)


@pytest.mark.parametrize(("num_planes", "share"), [(2, 1 / 2), (3, 1 / 3), (6, 1 / 6)])
def test_mask_marks_one_of_p_entries_the_largest_ones(num_planes: int, share: float) -> None:
    vector = torch.randn(60, 50, generator=torch.Generator().manual_seed(2))
    mask = conflict_mask(vector, num_planes)
    assert float(mask.mean()) == pytest.approx(share, abs=0.001)
    assert float(vector.abs()[mask > 0].min()) > float(vector.abs()[mask == 0].max())


def test_a_plane_whose_expert_never_changed_marks_nothing() -> None:
    assert float(conflict_mask(torch.zeros(4, 5), 3).sum()) == 0


def test_basis_is_orthonormal_and_spans_the_rows(task_vectors: Tensor) -> None:
    rows = task_vectors.flatten(1)
    basis = orthonormal_rows(rows)
    torch.testing.assert_close(basis @ basis.T, torch.eye(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows @ basis.T @ basis, rows, atol=1e-4, rtol=0)


def test_dependent_and_zero_rows_add_no_direction(task_vectors: Tensor) -> None:
    rows = task_vectors.flatten(1)
    repeated = torch.cat([rows[:1], 0 * rows[:1], -2 * rows[:1], rows[1:2]])
    assert len(orthonormal_rows(repeated)) == 2
    assert len(orthonormal_rows(torch.zeros(2, 60))) == 0


def test_protected_gradient_equals_the_loop_reference(gradient: Tensor, task_vectors: Tensor) -> None:
    expected = reference.protected_gradient(gradient.double().numpy(), task_vectors.double().numpy(), 4)
    np.testing.assert_allclose(protected_gradient(gradient, task_vectors, 4).numpy(), expected, atol=1e-5)


def test_projection_is_idempotent_and_orthogonal_to_the_task_vectors_where_every_entry_conflicts(
    gradient: Tensor, task_vectors: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striq.training.continual.conflict_mask", lambda vector, num_planes: torch.ones_like(vector))
    once = protected_gradient(gradient, task_vectors, 4)
    torch.testing.assert_close(task_vectors.flatten(1) @ once.flatten(), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(protected_gradient(once, task_vectors, 4), once, atol=1e-5, rtol=0)


def test_a_gradient_where_nothing_conflicts_is_left_alone(gradient: Tensor) -> None:
    assert torch.equal(protected_gradient(gradient, torch.zeros(2, 6, 10), 3), gradient)


@pytest.fixture
def subspace() -> KnowledgeSubspace:
    subspace = KnowledgeSubspace(3, 10, SubspaceConfig(rank=6, activation_threshold=0, general_threshold=0))
    for parameter in subspace.parameters():
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4))
    for task in (subspace.task_down, subspace.task_up):
        task[:2] = torch.randn(2, *task.shape[1:], generator=torch.Generator().manual_seed(5))
    return subspace


def gradients(subspace: KnowledgeSubspace) -> dict[str, Tensor]:
    features = torch.randn(2, 10, 3, 3, generator=torch.Generator().manual_seed(6))
    subspace.zero_grad()
    subspace(features, torch.ones(2, 1, 3, 3)).square().sum().backward()
    return {name: p.grad.clone() for name, p in subspace.named_parameters() if p.grad is not None}


def test_only_new_planes_and_the_general_expert_learn(subspace: KnowledgeSubspace) -> None:
    free = gradients(subspace)
    with learning_only(subspace, 2):
        held = gradients(subspace)
    for name in ("down", "up"):
        assert not held[name][:2].any()
        assert torch.equal(held[name][2], free[name][2])
    for name, tasks in (("general_down", subspace.task_down), ("general_up", subspace.task_up)):
        torch.testing.assert_close(held[name], protected_gradient(free[name], tasks[:2], 3))
        assert not torch.equal(held[name], free[name])


def test_a_step_of_the_optimizer_moves_the_general_expert_once_along_the_protected_gradient(
    subspace: KnowledgeSubspace,
) -> None:
    before, free = {name: p.detach().clone() for name, p in subspace.named_parameters()}, gradients(subspace)
    optimizer = torch.optim.SGD(subspace.parameters(), lr=0.01)
    with learning_only(subspace, 2):
        gradients(subspace)
        optimizer.step()
    for name, tasks in (("general_down", subspace.task_down), ("general_up", subspace.task_up)):
        expected = reference.protected_gradient(free[name].double().numpy(), tasks[:2].double().numpy(), 3)
        moved = before[name] - getattr(subspace, name).detach()
        np.testing.assert_allclose(moved.numpy(), 0.01 * expected, atol=1e-5)
    assert torch.equal(subspace.down[:2], before["down"][:2])


def test_unprotected_general_expert_gets_the_plain_gradient(subspace: KnowledgeSubspace) -> None:
    free = gradients(subspace)
    with learning_only(subspace, 2, protect=False):
        assert torch.equal(gradients(subspace)["general_up"], free["general_up"])


def test_all_learn_again_afterwards(subspace: KnowledgeSubspace) -> None:
    free = gradients(subspace)
    with learning_only(subspace, 2):
        pass
    after = gradients(subspace)
    assert all(torch.equal(after[name], free[name]) for name in free)
