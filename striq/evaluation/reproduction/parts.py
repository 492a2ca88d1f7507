"""The paper's tables and figures that can be reproduced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from striq.errors import StriqError
from striq.evaluation.reproduction.ablation_tables import module_table, setting_table, strategy_table, transform_table
from striq.evaluation.reproduction.agreement_table import agreement_table
from striq.evaluation.reproduction.changed_frames import deformed_frames, lossy_frames
from striq.evaluation.reproduction.finding import Finding
from striq.evaluation.reproduction.ordered_frames import ordered_frames
from striq.evaluation.reproduction.run import ReproductionRun
from striq.evaluation.reproduction.subspace_figure import subspace_figure

ALL = "all"


@dataclass(frozen=True)
class Part:
    """A table or figure of the paper.

    Attributes:
        name: Name in commands and files.
        make: Computes it.
    """

    name: str
    make: Callable[[ReproductionRun], Finding]


_PARTS = (
    Part("table1", agreement_table),
    Part("table2", module_table),
    Part("table3", transform_table),
    Part("table4", setting_table),
    Part("table5", strategy_table),
    Part("fig3", ordered_frames),
    Part("fig4", deformed_frames),
    Part("fig5", lossy_frames),
    Part("fig6", subspace_figure),
)
PARTS = {part.name: part for part in _PARTS}


def choose_parts(wanted: Sequence[str]) -> list[Part]:
    """Return the parts asked for, in the paper's order; ``"all"`` stands for every one.

    Raises:
        StriqError: If a name is not known.
    """
    unknown = [name for name in wanted if name != ALL and name not in PARTS]
    if unknown:
        msg = f"No part {unknown[0]!r}; choose among: {ALL}, {', '.join(PARTS)}."
        raise StriqError(msg)
    return [part for name, part in PARTS.items() if ALL in wanted or name in wanted]
