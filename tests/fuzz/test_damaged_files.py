"""Test that no damaged file ends the process, hangs, exhausts memory, or raises anything but ``ReadError``."""

from __future__ import annotations

import sys
from pathlib import Path

from striq.data.readers import open_cine

sys.path.insert(0, str(Path(__file__).parent))  # the runner is also a program

from run import fuzz
from seeds import write_seeds

COUNT = 2000
MAX_MB = 2000


def test_every_seed_is_a_good_file(tmp_path: Path) -> None:
    for path in write_seeds(tmp_path):
        assert open_cine(path)[0].pixels.shape == (48, 64), path.name


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    findings = fuzz(tmp_path, COUNT)
    assert not findings.faults, findings
    assert sum(findings.counts.values()) == COUNT
    assert findings.peak_mb < MAX_MB
    assert min(findings.counts[outcome] for outcome in ("read", "refused", "rows")) > COUNT / 50
