"""``striq explain``: why a frame got its score, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands.options import DeviceOption, ModelOption, ThreadsOption, ThresholdOption
from striq.commands.terminal import check_device, check_no_input, check_picture_name, check_writable, say
from striq.csv_cells import printable
from striq.errors import StriqError
from striq.progress_bar import progress_bar

if TYPE_CHECKING:
    from striq.data.cine import Cine
    from striq.scoring.scorer import StriqScorer
    from striq.types import FrameScore

BEST, WORST = "best", "worst"


def explain(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Image or cine.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write: PNG, PDF or SVG.")],
    frame: Annotated[str, typer.Option(help="Frame to explain: best, worst, or its number from 0.")] = BEST,
    plane: Annotated[str, typer.Option(help="Plane that the frame shows, or 'auto' to recognize it.")] = "auto",
    threshold: ThresholdOption = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Draw why a frame got its score: the nearest reference warped onto it, missing structure, and the terms."""
    check_writable(out)
    check_picture_name(out)
    check_no_input(out, [path])
    if frame not in (BEST, WORST) and not frame.isdecimal():
        msg = f"--frame {frame!r}: expected 'best', 'worst', or the number of a frame, from 0."
        raise typer.BadParameter(msg)
    from striq.data.readers import open_cine
    from striq.reporting.explained_frame import FrameExplainer
    from striq.reporting.explanation_picture import draw_explanation, headline
    from striq.scoring.checkpoint import find_checkpoint
    from striq.scoring.loading import load_scorer

    scorer = load_scorer(model, check_device(device, threads))
    cine = open_cine(path)
    index = _extreme(scorer, cine, plane, frame) if frame in (BEST, WORST) else int(frame)
    if index >= len(cine):
        msg = f"{path}: has {len(cine)} frames, so there is no frame {index}. Give a number from 0 to {len(cine) - 1}."
        raise StriqError(msg)
    explained = FrameExplainer(scorer, find_checkpoint(model)).explain(cine[index], plane, threshold)
    drawn = draw_explanation(out, printable(path.name), explained)
    say(f"{path.name}, frame {index}: {headline(explained)}")
    say(explained.sentence)
    if explained.note:
        say(explained.note)
    say(f"wrote {drawn}")


def _extreme(scorer: StriqScorer, cine: Cine, plane: str, which: str) -> int:
    """Return the number of the frame with the highest or the lowest Q.

    Raises:
        StriqError: If no frame can be scored.
    """
    if len(cine) == 1:
        return 0
    from striq.scoring.cine_scoring import score_cine, until_failure

    scores: list[FrameScore] = []
    first_error = ""
    results = until_failure(score_cine(scorer, cine, cine.source, plane=plane, threshold=None), cine.source)
    with progress_bar() as progress:
        for result in progress.track(results, total=len(cine), description="Frames"):
            if result.score is None:
                first_error = first_error or result.error
            else:
                scores.append(result.score)
    if not scores:
        raise StriqError(first_error)
    best = (max if which == BEST else min)(scores, key=lambda score: score.quality)
    return best.index
