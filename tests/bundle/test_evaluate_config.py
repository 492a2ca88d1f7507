"""``evaluate.json`` as MONAI's hosts start it: alone, and over ``train.json``."""

from __future__ import annotations

from pathlib import Path

import pytest
from monai.bundle.workflows import ConfigWorkflow

from striq.data.phantom import write_phantom

CONFIGS = Path(__file__).parents[2] / "monai_bundle" / "configs"
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.mark.parametrize("names", [("evaluate",), ("train", "evaluate")], ids="+".join)
def test_evaluation_runs_as_a_workflow_of_training(names: tuple[str, ...], tmp_path: Path) -> None:
    data = write_phantom(tmp_path / "data", 5, 1, planes=("synthetic_kidney",))
    flow = ConfigWorkflow(
        config_file=[str(CONFIGS / f"{name}.json") for name in names],
        meta_file=str(CONFIGS / "metadata.json"),
        workflow_type="train",
        dataset_dir=str(data),
        output_dir=str(tmp_path / "out"),
        plane_names=["synthetic_kidney"],
        device="cpu",
    )
    flow.initialize()
    if "train" in names:  # evaluate.json has no trainer of its own
        assert not flow.check_properties()
    flow.run()
    flow.finalize()
    assert (tmp_path / "out" / "evaluation.json").is_file()
    assert not (tmp_path / "out" / "model.pt").exists()  # nothing was trained
