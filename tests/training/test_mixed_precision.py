"""Tests of training with automatic mixed precision: features are rounded, fits and losses are not."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.registration.affine import compose_affine, identity_affine
from striq.training.handlers import LimitGradient
from striq.training.objective import PairBatch, PairOutput, RegistrationLoss, RegistrationNetwork
from striq.training.pairs import PairBatcher, PairDataset
from striq.training.run_options import RunOptions
from striq.training.setup import make_calibration
from striq.training.trainer import make_steps, use_amp

CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=4))
SHORT = TrainingConfig(max_epochs=1, views=1)
LOSS = RegistrationLoss()
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")


def options_for(folder: Path, device: str = "cpu") -> RunOptions:
    return RunOptions(folder, device=device, quiet=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[RegistrationNetwork, PairBatch, Tensor]:
    folder = tmp_path_factory.mktemp("phantom")
    records = load_dataset(write_phantom(folder, 4, 2, planes=("kidney", "a4c"), size=(96, 96)))
    calibration = make_calibration(records, options_for(folder), config=CONFIG, training=SHORT)
    calibration.prepare()
    pairs = PairDataset(calibration, seed=0)
    items = [pairs[i] for i in range(6)]
    batch, known = PairBatcher(calibration)({key: torch.tensor([int(item[key]) for item in items]) for key in items[0]})
    return RegistrationNetwork(calibration.scorer.model, CONFIG.quality), batch, known


def computed(
    prepared: tuple[RegistrationNetwork, PairBatch, Tensor], *, mixed: bool
) -> tuple[PairOutput, Tensor, Tensor]:
    """Output, loss and gradient of a batch."""
    network, batch, known = prepared
    network.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
        output = network(batch)
        loss = LOSS(output, known)
    loss.backward()
    gradient = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    return output, loss.detach(), torch.cat(gradient)


def test_mixed_precision_rounds_features_a_little_and_fits_not_at_all(
    prepared: tuple[RegistrationNetwork, PairBatch, Tensor],
) -> None:
    (plain, loss, gradient), (mixed, rounded, other) = (computed(prepared, mixed=m) for m in (False, True))
    assert {part.dtype for part in (mixed.forward, mixed.backward, *mixed.known, mixed.orthogonality, rounded)} == {
        torch.float32
    }
    difference = float((mixed.forward - plain.forward).detach().abs().max())
    assert 0 < difference < 0.02  # of half the frame's width
    assert float(rounded) == pytest.approx(float(loss), rel=0.01)
    assert float(torch.cosine_similarity(gradient, other, dim=0)) > 0.99


def test_a_product_outside_the_guard_would_be_rounded() -> None:
    transform = identity_affine(1, torch.empty(0)) + 0.001
    exact = compose_affine(transform, transform)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not torch.allclose(compose_affine(transform, transform).float(), exact, atol=1e-4)


def test_gradient_is_shortened_without_the_scale_of_mixed_precision() -> None:
    network = torch.nn.Linear(3, 1, bias=False)
    optimizer = torch.optim.SGD(network.parameters(), 1.0)
    scaler = torch.amp.GradScaler("cpu")
    before = network.weight.detach().clone()
    scaler.scale(network(torch.full((1, 3), 100.0)).sum()).backward()
    LimitGradient(limit=0.5)(SimpleNamespace(network=network, optimizer=optimizer, scaler=scaler))
    scaler.step(optimizer)
    assert float((network.weight.detach() - before).norm()) == pytest.approx(0.5, rel=1e-4)


def test_mixed_precision_is_for_cuda_devices(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    records = load_dataset(write_phantom(tmp_path_factory.mktemp("p"), 4, 1, planes=("a4c",), size=(96, 96)))
    training = replace(SHORT, amp=True)
    calibration = make_calibration(records, options_for(tmp_path), config=CONFIG, training=training)
    assert not make_steps(calibration, training, options_for(tmp_path)).trainer.amp
    kinds = itertools.product((True, False), ("cuda", "cpu", "mps"))
    assert [use_amp(wanted, torch.device(kind)) for wanted, kind in kinds] == [True, *[False] * 5]


def endpoint_error(folder: Path, device: str, *, amp: bool) -> float:
    records = load_dataset(write_phantom(folder / "phantom", 6, 3, planes=("kidney", "a4c"), size=(96, 96)))
    training, options = replace(SHORT, amp=amp, max_epochs=3), options_for(folder, device)
    steps = make_steps(make_calibration(records, options, config=CONFIG, training=training), training, options)
    assert steps.trainer.amp == amp
    steps.prepare()
    steps.optimize()
    return float(steps.trainer.state.metrics["endpoint_error_px"])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_mixed_precision_on_cuda_learns_what_single_precision_learns_on_a_cpu(tmp_path: Path) -> None:
    expected = endpoint_error(tmp_path / "cpu", "cpu", amp=False)
    assert endpoint_error(tmp_path / "cuda", "cuda", amp=True) == pytest.approx(expected, rel=0.02)
