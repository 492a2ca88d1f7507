"""Loads the client of the scoring process from the environment that STRIQ is installed in.

The client imports the standard library only, so it runs in MONAI Label's environment, too.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

# MONAI Label sets these for its own interpreter; they would lead STRIQ's interpreter to the wrong packages.
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
FIND_PACKAGE = "import striq.service.client; print(striq.__file__)"
PACKAGE, CLIENT = "striq", "striq.service.client"
FIND_SECONDS = 120.0  # on a slow disk


class NoClientError(RuntimeError):
    """STRIQ is not installed where it should be, or in a version without the client."""


def striq_environment() -> dict[str, str]:
    """Return the environment variables for STRIQ's interpreter."""
    return {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}


def load_client(python: str) -> ModuleType:
    """Return the module ``striq.service.client`` of an installation of STRIQ; it is loaded once.

    Args:
        python: Interpreter of the environment that STRIQ is installed in.

    Raises:
        NoClientError: If the interpreter cannot be run or does not find the module.
    """
    package = _find_package(python)
    if PACKAGE not in sys.modules:
        # The package alone: with its folder on the path, everything beside it could be imported as well.
        spec = importlib.util.spec_from_file_location(
            PACKAGE, package, submodule_search_locations=[str(package.parent)]
        )
        assert spec is not None
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
        assert spec.loader is not None
        spec.loader.exec_module(sys.modules[PACKAGE])
    return importlib.import_module(CLIENT)


def _find_package(python: str) -> Path:
    command = [python, "-c", FIND_PACKAGE]
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
