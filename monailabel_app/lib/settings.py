"""Settings of the app, from ``monailabel start_server --conf KEY VALUE``."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

AUTO = "auto"
NAMED_MODELS = ("light",)  # shipped with STRIQ; the scoring process finds them by name
KEYS = ("striq_python", "striq_model", "plane", "threshold", "device")


class SettingsError(ValueError):
    """A setting of the app that is missing or cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Interpreter, model and choices for scoring.

    Attributes:
        python: Interpreter of the environment with STRIQ.
        model: A ``model.pt``, a bundle, a folder that ``striq train`` wrote, or one of ``NAMED_MODELS``; ``None`` for
            the shipped model.
        plane: Plane that the images show, or ``"auto"`` to decide per frame.
        threshold: Quality that an accepted frame exceeds; ``None`` for the model's own.
        device: Device of PyTorch, or ``"auto"``.
    """

    python: str
    model: str | None = None
    plane: str = AUTO
    threshold: float | None = None
    device: str = AUTO

    @classmethod
    def of(cls, conf: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
        """Return the settings of a server.

        Args:
            conf: The server's ``--conf`` pairs; keys of MONAI Label itself are ignored.
            environ: Environment variables; ``STRIQ_PYTHON`` is used if ``striq_python`` is not given.

        Raises:
            SettingsError: If one is missing or cannot be used.
        """
        return cls(
            python=_interpreter(conf.get("striq_python") or environ.get("STRIQ_PYTHON") or ""),
            model=_model(conf.get("striq_model") or ""),
            plane=conf.get("plane") or AUTO,
            threshold=as_threshold(conf.get("threshold")),
            device=conf.get("device") or AUTO,
        )


def as_threshold(value: object) -> float | None:
    """Return a threshold given as a number or as text; ``None`` if it is empty.

    Raises:
        SettingsError: If it is not a number in [0, 1].
    """
    if value is None or value == "":
        return None
    try:
        threshold = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        threshold = math.nan
    if not 0.0 <= threshold <= 1.0:
        raise SettingsError(f"'threshold' must be a number from 0 to 1, got {value!r}.")
    return threshold


def _interpreter(given: str) -> str:
    """Return the absolute path of the interpreter. Links are kept: the link tells Python which venv it belongs to."""
    if not given:
        raise SettingsError(
            "The app does not know where STRIQ is installed. Give the interpreter of that environment: "
            "--conf striq_python /path/to/striq_env/bin/python, or set STRIQ_PYTHON."
        )
    found = shutil.which(given)
    if found is None:
        raise SettingsError(
            f"'striq_python': {given!r} is not an interpreter that can be run. "
            "Expected the python of the environment that STRIQ is installed in."
        )
    return str(Path(found).absolute())


def _model(given: str) -> str | None:
    if given and not Path(given).exists():
        if given in NAMED_MODELS:
            return given
        raise SettingsError(
            f"'striq_model': there is no {given!r}. Expected a model.pt, a bundle, a training folder or 'light'."
        )
    return str(Path(given).absolute()) if given else None
