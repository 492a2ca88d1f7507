"""Tests of ``striq.evaluation.agreement.parallel``; two real processes are in ``tests/bundle/test_bundle.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striq.errors import StriqError
from striq.evaluation.agreement.frames import ScoredFrames
from striq.evaluation.agreement.parallel import evaluate_in_parallel, interleave
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord


def scored(values: list[float]) -> ScoredFrames:
    return ScoredFrames({"STRIQ": np.array(values), "control": -np.array(values)}, np.array(values) > 3.5)


@pytest.mark.parametrize("processes", [1, 2, 3, 7, 9])
def test_shares_of_any_number_of_processes_make_up_all_frames_in_order(processes: int) -> None:
    whole = [float(i) for i in range(7)]
    shares = [whole[rank::processes] for rank in range(processes)]
    joined = interleave([scored(share) if share else None for share in shares], len(whole))
    assert joined.scores["STRIQ"].tolist() == whole
    assert joined.scores["control"].tolist() == [-value for value in whole]
    assert joined.accepted is not None
    assert joined.accepted.tolist() == [value > 3.5 for value in whole]


def test_evaluation_without_a_process_group_is_refused(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    with pytest.raises(StriqError, match="torchrun"):
        evaluate_in_parallel(tiny_scorer, [FrameRecord(Path("a.png"), "a4c", "g", rating=1.0)], tmp_path)
    assert not list(tmp_path.iterdir())
