"""Tests of what a model.pt may state: anything else is one CheckpointError, before memory is allocated."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striq.config import EncoderConfig
from striq.errors import CheckpointError
from striq.model.backbone_files import load_backbone
from striq.model.encoder import FrozenEncoder
from striq.model.tensor_files import read_tensors
from striq.scoring.checkpoint import buffers_since
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource

State = dict[str, Any]


@pytest.fixture(scope="module")
def state(tiny_scorer: StriqScorer) -> State:
    return tiny_scorer.state_dict()


def assert_refused(path: Path, match: str | None = None) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        load_scorer(path, "cpu")
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 500 + len(str(path))


def change(tensor: str, value: float) -> Callable[[State], None]:
    def apply(state: State) -> None:
        state[tensor].view(-1)[0] = value

    return apply


def setting(part: str, name: str, value: object) -> Callable[[State], None]:
    return lambda state: state["_extra_state"]["config"][part].update({name: value})


def extra(name: str, value: object) -> Callable[[State], None]:
    return lambda state: state["_extra_state"].update({name: value})


def without(name: str) -> Callable[[State], None]:
    def apply(state: State) -> None:
        del state[name]

    return apply


def as_format(state: State, version: int) -> State:
    """Make a state one of a format without the buffers that came later."""
    for name in [name for name in state if name.startswith(buffers_since(version))]:
        del state[name]
    if version < 8:
        del state["_extra_state"]["negative_sources"]
    del state["_extra_state"]["config"]["aligner"]["frame_centering"]
    state["_extra_state"]["format_version"] = version
    return state


CHANGES: dict[str, Callable[[State], None]] = {
    "NaN in a range": change("range_low", float("nan")),
    "infinite range": change("range_high", float("inf")),
    "range upside down": change("range_high", -1e9),
    "NaN weight": change("term_weights", float("nan")),
    "negative weight": change("term_weights", -0.5),
    "weights that sum to 2": change("term_weights", 1.5),
    "NaN in the network": change("model.aligner.log_ridge", float("nan")),
    "NaN in the encoder": change("model.encoder.backbone.conv1.weight", float("nan")),
    "half a range of evidence": lambda state: state["evidence_range"].copy_(torch.tensor([[0.5, torch.nan]] * 2)),
    "infinite evidence": lambda state: state["evidence_range"].copy_(torch.tensor([[torch.inf, 0.1]] * 2)),
    "negative spread of evidence": lambda state: state["evidence_range"].copy_(torch.tensor([[0.5, -0.1]] * 2)),
    "stability of other anchors": lambda state: state.update({"bank.stability0_0": torch.zeros(1, dtype=torch.uint8)}),
    "missing stability": without("bank.stability1_0"),
    "missing structure": without("bank.structure_0"),
    "missing evidence": without("evidence_range"),
    "missing network of an earlier format": lambda state: as_format(state, 5).pop("model.aligner.log_ridge"),
    "NaN scale of an anchor": change("bank.scales0_0", float("nan")),
    "huge frames": setting("encoder", "size", (2**20, 2**20)),
    "other frames": setting("encoder", "size", (128, 128)),
    "no frames": setting("encoder", "size", (0, 64)),
    "frames of text": setting("encoder", "size", "ab"),
    "huge channels": setting("encoder", "channels", (16, 32, 10**9)),
    "unknown backbone": setting("encoder", "backbone", "vgg"),
    "more channels than the backbone has": setting("encoder", "backbone", "resnet18_quarter"),
    "backbone of another width": setting("encoder", "backbone", "resnet18_separable"),
    "huge rank": setting("subspace", "rank", 10**9),
    "centering beyond the frame": setting("aligner", "frame_centering", 1.5),
    "NaN setting": setting("aligner", "ridge", float("nan")),
    "infinite sharpness": setting("aligner", "sharpness", float("inf")),
    "huge radius": setting("aligner", "radii", (10**6, 3)),
    "unknown mode": setting("aligner", "mode", "bend"),
    "unknown setting": setting("quality", "surprise", 1),
    "NaN threshold": setting("quality", "threshold", float("nan")),
    "threshold above one": setting("quality", "threshold", 7.0),
    "NaN configured weight": setting("quality", "weights", {"ncc": float("nan"), "similarity": 1.0}),
    "unknown term": setting("quality", "weights", {"charm": 1.0}),
    "planes of numbers": extra("planes", [1, 2]),
    "one plane too few": extra("planes", ["a4c"]),
    "no planes": extra("planes", []),
    "plane twice": extra("planes", ["a4c", "a4c"]),
    "path as plane": extra("planes", ["../../etc/x", "abdomen"]),
    "reserved plane": extra("planes", ["none", "abdomen"]),
    "millions of anchors": extra("anchor_sources", [[{"path": "", "group": "", "frame_index": 0}] * 10**5, []]),
    "millions of negative anchors": extra("negative_sources", [[{"path": "", "group": ""}] * 10**5, []]),
    "negative anchors of one plane": extra("negative_sources", [[]]),
    "anchors of another kind": extra("anchor_sources", [["x"] * 3, ["y"] * 3]),
    "settings of another kind": extra("config", [1]),
    "no settings": extra("config", {}),
    "future format": extra("format_version", 99),
    "missing ranges": without("range_low"),
    "missing network": without("model.aligner.log_ridge"),
    "missing state": without("_extra_state"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_model_that_states_what_is_not_possible_is_refused(name: str, state: State, tmp_path: Path) -> None:
    changed = copy.deepcopy(state)
    CHANGES[name](changed)
    torch.save(changed, tmp_path / "model.pt")
    if name == "no settings":  # the defaults, whose frames have another size
        assert_refused(tmp_path / "model.pt", "shape")
    else:
        assert_refused(tmp_path / "model.pt")


def test_unchanged_model_is_loaded(tiny_model: Path) -> None:
    assert load_scorer(tiny_model, "cpu").planes == ["a4c", "abdomen"]


@pytest.mark.parametrize("version", [4, 5])
def test_model_of_an_earlier_format_is_loaded(version: int, state: State, tmp_path: Path) -> None:
    torch.save(as_format(copy.deepcopy(state), version), tmp_path / "model.pt")
    scorer = load_scorer(tmp_path / "model.pt", "cpu")
    assert all(bool((maps == 1).all()) for maps in scorer.bank.stability(0))
    assert not scorer.uses_evidence(0)


def test_model_of_the_format_before_negative_anchors_is_loaded(state: State, tmp_path: Path) -> None:
    torch.save(as_format(copy.deepcopy(state), 7), tmp_path / "model.pt")
    scorer = load_scorer(tmp_path / "model.pt", "cpu")
    assert scorer.negatives.sources == [[], []]
    assert torch.equal(scorer.bank.structure(0), state["bank.structure_0"].float())


def test_model_of_the_format_before_centering_by_frame_keeps_its_scores(state: State, tmp_path: Path) -> None:
    by_plane = copy.deepcopy(state)
    by_plane["_extra_state"]["config"]["aligner"]["frame_centering"] = 0.0
    torch.save(by_plane, tmp_path / "plane.pt")
    torch.save(as_format(copy.deepcopy(state), 8), tmp_path / "earlier.pt")
    torch.save(state, tmp_path / "model.pt")
    image = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    plane, earlier, now = (load_scorer(tmp_path / name, "cpu") for name in ("plane.pt", "earlier.pt", "model.pt"))
    assert earlier.config == plane.config != now.config
    with torch.inference_mode():
        assert torch.equal(earlier(image), plane(image))
        assert not torch.equal(earlier(image), now(image))
    again = earlier.save(tmp_path / "again.pt")
    assert load_scorer(again, "cpu").config.aligner.frame_centering == 0


def test_negative_anchors_are_stored(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    scorer = copy.deepcopy(tiny_scorer)
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    scorer.negatives.fill(1, scorer.embed(image), [AnchorSource("drawn", "0", 3)])
    loaded = load_scorer(scorer.save(tmp_path / "model.pt"), "cpu")
    assert loaded.negatives.sources == [[], [AnchorSource("drawn", "0", 3)]]
    with torch.inference_mode():
        assert torch.equal(loaded(image), scorer(image))


@pytest.mark.parametrize("values", [(0.5, 0.1), (torch.inf, torch.inf)])
def test_evidence_may_be_used_or_not(values: tuple[float, float], state: State) -> None:
    scorer = StriqScorer(["x"])
    scorer.load_state_dict({**state, "evidence_range": torch.tensor([values] * 2)})
    assert scorer.uses_evidence(0) == (values[0] == 0.5)


@pytest.mark.parametrize("name", ["NaN in a range", "weights that sum to 2", "huge frames", "future format"])
def test_host_that_loads_the_state_itself_gets_the_same_refusal(name: str, state: State) -> None:
    changed = copy.deepcopy(state)
    CHANGES[name](changed)
    with pytest.raises(CheckpointError):
        StriqScorer(["x"]).load_state_dict(changed)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"model" * 500, b"\x80\x04K\x01."])
def test_foreign_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    assert_refused(tmp_path / "model.pt")


@pytest.mark.parametrize("value", [torch.zeros(3), [1, 2], {"a": 1}, None, 5])
def test_foreign_content_is_refused(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "model.pt")
    assert_refused(tmp_path / "model.pt")


def test_damaged_model_is_refused_or_loads_whole(tiny_model: Path, tmp_path: Path) -> None:
    content = tiny_model.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / "model.pt").write_bytes(content[: int(len(content) * share)])
        assert_refused(tmp_path / "model.pt")


def test_view_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    torch.save({"range_low": torch.zeros(1).expand(10**12)}, tmp_path / "model.pt")
    assert_refused(tmp_path / "model.pt", "not stored as a whole")


def test_archive_that_expands_beyond_the_limit_is_refused(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(10**7))
    monkeypatch.setattr("striq.model.tensor_files.MAX_BYTES", 10**6)
    assert_refused(tmp_path / "model.pt", "takes 10000000 bytes")


def test_code_in_a_model_is_not_run(tmp_path: Path) -> None:
    torch.save({"x": Path("y")}, tmp_path / "model.pt")
    assert_refused(tmp_path / "model.pt")


@pytest.mark.parametrize("name", ["x.pt", "x.pth", "x.npz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not weights at all"])
def test_foreign_backbone_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        load_backbone(FrozenEncoder(EncoderConfig()), tmp_path / name)


def test_backbone_of_other_shapes_or_numbers_is_refused(tmp_path: Path) -> None:
    encoder = FrozenEncoder(EncoderConfig())
    weights = encoder.backbone.state_dict()
    for changed in (torch.zeros(3), torch.full_like(weights["conv1.weight"], torch.nan), "text"):
        torch.save({**weights, "conv1.weight": changed}, tmp_path / "x.pt")
        with pytest.raises(CheckpointError, match=r"'conv1\.weight' must hold \(64, 3, 7, 7\) finite numbers"):
            load_backbone(encoder, tmp_path / "x.pt")
    np.savez(tmp_path / "x.npz", **{"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)})
    with pytest.raises(CheckpointError):
        load_backbone(encoder, tmp_path / "x.npz")


def test_list_instead_of_a_state_is_refused(tmp_path: Path) -> None:
    torch.save([1], tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="holds a list"):
        read_tensors(tmp_path / "x.pt", "a state")
