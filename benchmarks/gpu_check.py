"""Check and time STRIQ on a CUDA device without a network, and print one JSON object.

``python3 -m benchmarks.gpu_check``, from the root of a checkout. Parts that would begin after the time limit are left
out by name. ``--device cpu --small`` tries the script itself on any machine; its figures say nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import striq
from benchmarks.gpu_parity import SUBJECTS, drawn_frames, measure
from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.errors import one_line
from striq.evaluation.studies.benchmark import benchmark
from striq.training.run import train_scorer
from striq.training.run_options import RunOptions

LIMIT_S = 420.0  # after which no part begins, so that all ends within eight minutes
TESTS = (
    "tests/scoring/test_engine_conformance.py",
    "tests/scoring/test_recording.py",
    "tests/training/test_mixed_precision.py",
)
TENSORRT_TEST = "tests/bundle/test_shipped_exports.py::test_engine_of_tensorrt_gives_nearly_the_same_quality"
TARGET_SINGLE_MS, TARGET_FRAMES_PER_S = 0.5, 8000.0  # one frame alone, and 256 at once, on an H100 or H200
PRECISIONS = {"cuda": ("float32", "float16", "bfloat16"), "cpu": ("float32", "bfloat16")}

Part = Callable[[], object]


@dataclass(frozen=True)
class Check:
    """The parts of the check, and their settings.

    Attributes:
        device: ``"cuda"``, or ``"cpu"`` to try the script.
        small: Few frames, small pictures and no tests.
        limit_s: Seconds after which no part begins.
    """

    device: str = "cuda"
    small: bool = False
    limit_s: float = LIMIT_S

    def run(self) -> dict[str, Any]:
        """Return the results of all parts by name; of one that failed, the reason as ``error``."""
        begun = time.monotonic()
        results: dict[str, Any] = {"machine": self.machine()}
        for name, part in self.parts().items():
            if time.monotonic() - begun > self.limit_s:
                results[name] = {"left_out": f"more than {self.limit_s:.0f} s have passed"}
                continue
            start = time.monotonic()
            try:
                found = part()
            except Exception as error:  # the other parts are worth knowing
                found = {"error": f"{type(error).__name__}: {one_line(error)}"}
            results[name] = found
            say(f"{name}: {time.monotonic() - start:.0f} s")
        results["seconds"] = round(time.monotonic() - begun, 1)
        return results

    def parts(self) -> dict[str, Part]:
        """Return the parts in the order of their importance."""
        parts: dict[str, Part] = {
            "parity": self.parity,
            "times": self.times,
            "training": self.training,
            "tests": lambda: run_tests(*TESTS),
            "tensorrt": tensorrt,
        }
        if self.small:
            del parts["tests"], parts["tensorrt"]
        return parts

    def machine(self) -> dict[str, Any]:
        """Return device, versions, and name and memory of the card."""
        facts: dict[str, Any] = {"device": self.device, "torch": torch.__version__, "striq": striq.__version__}
        if self.device == "cuda":
            card = torch.cuda.get_device_properties(0)
            facts |= {"card": card.name, "memory_gib": round(card.total_memory / 2**30, 1), "cuda": torch.version.cuda}
        return facts

    def parity(self) -> list[dict[str, Any]]:
        """Compare scores with the reference engine on the CPU, by precision."""
        frames = drawn_frames(1 if self.small else SUBJECTS, 1 if self.small else 2)
        expected = list(striq.load_scorer(device="cpu", engine="reference").score(frames))
        return [asdict(measure(name, frames, expected, self.device)) for name in PRECISIONS[self.device]]

    def times(self) -> dict[str, Any]:
        """Time a score, one frame alone and 256 at once, and what memory it takes."""
        batches, anchors, repeats, size = ((1, 2), 2, 1, (64, 64)) if self.small else ((1, 256), 20, 20, (256, 256))
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        timings = benchmark(
            batches=batches, num_anchors=anchors, num_planes=4, repeats=repeats, device=self.device, size=size
        )
        found: dict[str, Any] = {"parts": [asdict(timing) for timing in timings]}
        totals = [timing for timing in timings if timing.part.startswith("total") and "naive" not in timing.part]
        alone, together = (min(t.median_ms for t in totals if t.batch == batch) for batch in batches)
        found |= {"single_ms": alone, "single_reached": alone <= TARGET_SINGLE_MS}
        found |= {"frames_per_s": 1000 / together, "frames_per_s_reached": 1000 / together >= TARGET_FRAMES_PER_S}
        if self.device == "cuda":
            found["memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
        return found

    def training(self) -> dict[str, Any]:
        """Train an epoch on the phantom, in single and in mixed precision where the device has that."""
        side, subjects = (64, 4) if self.small else (256, 12)
        config = StriqConfig(encoder=EncoderConfig(size=(side, side)), quality=QualityConfig(num_anchors=4))
        found: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            frames = write_phantom(Path(folder) / "frames", subjects, 2, planes=("kidney", "a4c"), seed=0)
            records = load_dataset(frames)
            for amp in (False, True) if self.device == "cuda" else (False,):
                out = Path(folder) / f"amp_{amp}"
                options = RunOptions(out, device=self.device, anchor_images=False, report_pictures=False, quiet=True)
                start = time.perf_counter()
                scorer = train_scorer(records, options, config=config, training=TrainingConfig(max_epochs=1, amp=amp))
                finite = all(bool(torch.isfinite(p).all()) for p in scorer.model.parameters())
                name = "mixed" if amp else "single"
                found[name] = {"seconds": time.perf_counter() - start, "frames": len(records), "finite": finite}
        return found


def run_tests(*tests: str) -> dict[str, Any]:
    """Run tests and return the exit status and the last lines."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "filterwarnings=",
        "-o",
        "addopts=",
    ]
    done = subprocess.run([*command, *tests], capture_output=True, text=True, timeout=180, check=False)
    return {"status": done.returncode, "last_lines": done.stdout.splitlines()[-5:]}


def tensorrt() -> dict[str, Any]:
    """Export the shipped model to TensorRT and compare its scores, if the package is there."""
    if importlib.util.find_spec("torch_tensorrt") is None:
        return {"left_out": "the package torch-tensorrt is not installed"}
    return run_tests(TENSORRT_TEST)


def has_failed(results: dict[str, Any]) -> bool:
    """Return whether a part raised an error or a test failed."""
    parts = [part for part in results.values() if isinstance(part, dict)]
    return any("error" in part or part.get("status", 0) != 0 for part in parts)


def say(text: str) -> None:
    """Print a line of progress, apart from the JSON."""
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """Print the results as JSON; the exit status is 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("This machine has no CUDA device that PyTorch can use. Try the script with --device cpu --small.")
    results = Check(given.device, given.small).run()
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    sys.exit(1 if has_failed(results) else 0)


if __name__ == "__main__":
    main()
