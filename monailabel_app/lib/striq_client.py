"""Loads the client of the scoring process from the environment that STRIQ is installed in.

The client is one file that imports the standard library only, so it runs in MONAI Label's environment, too.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

# MONAI Label sets these for its own interpreter; they would lead STRIQ's interpreter to the wrong packages.
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
FIND_CLIENT = "from striq.service import client; print(client.__file__)"
FIND_SECONDS = 120.0  # on a slow disk
NAME = "striq_service_client"


class NoClientError(RuntimeError):
    """STRIQ is not installed where it should be, or in a version without the client."""


def striq_environment() -> dict[str, str]:
    """Return the environment variables for STRIQ's interpreter."""
    return {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}


def load_client(python: str) -> ModuleType:
    """Return the module ``striq.service.client`` of an installation of STRIQ.

    Args:
        python: Interpreter of the environment that STRIQ is installed in.

    Raises:
        NoClientError: If the interpreter cannot be run or does not find the module.
    """
    spec = importlib.util.spec_from_file_location(NAME, _find_client(python))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module  # dataclasses look their module up here
    spec.loader.exec_module(module)
    return module


def _find_client(python: str) -> Path:
    command = [python, "-c", FIND_CLIENT]
    try:
        done = subprocess.run(
            command, env=striq_environment(), capture_output=True, text=True, timeout=FIND_SECONDS, check=True
        )
        return Path(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
    except (OSError, subprocess.TimeoutExpired, IndexError) as error:
        reason = str(error)
    raise NoClientError(
        f"The interpreter {python!r} does not find STRIQ's scoring process: {reason}. "
        "Expected the python of an environment with a current STRIQ."
    )
