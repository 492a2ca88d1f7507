"""Tests of ``striq.scoring.export`` and ``striq export``: what is written gives the scorer's own scores."""

from __future__ import annotations

import copy
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import striq
from striq.cli import main
from striq.commands.exporting import KINDS, choose_kind
from striq.errors import StriqError
from striq.scoring.export import FACTS, FORMATS, PlaneQuality, export_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
SLOW = pytest.mark.slow  # PyTorch takes its time to record a program
EVERY_KIND = [pytest.param(kind, marks=() if kind == "torchscript" else SLOW) for kind in FORMATS]


def frames(count: int) -> Tensor:
    image = 0.1 + 0.9 * torch.rand(count, 1, 64, 64, generator=torch.Generator().manual_seed(count))
    image[:, :, :10] = 0.0
    return image


@pytest.fixture(scope="module")
def exported(
    tiny_scorer: StriqScorer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[bytes, Callable[[Tensor], Tensor]]]:
    folder, known = tmp_path_factory.mktemp("exported"), {}

    def write_once(kind: str) -> tuple[bytes, Callable[[Tensor], Tensor]]:
        if kind not in known:
            path = export_scorer(tiny_scorer, folder / f"model{FORMATS[kind].suffix}", kind, ["abdomen"]).path
            known[kind] = path.read_bytes(), FORMATS[kind].read(path.read_bytes())
        return known[kind]

    return write_once


@pytest.mark.parametrize("planes", [(), ("abdomen",), ("abdomen", "a4c")])
def test_planes_judged_together_are_judged_alike(tiny_scorer: StriqScorer, planes: tuple[str, ...]) -> None:
    with torch.no_grad():
        apart = PlaneQuality(tiny_scorer, planes)(frames(3))
        together = PlaneQuality(tiny_scorer, planes, together=True)
        assert together.together
        torch.testing.assert_close(together(frames(3)), apart, atol=1e-5, rtol=0)


def test_planes_of_unequal_anchors_are_judged_one_by_one(tiny_scorer: StriqScorer) -> None:
    scorer = copy.deepcopy(tiny_scorer)
    scorer.bank.fill(0, scorer.bank.features(0)[:2], scorer.bank.sources[0][:2])
    network = PlaneQuality(scorer, together=True)
    assert not network.together
    with torch.no_grad():
        expected = scorer.with_reference_engine()(frames(2))
        torch.testing.assert_close(network(frames(2)), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("together", [True, False])
def test_negative_anchors_are_in_the_file(tiny_scorer: StriqScorer, together: bool) -> None:
    scorer, image = copy.deepcopy(tiny_scorer), frames(2)
    scorer.negatives.fill(1, scorer.embed(image[:1]), [AnchorSource("drawn", "0")])
    network = PlaneQuality(scorer, together=together)
    with torch.no_grad():
        expected = scorer.with_reference_engine()(image)
        torch.testing.assert_close(network(image), expected, atol=1e-6, rtol=0)
        assert float(expected[0, 1]) < float(tiny_scorer(image)[0, 1])
    traced = torch.jit.script(scorer)
    with torch.no_grad():
        torch.testing.assert_close(traced(image), expected, atol=1e-5, rtol=0)


class CorrelationOfMeans(nn.Module):
    """Divides as the terms do: without variance, only the small number under the root prevents NaN."""

    def forward(self, image: Tensor) -> Tensor:
        """Return it for frames ``(B, 1, H, W)``."""
        variance = image.mean(dim=(2, 3))
        return variance / (variance * variance + 1e-12).sqrt()


def test_onnx_file_keeps_small_numbers() -> None:
    network = FORMATS["onnx"].read(FORMATS["onnx"].write(CorrelationOfMeans(), frames(2), {}))
    image = torch.stack([torch.zeros(1, 64, 64), torch.full((1, 64, 64), 1e-6), torch.ones(1, 64, 64)])
    torch.testing.assert_close(network(image), CorrelationOfMeans()(image), atol=1e-5, rtol=0)


@SLOW
def test_onnx_file_of_several_planes_takes_any_number_of_frames(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    path = export_scorer(tiny_scorer, tmp_path / "model.onnx", "onnx").path
    network = FORMATS["onnx"].read(path.read_bytes())
    for count in (1, 2, 5):
        with torch.no_grad():
            torch.testing.assert_close(network(frames(count)), tiny_scorer(frames(count)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_file_gives_the_scores_of_the_scorer_for_any_number_of_frames(
    exported: Callable, tiny_scorer: StriqScorer, kind: str, count: int
) -> None:
    with torch.no_grad():
        found, expected = exported(kind)[1](frames(count)), tiny_scorer(frames(count))[:, 1:]
    assert found.shape == (count, 1)
    torch.testing.assert_close(found, expected, atol=FORMATS[kind].tolerance, rtol=0)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_file_names_its_planes_and_the_size_of_frames(exported: Callable, kind: str) -> None:
    content = exported(kind)[0]
    facts = json.loads(content[content.index(b'{"striq"') :].split(b"}")[0] + b"}")
    assert facts == {"striq": striq.__version__, "planes": ["abdomen"], "size": [64, 64], "threshold": 0.5}


def test_planes_come_out_in_the_order_asked_for(tiny_scorer: StriqScorer) -> None:
    with torch.no_grad():
        swapped = PlaneQuality(tiny_scorer, ["abdomen", "a4c"])(frames(2))
        expected = tiny_scorer.with_reference_engine()(frames(2)).flip(1)
        torch.testing.assert_close(swapped, expected, atol=0, rtol=0)


def test_planes_left_out_take_no_room_and_stay_with_the_scorer(tiny_scorer: StriqScorer) -> None:
    one, both = (PlaneQuality(tiny_scorer, planes) for planes in (["abdomen"], []))
    assert not [name for name, _ in one.scorer.bank.named_buffers() if name.endswith("_0")]
    assert both.planes == tiny_scorer.planes
    assert len(tiny_scorer.bank.sources[0]) == 3


def test_scorer_can_be_scripted_as_monai_asks(tiny_scorer: StriqScorer) -> None:
    scripted = torch.jit.script(tiny_scorer)
    with torch.no_grad():
        torch.testing.assert_close(scripted(frames(3)), tiny_scorer(frames(3)), atol=1e-5, rtol=0)


def test_file_whose_scores_differ_is_not_written(
    tiny_scorer: StriqScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = dataclasses.replace(
        FORMATS["torchscript"], write=lambda *_: b"", read=lambda _: lambda image: image[:, :, 0, 0]
    )
    monkeypatch.setitem(FORMATS, "torchscript", wrong)
    with pytest.raises(StriqError, match=r"not written, its scores would differ .* 1e-05 is allowed"):
        export_scorer(tiny_scorer, tmp_path / "model.ts", "torchscript", ["a4c"])
    assert not list(tmp_path.iterdir())


def test_unknown_plane_is_refused_by_name(tiny_scorer: StriqScorer) -> None:
    with pytest.raises(StriqError, match="does not know the plane 'face'"):
        PlaneQuality(tiny_scorer, ["face"])


def test_unfitted_scorer_is_refused() -> None:
    with pytest.raises(StriqError, match="no anchors for kidney"):
        PlaneQuality(StriqScorer(["kidney"]))


def test_missing_onnx_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(StriqError, match=r"pip install 'striq\[onnx\]'"):
        FORMATS["onnx"].read(b"")


def test_suffixes_of_the_command_line_are_those_of_the_formats() -> None:
    assert {suffix: kind for kind, known in FORMATS.items() for suffix in [known.suffix]} == KINDS


@pytest.mark.parametrize(
    ("out", "kind", "complaint"),
    [
        ("model.bin", None, "the suffix says no format"),
        ("model.onnx", "torchscript", "the suffix stands for onnx"),
        ("model.onnx", "tflite", "'tflite' is not one of"),
    ],
)
def test_format_that_is_unclear_is_refused(out: str, kind: str | None, complaint: str) -> None:
    with pytest.raises(StriqError, match=complaint):
        choose_kind(Path(out), kind)


def test_format_can_be_named_where_the_suffix_says_none() -> None:
    assert choose_kind(Path("model.bin"), "onnx") == "onnx"


def test_command_line_writes_a_file_that_runs(
    tiny_model: Path, tiny_scorer: StriqScorer, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "new" / "model.ts"
    with pytest.raises(SystemExit) as ended:
        main(["export", "--model", str(tiny_model), "--planes", "a4c", "--out", str(out)])
    assert ended.value.code in (0, None)
    assert "a4c:" in capsys.readouterr().out
    extra = {FACTS: ""}
    network = torch.jit.load(out, _extra_files=extra)
    with torch.no_grad():
        torch.testing.assert_close(network(frames(2)), tiny_scorer(frames(2))[:, :1], atol=1e-5, rtol=0)
    assert json.loads(extra[FACTS])["planes"] == ["a4c"]


def test_command_line_refuses_an_unknown_plane_and_writes_nothing(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", "--model", str(tiny_model), "--planes", "heart", "--out", str(tmp_path / "model.onnx")])
    assert ended.value.code == 2
    assert "'heart'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
