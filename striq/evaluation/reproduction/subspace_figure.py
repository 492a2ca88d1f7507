"""Figure 6: t-SNE of the subspaces by rank."""

from __future__ import annotations

from dataclasses import replace

from striq.evaluation.agreement.frames import rated_records
from striq.evaluation.reproduction.finding import Finding
from striq.evaluation.reproduction.run import ReproductionRun
from striq.evaluation.studies.ablation import activations_file
from striq.evaluation.studies.ablation_rows import REFERENCE
from striq.evaluation.studies.activations import Activations, activations_report, check_comparable

RANKS = (4, 8, 32, 64)  # beside the default
TITLE = "Figure 6: activations of the subspaces by rank"


def subspace_figure(run: ReproductionRun) -> Finding:
    """Return Figure 6.

    Raises:
        StriqError: If scikit-learn is not installed, or there are too few planes or frames.
    """
    check_comparable([record.plane for record in rated_records(run.records)])
    names = [REFERENCE, *(f"hyperparameters/R = {rank}" for rank in RANKS)]
    run.ablate(names)
    found = [Activations.load(activations_file(run.ablation_folder, name, 0)) for name in names]
    report = replace(activations_report(found, note=run.note), name="fig6", title=TITLE)
    missing = [
        "The paper shows features; here it is how strongly a frame activates each basis of the planes' experts, which "
        "is what the rank changes.",
        "It states no measure of separation; the silhouette is ours.",
    ]
    return Finding(report, missing)
