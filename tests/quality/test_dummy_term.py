"""A term registered in the table of terms appears in scores, tables, page and ablations without other changes."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from striq.audit.plan import ArchiveFile, AuditSettings
from striq.audit.shard_files import AuditRow, score_table
from striq.commands.inspection import describe
from striq.config import QualityConfig
from striq.data.phantom import make_phantom_cine
from striq.data.preprocessing import Blur
from striq.evaluation.studies.ablation_rows import ablation_rows
from striq.quality.pair_moments import RegisteredPairs
from striq.quality.terms import TERMS, Term
from striq.reporting.html_report import report_cine, write_html
from striq.reporting.identity import ModelIdentity
from striq.reporting.rows import term_columns, write_scores
from striq.scoring.results import FrameResult
from striq.types import Frame
from tests.conftest import DRAWN_SIZE, TINY_PLANES, fit_tiny_scorer

NAME, WEIGHT = "dummy", 0.05


def shift(pairs: RegisteredPairs, config: QualityConfig) -> Tensor:
    """Return the length of the translation, shape ``(N,)``: a pair term."""
    del config
    return pairs.steps[-1][:, :, 2].norm(dim=1)


def darkness(image: Tensor, blur: Blur | None = None) -> Tensor:
    """Return one minus the mean of the pixels, shape ``(B,)``: a frame term."""
    del blur
    return 1 - image.mean(dim=(1, 2, 3))


@pytest.fixture(params=[shift, darkness], ids=["pair term", "frame term"], autouse=True)
def dummy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Term:
    """One more row of the table, which takes its weight from clarity."""
    compute: Callable[..., Tensor] = request.param
    term = Term(NAME, "Dummy term", "How well the test works.", compute, WEIGHT, per_pair=compute is shift)
    rest = TERMS["clarity"].weight - WEIGHT
    monkeypatch.setitem(TERMS, "clarity", replace(TERMS["clarity"], weight=rest))
    monkeypatch.setitem(TERMS, NAME, term)
    return term


@pytest.fixture
def frames() -> list[Frame]:
    """Frames of a phantom cine."""
    cine = make_phantom_cine(TINY_PLANES[0], 3, seed=2, size=DRAWN_SIZE)
    return [Frame(frame.pixels, index=index) for index, frame in enumerate(cine)]


def quality_of(row: Mapping[str, Any]) -> float:
    return sum(float(row[f"{name}_weight"]) * float(row[f"{name}_normalized"]) for name in TERMS)


def test_new_term_counts_in_model_scores_tables_and_page(frames: list[Frame], tmp_path: Path) -> None:
    scorer = fit_tiny_scorer()
    facts = describe(scorer)["planes"][TINY_PLANES[0]]
    assert set(facts["ranges"]) == set(facts["weights"]) == set(TERMS)
    scores = scorer.score(frames)
    results = [FrameResult("c.dcm", score.index, score) for score in scores]
    assert torch.tensor([score.terms[NAME] for score in scores]).unique().numel() > 1
    assert all(score.weights[NAME] > 0 for score in scores)

    table = write_scores(tmp_path / "scores.csv", results)
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    settings = AuditSettings("sha", "model.pt", "0", 0.5)
    audit_rows = score_table([AuditRow(ArchiveFile("c.dcm"), result) for result in results], settings).to_pylist()
    for score, row, audit_row in zip(scores, rows, audit_rows, strict=True):
        for cells in (row, audit_row):
            expected = score.terms[NAME], score.normalized_terms[NAME], score.weights[NAME]
            assert [float(cells[column]) for column in term_columns(NAME)] == pytest.approx(expected, abs=1e-6)
            assert quality_of(cells) == pytest.approx(score.quality, abs=1e-6)

    model = ModelIdentity("model", "0" * 64, 0.5)
    page = write_html(tmp_path / "r.html", [report_cine("c.dcm", results, frames.__getitem__)], model)
    cards = page.read_text(encoding="utf-8").split('<dl class="terms">')[1:]
    assert len(cards) == 2
    labels = [re.findall(r"<dt [^>]*>([^<]+)</dt>", card.split("</dl>")[0]) for card in cards]
    assert [sorted(names) for names in labels] == [sorted(term.label for term in TERMS.values())] * 2


def test_new_term_has_a_row_in_the_ablation() -> None:
    rows = ablation_rows()
    assert rows["components/score without dummy term"]["quality"]["weights"][NAME] == 0.0
