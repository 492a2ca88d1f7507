"""Tracking of a run with MLflow, as ``--tracking mlflow`` of ``monai.bundle run`` asks for."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from striq.training.distributed import is_first


def only_first_tracks() -> bool:
    """Return whether this process leaves the tracking to the first one.

    MONAI's settings of tracking ask for it as ``is_not_rank0`` before they make a handler; nothing else asks.

    Raises:
        SystemExit: If MLflow is not installed, with the message alone: MONAI would bury any other exception.
    """
    if find_spec("mlflow") is None:
        sys.exit(
            "error: '--tracking mlflow' needs the package mlflow. Run 'pip install mlflow', or leave out the option."
        )
    return not is_first()
