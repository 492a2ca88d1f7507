"""Installation of striq and PyTorch on first use, after asking; PyTorch comes from the PyTorch extension."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

MODULE_NAME = "UltrasoundPlaneQC"
TORCH_REQUIREMENT = ">=2.8"


class DependencyError(RuntimeError):
    """A required package or extension is missing and was not installed."""


def isInstalled(package: str) -> bool:
    """Return whether a package is installed, without importing it."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def ensureDependencies(requirements: Path) -> None:
    """Install missing packages, after asking the user.

    Args:
        requirements: Path of the module's ``requirements.txt``.

    Raises:
        DependencyError: If the user declines, the installation fails, or the PyTorch extension is missing.
    """
    if not isInstalled("torch"):
        ensureTorch()
    if isInstalled("striq"):
        return
    try:
        _install(requirements)
    except CalledProcessError as error:
        raise DependencyError(
            _(
                "The installation of {file} failed with status {status}. "
                "Look into the application log and check the network, or install offline in the section Installation."
            ).format(file=requirements.name, status=error.returncode)
        ) from error
    if not isInstalled("striq"):
        raise DependencyError(
            _("striq is not installed. Install {file} as the manual describes.").format(file=requirements.name)
        )


def ensureTorch() -> None:
    """Install PyTorch by its extension, in the build that fits the computer, after asking the user.

    Raises:
        DependencyError: If the user declines, or the extension is missing.
    """
    try:
        import PyTorchUtils
    except ImportError as error:
        _offerExtension()
        raise DependencyError(
            _("PyTorch is not installed. Install the PyTorch extension in the Extensions Manager, restart, try again.")
        ) from error
    installed = PyTorchUtils.PyTorchUtilsLogic().installTorch(
        askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT
    )
    if installed is None:
        raise DependencyError(_("PyTorch was not installed, so nothing can be scored. Press Score to be asked again."))


def _offerExtension() -> None:
    """Install the PyTorch extension if the user agrees; it works after a restart."""
    manager = slicer.app.extensionsManagerModel()
    question = _(
        "Scoring needs the extension PyTorch. Download and install it now? Slicer must be restarted afterwards."
    )
    if manager is None or slicer.app.testingEnabled() or not slicer.util.confirmOkCancelDisplay(question):
        return
    wasInteractive = manager.interactive
    manager.interactive = False  # asked already
    try:
        isInstalledNow = manager.installExtensionFromServer("PyTorch", False)  # no restart: the scene may not be saved
    finally:
        manager.interactive = wasInteractive
    if isInstalledNow:
        raise DependencyError(_("The extension PyTorch is installed. Save your work, restart Slicer, and press Score."))


def _install(requirements: Path) -> None:
    try:
        from slicer import packaging
    except ImportError:  # Slicer before 5.11
        _installWithPip(requirements)
    else:
        packaging.pip_ensure(packaging.load_requirements(requirements), requester=MODULE_NAME)


def _installWithPip(requirements: Path) -> None:
    question = _("Ultrasound Plane QC needs Python packages that are not installed. Download and install them now?")
    if not slicer.util.confirmOkCancelDisplay(question):
        raise DependencyError(_("The Python packages were not installed. Press Score to be asked again."))
    slicer.util.pip_install(["-r", str(requirements)])
