"""The progress bar of a training, on a terminal."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from ignite.engine import Events
from monai.engines.trainer import Trainer

from striq.progress_bar import progress_bar


@contextmanager
def show_progress(trainer: Trainer, *, quiet: bool = False) -> Generator[None, None, None]:
    """Show steps done, time left and loss on standard error while the trainer runs, if that is a terminal.

    Args:
        trainer: Trainer that runs inside the block.
        quiet: Show nothing.
    """
    with progress_bar(quiet=quiet) as progress:
        task = progress.add_task("Training", total=None)

        def update(engine: Any) -> None:
            state = engine.state
            loss, total = float(state.output[0]["loss"].detach()), state.max_epochs * state.epoch_length
            progress.update(task, description=f"Training, loss {loss:.3f}", completed=state.iteration, total=total)

        handle = trainer.add_event_handler(Events.ITERATION_COMPLETED, update)
        try:
            yield
        finally:
            handle.remove()
