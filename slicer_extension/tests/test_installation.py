"""Tests of the section *Installation*, with the real pip, small wheels in a folder, and a folder to install into."""

from __future__ import annotations

import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import qt
from conftest import ROOT, Clicker
from UltrasoundPlaneQCLib import Installation as module
from UltrasoundPlaneQCLib import InstallPanel
from UltrasoundPlaneQCLib.Dependencies import DependencyError
from UltrasoundPlaneQCLib.Installation import FAILED, Installation, checkoutOf, requirements
from UltrasoundPlaneQCLib.Logic import REQUIREMENTS

ENDLESS = "import time\ntime.sleep(600)\n"


def make_wheel(folder: Path, name: str, version: str = "1.0", needs: str = "", padding: int = 0) -> Path:
    """Write a wheel of one module."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    required = f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", f"VALUE = {version!r}\n")
        wheel.writestr(f"{name}_data.bin", b"\0" * padding)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with a package of 3 MB and one that it needs."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "striqtestpart", needs="striqtestdep", padding=3_000_000)
    make_wheel(folder, "striqtestdep")
    return folder


@pytest.fixture
def panel(clicker: Clicker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallPanel.InstallPanel:
    """The section, which asks for the small package and installs into a folder of the test."""
    (tmp_path / "requirements.txt").write_text("# comment\nstriqtestpart>=1.0\n")
    monkeypatch.setattr(InstallPanel, "REQUIREMENTS", tmp_path / "requirements.txt")
    section = clicker.panel.install
    section.work = Installation(["--target", str(tmp_path / "target")])
    return section


def test_button_says_what_and_how_much_then_installs_it(
    clicker: Clicker, panel: InstallPanel.InstallPanel, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(wheels))
    clicker.click(panel.folderButton)
    assert panel.installButton.text == "What is missing?"
    clicker.click(panel.installButton)
    assert not panel.installButton.isEnabled()
    clicker.waitFor(lambda: not panel.work.isBusy)
    assert panel.planLabel.text == "2 packages, 3 MB: striqtestdep 1.0, striqtestpart 1.0"
    assert panel.installButton.text == "Install 2 packages"
    assert not (tmp_path / "target").exists()  # until the second click
    clicker.click(panel.installButton)
    clicker.waitFor(lambda: not panel.work.isBusy)
    assert panel.statusLabel.text == "Installed. Press Score."
    assert panel.progressBar.value == 100
    assert {path.name for path in (tmp_path / "target").glob("*.py")} == {"striqtestpart.py", "striqtestdep.py"}


def test_folder_that_lacks_a_wheel_is_an_error_with_a_remedy(
    clicker: Clicker, panel: InstallPanel.InstallPanel, wheels: Path
) -> None:
    (wheels / "striqtestdep-1.0-py3-none-any.whl").unlink()
    panel.sourceEdit.setText(str(wheels))
    clicker.click(panel.installButton)
    clicker.waitFor(lambda: not panel.work.isBusy)
    assert panel.work.state == FAILED
    assert "The folder lacks a wheel for this Python" in panel.statusLabel.text
    assert "striqtestdep" in panel.statusLabel.text  # pip's own words follow
    assert panel.installButton.isEnabled()


def test_cancel_ends_pip_and_installs_nothing(
    clicker: Clicker, panel: InstallPanel.InstallPanel, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("UltrasoundPlaneQCLib.PipProcess.PROGRAM", ENDLESS)
    panel.sourceEdit.setText(str(wheels))
    clicker.click(panel.installButton)
    process = panel.work._pip._process
    clicker.click(panel.cancelButton)
    assert process.poll() is not None
    assert not panel.work.isBusy
    assert "Cancelled" in panel.statusLabel.text
    assert not (tmp_path / "target").exists()
    assert panel.installButton.isEnabled()


def test_sizes_of_files_on_a_server_are_asked_for(wheels: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(wheels)))
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    name = "striqtestpart-1.0-py3-none-any.whl"
    try:
        assert module._sizeOf(f"{address}/{name}") == (wheels / name).stat().st_size
        assert module._sizeOf(f"{address}/absent.whl") is None
    finally:
        server.shutdown()
        server.server_close()
    assert module._sizeOf((wheels / name).as_uri()) == (wheels / name).stat().st_size
    assert module._sizeOf(wheels.as_uri()) is None


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write nothing."""


def test_unknown_sizes_are_said() -> None:
    work = Installation()
    work.parts = [module.Part("a", "1", 5_000_000), module.Part("b", "2", None)]
    assert work.describe() == "2 packages, at least 5 MB, 1 of unknown size: a 1, b 2"
    work.parts = []
    assert work.describe() == "Nothing is missing."


def test_progress_goes_by_the_sizes_of_what_was_begun() -> None:
    work = Installation()
    work.parts = [module.Part("big-part", "1", 9_000_000), module.Part("small", "2", 1_000_000)]
    work.state = module.INSTALLING
    for line, share in (
        ("Collecting big_part>=1", 0.81),
        ("  not a line of a package", 0.81),
        ("Processing /tmp/wheels/small-2-py3-none-any.whl (from x)", 0.9),
    ):
        work._follow(line.strip())
        assert work.share() == pytest.approx(share)


def test_requirements_follow_the_source(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert requirements(REQUIREMENTS, "") == [f"{ROOT}[dicom-sr]"]  # this is a checkout
    installed = tmp_path / "extension" / "requirements.txt"
    installed.parent.mkdir()
    installed.write_text(REQUIREMENTS.read_text())
    assert checkoutOf(installed) is None
    assert requirements(installed, "") == ["striq[dicom-sr]>=0.1"]
    address = "https://wheels.test/striq-0.1.0-py3-none-any.whl"
    assert requirements(installed, address) == [f"striq[dicom-sr] @ {address}"]
    wheel = wheels / "striqtestdep-1.0-py3-none-any.whl"
    assert requirements(installed, str(wheel)) == [f"striq[dicom-sr] @ {wheel.as_uri()}"]
    assert requirements(installed, str(wheels)) == ["--no-index", "--find-links", str(wheels), "striq[dicom-sr]>=0.1"]
    monkeypatch.setattr(module, "isInstalled", lambda name: False)
    assert "torch>=2.8" in requirements(installed, str(wheels))  # offline, no extension can fetch it


def test_packages_are_searched_for_until_all_are_there(clicker: Clicker, monkeypatch: pytest.MonkeyPatch) -> None:
    panel, found, asked = clicker.panel.install, False, []

    def isInstalled(name: str) -> bool:
        asked.append(name)
        return found

    monkeypatch.setattr(InstallPanel, "isInstalled", isInstalled)
    panel.refresh()
    assert panel.planLabel.text.startswith("Missing")
    found = True  # by another section
    clicker.panel.session.changed()
    assert panel.planLabel.text == "Everything for scoring is installed."
    asked.clear()
    clicker.panel.session.changed()  # another frame is shown
    assert not asked


@pytest.mark.parametrize("source", ["/nowhere", "/nowhere/a.whl"])
def test_source_that_is_not_there_is_an_error(clicker: Clicker, source: str) -> None:
    with pytest.raises(DependencyError, match="/nowhere"):
        requirements(REQUIREMENTS, source)
    clicker.panel.install.sourceEdit.setText(source)
    clicker.click(clicker.panel.install.installButton)
    assert "/nowhere" in clicker.panel.install.statusLabel.text


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("ERROR: Could not fetch URL https://x: connection error", "Check the network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "Free space"),
        ("ERROR: [Errno 13] Permission denied: '/opt'", "administrator"),
        ("ERROR: No matching distribution found for striq", "address of a wheel"),
        ("ERROR: strange", "Look into the details"),
    ],
)
def test_every_failure_has_a_remedy(said: str, remedy: str) -> None:
    text = module._remedy([said], isOffline=False)
    assert remedy in text
    assert said in text
