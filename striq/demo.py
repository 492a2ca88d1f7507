"""Demonstration: train on the synthetic phantom, then score one real and one synthetic cine.

Run ``python -m striq.demo --out demo``. No data set and no network connection are needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands.terminal import complain, say, show_log
from striq.errors import StriqError

if TYPE_CHECKING:
    from striq.data.cine import Cine
    from striq.scoring.scorer import StriqScorer

PLANES = ("a2c", "a4c")
SUBJECTS, FRAMES, EPOCHS, ANCHORS, VIEWS = 10, 3, 4, 8, 2  # takes about two minutes on two cores
CINE_FRAMES = 31
REAL_CINE = "examples_ybr_color.dcm"  # 30 frames of an apical view, part of pydicom's wheel


def main(out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo")) -> None:
    """Train a small scorer on the phantom, score two cines, and write tables and plots."""
    show_log()
    try:
        demonstrate(out)
    except (StriqError, OSError) as error:
        complain(f"error: {error}")
        raise typer.Exit(2) from error


def demonstrate(out: Path) -> list[Path]:
    """Run the demonstration and return the files written."""
    scorer = _train(out)
    written = [
        *_score(scorer, _real_cine(), out / "scores.csv", out / "score_over_time.png"),
        *_score(scorer, _phantom_cine(), out / "phantom_scores.csv", out / "phantom_score_over_time.png"),
    ]
    say("The model was trained on synthetic frames only. Its scores of the real cine are not meaningful.")
    for path in [out / "model.pt", *written]:
        say(f"wrote {path}")
    return written


def _train(out: Path) -> StriqScorer:
    from striq.config import QualityConfig, StriqConfig, TrainingConfig
    from striq.data.datasets import load_dataset
    from striq.data.phantom import write_phantom
    from striq.training.run import train_scorer
    from striq.training.run_options import RunOptions

    table = write_phantom(out / "phantom", SUBJECTS, FRAMES, planes=PLANES)
    config = StriqConfig(quality=QualityConfig(num_anchors=ANCHORS))
    training = TrainingConfig(max_epochs=EPOCHS, views=VIEWS)
    return train_scorer(load_dataset(table), RunOptions(out), config=config, training=training)


def _real_cine() -> Cine:
    from pydicom.data import get_testdata_file

    from striq.data.readers import open_cine

    path = get_testdata_file(REAL_CINE, download=False)
    if not isinstance(path, str):
        msg = f"The installed pydicom does not contain {REAL_CINE}. Install pydicom 3 from a package index."
        raise StriqError(msg)
    return open_cine(path)


def _phantom_cine() -> Cine:
    from striq.data.cine import Cine
    from striq.data.phantom import make_phantom_cine

    frames = make_phantom_cine(PLANES[1], CINE_FRAMES, seed=1000)  # a subject that is not in the training set
    times = [index / 25 for index in range(CINE_FRAMES)]
    return Cine("phantom sweep through a4c", CINE_FRAMES, lambda index: frames[index].pixels, times_s=times)


def _score(scorer: StriqScorer, cine: Cine, table: Path, picture: Path) -> list[Path]:
    from striq.reporting.pictures import draw_scores
    from striq.reporting.rows import write_scores
    from striq.scoring.cine_scoring import score_cine
    from striq.scoring.devices import AUTO

    name = Path(cine.source).name
    results = list(score_cine(scorer, cine, name, plane=AUTO, threshold=None))
    return [write_scores(table, results), draw_scores(picture, name, results, cine.__getitem__)]


if __name__ == "__main__":
    typer.run(main)
