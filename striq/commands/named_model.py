"""The model of commands that are about one model: ``striq anchors MODEL``, or with ``--model``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.errors import StriqError

ModelArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[MODEL]", help="A model.pt, a bundle folder, or 'light'.", show_default="the shipped model"
    ),
]
HiddenModelOption = Annotated[Path | None, typer.Option("--model", hidden=True)]


def named_once(model: Path | None, named_model: Path | None) -> Path | None:
    """Return the model that is named as an argument or with ``--model``; ``None`` for the shipped one.

    Raises:
        StriqError: If it is named in both ways.
    """
    if model is not None and named_model is not None:
        msg = f"The model is named twice: {model} and {named_model}. Name one."
        raise StriqError(msg)
    return named_model if model is None else model
