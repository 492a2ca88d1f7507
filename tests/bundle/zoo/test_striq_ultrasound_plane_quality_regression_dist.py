"""Distributed tests of the bundle in the Model Zoo's style: a process per GPU, or two over gloo where there is none."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import torch
from test_striq_ultrasound_plane_quality_regression import (
    BUNDLE_ROOT,
    FRAMES,
    PLANES,
    SMALL,
    SUBJECTS,
    write_frames,
)

PROCESSES = max(2, torch.cuda.device_count())


def run_distributed(run_id: str, names: list[str], override: dict, folder: str) -> None:
    """Write the overrides down and run the configurations in several processes."""
    path = os.path.join(folder, f"{run_id}_override.json")
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(override, stream)
    files = [os.path.join(BUNDLE_ROOT, "configs", name) for name in names] + [path]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nnodes=1", f"--nproc_per_node={PROCESSES}"]
    bundle = ["-m", "monai.bundle", "run", run_id, "--config_file", str(files)]
    meta = ["--meta_file", os.path.join(BUNDLE_ROOT, "configs", "metadata.json")]
    logs = ["--logging_file", os.path.join(BUNDLE_ROOT, "configs", "logging.conf")]
    subprocess.run([sys.executable, *launcher, *bundle, *meta, *logs], check=True, timeout=1500)


class TestStriqPlaneQualityDist(unittest.TestCase):
    """Training and evaluation in several processes."""

    def setUp(self):
        """Write synthetic frames."""
        self.folder = tempfile.mkdtemp()
        self.frames = os.path.join(self.folder, "frames")
        os.makedirs(self.frames)
        self.table = write_frames(self.frames)
        self.output = os.path.join(self.folder, "output")

    def tearDown(self):
        """Leave nothing behind."""
        shutil.rmtree(self.folder)

    def test_train_evaluate_mgpu_config(self):
        """Several processes write one model, and score every frame once."""
        places = {"bundle_root": BUNDLE_ROOT, "output_dir": self.output, "work_dir": self.output}
        small = {key: value for key, value in SMALL.items() if key != "device"}
        files = ["train.json", "multi_gpu_train.json"]
        run_distributed("training", files, {"dataset_dir": self.table, **places, **small}, self.folder)
        checkpoint = os.path.join(self.output, "model.pt")
        self.assertTrue(os.path.isfile(checkpoint))

        files = ["train.json", "evaluate.json", "multi_gpu_evaluate.json"]
        rated = {"dataset_dir": self.table, "checkpoint": checkpoint, **places}
        run_distributed("evaluating", files, rated, self.folder)
        with open(os.path.join(self.output, "rated_scores.csv"), encoding="utf-8") as stream:
            names = [row["file"] for row in csv.DictReader(stream)]
        self.assertEqual(len(names), len(PLANES) * SUBJECTS * FRAMES)
        self.assertEqual(len(set(names)), len(names))


if __name__ == "__main__":
    unittest.main()
