"""The application: loads DICOM files, selects ultrasound series, scores them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from loader import UNREADABLE, UltrasoundLoaderOperator
from monai.deploy.conditions import CountCondition
from monai.deploy.core import AppContext, Application
from monai.deploy.operators.dicom_series_selector_operator import DICOMSeriesSelectorOperator
from quality_operator import PlaneQualityOperator

RULES = json.dumps({"selections": [{"name": "ultrasound", "conditions": {"Modality": "^US$"}}]})


class PlaneQualityApp(Application):
    """Scores all ultrasound series of the input folder on the CPU. Research only, never for diagnosis."""

    def compose(self) -> None:
        """Connect the operators."""
        context = Application.init_app_context(self.argv)
        loader = UltrasoundLoaderOperator(
            self, CountCondition(self, 1), input_folder=Path(context.input_path), must_load=False, name="loader"
        )
        selector = DICOMSeriesSelectorOperator(self, rules=RULES, all_matched=True, name="selector")
        quality = PlaneQualityOperator(
            self, output_folder=Path(context.output_path), model=_model(context), name="plane_quality"
        )
        self.add_flow(loader, selector, {("dicom_study_list", "dicom_study_list")})
        self.add_flow(selector, quality, {("study_selected_series_list", "study_selected_series_list")})
        self.add_flow(loader, quality, {(UNREADABLE, UNREADABLE)})


def _model(context: AppContext) -> Path | None:
    """Return the model given on the command line or in the environment; the SDK would also take a folder ``models``."""
    asked_for = context.args.get("model") or os.environ.get("HOLOSCAN_MODEL_PATH")
    return Path(asked_for) if asked_for else None
