"""Keys that work while the module is open."""

from __future__ import annotations

import qt
import slicer

from .Controls import Controls

KEYS = {
    "B": "bestButton",
    "N": "nextAcceptedButton",
    "Shift+N": "nextRejectedButton",
    "A": "acceptButton",
    "R": "rejectButton",
    "U": "revertButton",
    "E": "explainButton",
}


class Shortcuts:
    """Presses buttons of the panel by key.

    Args:
        ui: Controls by name.
    """

    def __init__(self, ui: Controls) -> None:
        self._ui = ui
        self._shortcuts: list[qt.QShortcut] = []

    def install(self) -> None:
        """Activate the keys."""
        self.remove()
        for key, button in KEYS.items():
            shortcut = qt.QShortcut(slicer.util.mainWindow())
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.connect("activated()", getattr(self._ui, button).click)
            self._shortcuts.append(shortcut)

    def remove(self) -> None:
        """Deactivate the keys."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
