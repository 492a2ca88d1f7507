"""Installation of what the worker needs, on first use and after asking; torch comes from the PyTorch extension."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import CalledProcessError

import slicer

MODULE_NAME = "UltrasoundPlaneQC"
TORCH_REQUIREMENT = ">=2.8"


class DependencyError(RuntimeError):
    """Something the worker needs is absent and was not installed."""


def isInstalled(package):
    """Return whether a package is installed, without importing it."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def ensureDependencies(requirements):
    """Install what is absent, after asking the user.

    Args:
        requirements: Path of the module's ``requirements.txt``.

    Raises:
        DependencyError: If the user declines, or the PyTorch extension is absent.
    """
    if not isInstalled("torch"):
        _installTorch()
    if isInstalled("striq"):
        return
    try:
        _install(requirements)
    except CalledProcessError as error:
        raise DependencyError(
            f"The installation of {Path(requirements).name} failed with status {error.returncode}. "
            "Look into the application log, check the network, or install without one as the manual describes."
        ) from error
    if not isInstalled("striq"):
        raise DependencyError(f"striq is not installed. Install {Path(requirements).name} as the manual describes.")


def _installTorch():
    try:
        import PyTorchUtils
    except ImportError as error:
        raise DependencyError(
            "PyTorch is not installed. Install the PyTorch extension in the Extensions Manager, restart, try again."
        ) from error
    installed = PyTorchUtils.PyTorchUtilsLogic().installTorch(
        askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT
    )
    if installed is None:
        raise DependencyError("PyTorch was not installed, so nothing can be scored. Press Score to be asked again.")


def _install(requirements):
    try:
        from slicer import packaging
    except ImportError:  # Slicer before 5.11
        _installByOldWay(requirements)
    else:
        packaging.pip_ensure(packaging.load_requirements(requirements), requester=MODULE_NAME)


def _installByOldWay(requirements):
    question = "Ultrasound Plane QC needs Python packages that are not installed. Download and install them now?"
    if not slicer.util.confirmOkCancelDisplay(question):
        raise DependencyError("The Python packages were not installed. Press Score to be asked again.")
    slicer.util.pip_install(["-r", str(requirements)])
