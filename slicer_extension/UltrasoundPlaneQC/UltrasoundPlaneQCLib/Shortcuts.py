"""Keys that work while the module is open."""

from __future__ import annotations

import qt
import slicer

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
    """Presses buttons of the panel by key."""

    def __init__(self, ui):
        self._ui = ui
        self._shortcuts = []

    def install(self):
        """Take the keys."""
        self.remove()
        for key, button in KEYS.items():
            shortcut = qt.QShortcut(slicer.util.mainWindow())
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.connect("activated()", getattr(self._ui, button).click)
            self._shortcuts.append(shortcut)

    def remove(self):
        """Give the keys back."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
