"""Unit tests of the bundle in the Model Zoo's style: synthetic data, every workflow with overrides.

Runs in the zoo's own tree (``models/NAME`` below the working directory) and here.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import unittest

import numpy as np
from monai.bundle import ConfigWorkflow
from PIL import Image

NAME = "striq_ultrasound_plane_quality_regression"
IN_ZOO = os.path.join("models", NAME)
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "monai_bundle")
BUNDLE_ROOT = os.path.abspath(IN_ZOO if os.path.isdir(IN_ZOO) else HERE)
PLANES, SUBJECTS, FRAMES = ("first", "second"), 5, 2

SMALL = {
    "config": {
        "_target_": "striq.config.StriqConfig",
        "encoder": {"_target_": "striq.config.EncoderConfig", "size": [64, 64]},
        "quality": {"_target_": "striq.config.QualityConfig", "num_anchors": 3},
    },
    "max_epochs": 1,
    "batch_size": 4,
    "quiet": True,
    "device": "cpu",
}


def write_frames(folder: str) -> str:
    """Write frames of two planes, blobs at places that shift a little from frame to frame, and their table."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:64, 0:64]
    table = os.path.join(folder, "frames.csv")
    with open(table, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "plane", "group", "rating"])
        for number, plane in enumerate(PLANES):
            for index in range(SUBJECTS * FRAMES):
                y, x = 20 + 20 * number + generator.integers(-3, 4), 32 + generator.integers(-3, 4)
                blob = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 90)
                image = 40 + 160 * blob + generator.normal(0, 4 + index, blob.shape)
                name = f"{plane}_{index}.png"
                Image.fromarray(image.clip(1, 255).astype(np.uint8)).save(os.path.join(folder, name))
                writer.writerow([name, plane, f"subject_{index // FRAMES}", f"{1 - index / 20:.2f}"])
    return table


def make_workflow(name: str, kind: str | None, **override) -> ConfigWorkflow:
    """Return a workflow of the bundle."""
    return ConfigWorkflow(
        workflow_type=kind,
        config_file=[os.path.join(BUNDLE_ROOT, "configs", part) for part in name.split("+")],
        meta_file=os.path.join(BUNDLE_ROOT, "configs", "metadata.json"),
        logging_file=os.path.join(BUNDLE_ROOT, "configs", "logging.conf"),
        bundle_root=BUNDLE_ROOT,
        **override,
    )


class TestStriqPlaneQuality(unittest.TestCase):
    """Training, then inference and evaluation with what was trained."""

    def setUp(self):
        """Write synthetic frames."""
        self.folder = tempfile.mkdtemp()
        self.frames = os.path.join(self.folder, "frames")
        os.makedirs(self.frames)
        self.table = write_frames(self.frames)
        self.output = os.path.join(self.folder, "output")
        self.checkpoint = os.path.join(self.output, "model.pt")

    def tearDown(self):
        """Leave nothing behind."""
        shutil.rmtree(self.folder)

    def check_workflow(self, workflow: ConfigWorkflow):
        """Initialize, check, run and finalize."""
        workflow.initialize()
        missing = workflow.check_properties()
        self.assertFalse(missing, f"properties are missing: {missing}")
        workflow.run()
        workflow.finalize()

    def test_train_infer_evaluate_config(self):
        """Every configuration runs, one with what the other wrote."""
        places = {"output_dir": self.output, "work_dir": self.output}
        self.check_workflow(make_workflow("train.json", "train", dataset_dir=self.table, **places, **SMALL))
        self.assertTrue(os.path.isfile(self.checkpoint))

        scored = {"checkpoint": self.checkpoint, "device": "cpu", **places}
        sized = {"preprocessing#transforms#0#size": [64, 64], "dataset_dir": self.frames}
        self.check_workflow(make_workflow("inference.json", "infer", **scored, **sized))
        with open(os.path.join(self.output, "quality.csv"), encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        self.assertEqual(len(rows), len(PLANES) * SUBJECTS * FRAMES)
        self.assertTrue(all(0 <= float(row[plane]) <= 1 for row in rows for plane in PLANES))

        rated = {"dataset_dir": self.table, **scored}
        self.check_workflow(make_workflow("train.json+evaluate.json", None, **rated))
        self.assertTrue(os.path.isfile(os.path.join(self.output, "evaluation.json")))


if __name__ == "__main__":
    unittest.main()
