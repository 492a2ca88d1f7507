"""``monai.bundle.download`` and ``monai.bundle.load`` on the packed bundle, from a folder of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from monai.bundle.scripts import download, load
from monai.networks.utils import copy_model_state
from test_packing import TOOL

import striq
from striq.data.phantom import write_phantom
from striq.data.preprocessing import prepare_frame
from striq.data.readers import open_cine
from striq.errors import CheckpointError
from striq.monai_bundle.network import BundleNetwork
from striq.scoring.checkpoint import NEW_BUFFERS, read_checkpoint, write_checkpoint
from striq.scoring.scorer import StriqScorer

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bundles, into which MONAI has fetched the packed one."""
    folder = tmp_path_factory.mktemp("fetched")
    address = TOOL.pack(folder / "published").as_uri()
    download(name=TOOL.NAME, url=address, bundle_dir=str(folder / "bundles"), progress=False)
    return folder / "bundles"


@pytest.mark.parametrize("options", [{}, {"workflow_type": "inference"}], ids=["as training", "as inference"])
def test_fetched_bundle_loads_as_a_network_with_the_scores_of_the_scorer(
    bundles: Path, options: dict[str, str], tmp_path: Path
) -> None:
    network = load(TOOL.NAME, bundle_dir=str(bundles), device="cpu", **options)
    scorer = striq.load_scorer(device="cpu")
    cine = open_cine(sorted(write_phantom(tmp_path, 1, 1, planes=("synthetic_kidney",)).parent.rglob("*.png"))[0])
    score, expected = network.score([cine[0]])[0], scorer.score([cine[0]])[0]
    assert (score.plane, score.quality) == (expected.plane, expected.quality)
    assert (network.planes, network.info, network.bank.sources) == (scorer.planes, scorer.info, scorer.bank.sources)
    image = prepare_frame(cine[0], scorer.config.encoder.size)[None]
    with torch.inference_mode():
        assert torch.equal(network(image), scorer(image))


def test_checkpoint_written_by_the_network_is_whole(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    network = BundleNetwork(["unset"], tiny_scorer.save(tmp_path / "model.pt"))
    assert all(isinstance(value, torch.Tensor) for value in network.state_dict().values())
    again = striq.load_scorer(network.save(tmp_path / "again.pt"), device="cpu")
    assert (again.planes, again.info, again.bank.sources) == (
        tiny_scorer.planes,
        tiny_scorer.info,
        tiny_scorer.bank.sources,
    )
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_file_of_another_model_is_refused_and_taken_where_the_network_is_built_with_it(
    bundles: Path, tiny_scorer: StriqScorer, tmp_path: Path
) -> None:
    shutil.copytree(bundles / TOOL.NAME / "configs", tmp_path / "bundle" / "configs")
    (tmp_path / "bundle" / "models").mkdir()
    shutil.copy(bundles / TOOL.NAME / "models" / "model.pt", tmp_path / "bundle" / "models")
    other = tiny_scorer.save(tmp_path / "bundle" / "models" / "other.pt")
    common = {"bundle_dir": str(tmp_path), "workflow_type": "inference", "model_file": "models/other.pt"}
    with pytest.raises(CheckpointError, match="of another model"):
        load("bundle", device="cpu", **common)
    network = load("bundle", device="cpu", **common, net_override={"checkpoint": str(other)})
    assert network.planes == tiny_scorer.planes


def test_file_of_no_network_is_refused(bundles: Path, tmp_path: Path) -> None:
    shutil.copytree(bundles / TOOL.NAME, tmp_path / "bundle")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "bundle" / "models" / "other.pt")
    with pytest.raises(CheckpointError, match="of another model"):
        load("bundle", bundle_dir=str(tmp_path), device="cpu", model_file="models/other.pt")


def test_file_of_a_format_before_stability_loads(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    state = {name: value for name, value in tiny_scorer.state_dict().items() if not name.startswith(tuple(NEW_BUFFERS))}
    state["_extra_state"]["format_version"] = 5
    network = BundleNetwork(["unset"], write_checkpoint(tmp_path / "model.pt", state))
    copy_model_state(network, read_checkpoint(tmp_path / "model.pt"))
    assert network.planes == tiny_scorer.planes


def test_tensors_alone_do_not_make_a_network_without_a_model(tiny_scorer: StriqScorer) -> None:
    tensors = {name: value for name, value in tiny_scorer.state_dict().items() if isinstance(value, torch.Tensor)}
    with pytest.raises(CheckpointError, match="of another model"):
        BundleNetwork(tiny_scorer.planes).load_state_dict(tensors)
