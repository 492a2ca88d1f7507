"""Tests of reports as text for a terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len

from striq.commands.terminal import say_report
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.terminal_text import terminal_text
from striq.evaluation.statistics.bootstrap import BootstrapOptions
from striq.evaluation.studies.quality_benchmark_report import quality_benchmark_report
from tests.evaluation.studies.benchmark_factory import made_up_scores

INTERVAL = "0.512 [0.421, 0.590]"
NAMES = ("STRIQ", "feature discrimination", "超音波")
METRICS = ("SRCC", "PLCC", "Kendall tau-b", "AUC best/worst", "F1")
EVALUATION = StudyReport(
    name="evaluation",
    title="Agreement with human ratings",
    tables=[
        ReportTable(
            ["Score", *METRICS, "Frames", "Groups"],
            [[name, *[INTERVAL] * len(METRICS), "1000", "500"] for name in NAMES],
            title="A4C",
            remarks=["In brackets: 95 % intervals, 2000 resamples of the groups. " * 3],
        )
    ],
    note="Mind this.",
)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def benchmark() -> StudyReport:
    return quality_benchmark_report(made_up_scores(), bootstrap=BootstrapOptions(num_resamples=50), note="Mind this.")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(width: int, benchmark: StudyReport) -> None:
    for report in (EVALUATION, benchmark):
        text = terminal_text(report, width)
        assert max(map(cell_len, text.splitlines())) <= width
        squeezed = re.sub(r"[\s-]", "", text)
        for table in report.tables:
            words = [*" ".join(table.columns).split(), *table.title.split(), *" ".join(table.remarks).split()]
            assert all(word.replace("-", "") in squeezed for word in words)


@pytest.mark.parametrize("width", [60, 80])
def test_a_row_keeps_its_values_in_one_line_each(width: int) -> None:
    lines = terminal_text(EVALUATION, width).splitlines()
    assert sum(line.startswith("feature ") for line in lines) > 1  # once in each part
    assert "\n".join(line for line in lines if line.startswith("STRIQ")).count(INTERVAL) == len(METRICS)
    assert "Note: Mind this." in lines


def test_a_table_that_fits_is_in_one_part() -> None:
    lines = terminal_text(EVALUATION, 200).splitlines()
    row = next(line for line in lines if line.startswith("STRIQ"))
    assert row.split() == ["STRIQ", *(" ".join([INTERVAL] * len(METRICS))).split(), "1000", "500"]


def test_a_terminal_gets_text_that_fits_and_a_pipe_gets_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for stream, expected in ((Terminal(), terminal_text(EVALUATION, 60)), (io.StringIO(), EVALUATION.to_markdown())):
        monkeypatch.setattr("sys.stdout", stream)
        say_report(EVALUATION)
        assert stream.getvalue() == f"{expected}\n"
