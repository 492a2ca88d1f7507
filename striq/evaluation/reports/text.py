"""Text of numbers, intervals and spreads, and Markdown tables of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from striq.evaluation.statistics.bootstrap import Interval


def number_text(value: float, *, digits: int = 3, sign: str = "") -> str:
    """Return a number with a fixed number of decimals, ``n/a`` where it is NaN; ``sign="+"`` also shows a plus."""
    return "n/a" if math.isnan(value) else f"{value:{sign}.{digits}f}"


def interval_text(value: float, interval: Interval, *, sign: str = "") -> str:
    """Return a number followed by its interval in brackets, without the interval where that is undefined."""
    if math.isnan(value) or math.isnan(interval.low):
        return number_text(value, sign=sign)
    low, high = (number_text(limit, sign=sign) for limit in (interval.low, interval.high))
    return f"{number_text(value, sign=sign)} [{low}, {high}]"


def spread_text(mean: float, deviation: float, *, sign: str = "") -> str:
    """Return a mean, and its standard deviation unless that is not a number."""
    value = number_text(mean, sign=sign)
    return value if math.isnan(deviation) else f"{value} ± {number_text(deviation)}"


def counts_text(counts: Mapping[str, int]) -> str:
    """Return the names counted at least once, each followed by its count."""
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def yes_or_no(value: bool) -> str:
    """Return ``yes`` or ``no``."""
    return "yes" if value else "no"


def seeds_text(count: int) -> str:
    """Return what values are over a number of seeds, as the beginning of a sentence."""
    return f"Mean ± standard deviation over {count} seeds" if count > 1 else "One seed"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table whose first column is aligned left and all others right."""
    cells = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells]
