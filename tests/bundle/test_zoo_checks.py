"""What the Model Zoo checks of a bundle, on the packed one, laid out as in the zoo: ``models/NAME``; no network needed.

``test_shipped_bundle.py`` verifies the metadata and the network's input and output by MONAI's own commands.
"""

from __future__ import annotations

import json
import re
import socket
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from monai.bundle.scripts import ckpt_export, verify_metadata, verify_net_in_out
from monai.bundle.workflows import ConfigWorkflow
from test_packing import ROOT, TOOL

import striq
from striq.data.phantom import write_phantom

SCHEMA_HOST = "project-monai.github.io"
SECTIONS = (
    "# Model Overview",
    "## Data",
    "### Preprocessing",
    "## Training configuration",
    "### Memory",
    "## Input",
    "## Output",
    "## Performance",
    "### Training curves",
    "### TensorRT",
    "## MONAI Bundle Commands",
    "# Intended use",
    "# References",
    "# License",
)
COMMANDS = (
    "run training",
    "multi_gpu_train.json",
    "run evaluating",
    "multi_gpu_evaluate.json",
    "run inference",
    "inference_trt.json",
    "ckpt_export",
    "onnx_export",
    "trt_export",
)
PLACES = re.compile(r"(/home/|/Users/|/root/|/tmp/|[A-Z]:\\\\)")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed bundle where the zoo keeps it."""
    root = tmp_path_factory.mktemp("zoo")
    with zipfile.ZipFile(TOOL.pack(root / "dist")) as archive:
        archive.extractall(root / "models")
    return root / "models" / TOOL.NAME


@pytest.fixture(scope="module")
def metadata(bundle: Path) -> dict:
    return json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))


def config(bundle: Path, name: str) -> str:
    return str(bundle / "configs" / name)


def test_name_ends_in_the_task(bundle: Path) -> None:
    assert re.fullmatch(r"[a-z0-9_]+_regression", bundle.name)


def test_version_is_in_the_changelog(metadata: dict) -> None:
    assert metadata["version"] in metadata["changelog"]
    assert all(isinstance(line, str) and line for line in metadata["changelog"].values())


def test_packages_are_required_in_the_one_way_that_monai_reads(metadata: dict) -> None:
    # With both keys, MONAI would let the optional packages replace the required ones.
    assert "optional_packages_version" not in metadata
    assert metadata["required_packages_version"]["striq"] == version("striq")


def test_pinned_versions_are_the_tested_ones(metadata: dict) -> None:
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
    pins = {**metadata["required_packages_version"], "monai": metadata["monai_version"]}
    pins["numpy"] = metadata["numpy_version"]
    del pins["striq"]
    assert pins == {name: tested[name] for name in pins}
    assert f"torch=={metadata['pytorch_version']}" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_license_is_that_of_the_project(bundle: Path) -> None:
    assert (bundle / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_every_source_of_data_has_its_terms(bundle: Path) -> None:
    terms = (bundle / "docs" / "data_license.txt").read_text(encoding="utf-8")
    assert all(source in terms for source in ("CAMUS", "HC18", "liver", "phantom"))


def test_page_has_the_sections_and_commands_of_the_zoo(bundle: Path) -> None:
    page = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    found = [re.search(rf"^#*{re.escape(section)}", page, re.M) for section in SECTIONS]
    assert all(found), [section for section, match in zip(SECTIONS, found, strict=True) if not match]
    assert [c for c in COMMANDS if c not in page] == []


def test_pictures_of_the_page_are_there(bundle: Path) -> None:
    page = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
    assert pictures
    assert all((bundle / "docs" / picture).stat().st_size > 10_000 for picture in pictures)


def test_commands_of_the_page_name_files_that_exist(bundle: Path) -> None:
    page = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"configs/\w+\.json", page))
    assert named
    assert all((bundle / name).is_file() for name in named)


def test_no_file_names_a_place_on_any_machine(bundle: Path) -> None:
    for path in [*(bundle / "configs").iterdir(), *(bundle / "docs").glob("*.*")]:
        if path.suffix != ".png":
            assert not PLACES.search(path.read_text(encoding="utf-8")), path.name


def test_network_takes_and_gives_what_the_metadata_says(bundle: Path) -> None:
    meta, inference = config(bundle, "metadata.json"), config(bundle, "inference.json")
    verify_net_in_out("network_def", meta_file=meta, config_file=inference, device="cpu", bundle_root=str(bundle))


@pytest.mark.parametrize(
    ("kind", "names"),
    [("train", ["train.json"]), ("infer", ["inference.json"]), ("train", ["train.json", "evaluate.json"])],
)
def test_workflow_has_every_property_that_hosts_ask_for(
    bundle: Path, tmp_path: Path, kind: str, names: list[str]
) -> None:
    data = write_phantom(tmp_path, 4, 1, planes=("kidney",), size=(96, 96)).parent
    flow = ConfigWorkflow(
        config_file=[config(bundle, name) for name in names],
        meta_file=config(bundle, "metadata.json"),
        logging_file=config(bundle, "logging.conf"),
        workflow_type=kind,
        bundle_root=str(bundle),
        dataset_dir=str(data),
        output_dir=str(tmp_path / "output"),
        work_dir=str(tmp_path / "output"),
        device="cpu",
        quiet=True,
    )
    flow.initialize()
    assert flow.check_properties() == []


@pytest.mark.slow
def test_network_is_scripted_without_any_option_and_gives_the_same_quality(bundle: Path, tmp_path: Path) -> None:
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "verify_model.ts"),
        ckpt_file=str(bundle / "models" / "model.pt"),
        meta_file=config(bundle, "metadata.json"),
        config_file=config(bundle, "inference.json"),
        bundle_root=str(bundle),
        device="cpu",
    )
    exported, scorer = torch.jit.load(tmp_path / "verify_model.ts"), striq.load_scorer(bundle, "cpu")
    image = 0.1 + 0.9 * torch.rand(2, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(exported(image), scorer(image), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_metadata_passes_the_published_schema(bundle: Path, tmp_path: Path) -> None:
    try:
        socket.create_connection((SCHEMA_HOST, 443), timeout=5).close()
    except OSError:
        pytest.skip(f"{SCHEMA_HOST} cannot be reached; the offline test checks the same keys and types")
    verify_metadata(meta_file=config(bundle, "metadata.json"), filepath=str(tmp_path / "schema.json"))
