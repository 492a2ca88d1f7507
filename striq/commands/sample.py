"""``striq sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.commands.terminal import check_writable, say


def sample(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")]) -> None:
    """Write a drawn cine of a synthetic plane of the shipped model, as DICOM, to try STRIQ on."""
    from striq.data.phantom.sample import NAME, write_sample

    check_writable(folder / NAME)
    say(f"Sample, drawn by a program, of no patient: {write_sample(folder / NAME)}")
