"""Keys that work while the panel has the focus."""

from __future__ import annotations

from collections.abc import Mapping

import qt

from .Controls import Controls

# None of these is a key of Slicer's slice, 3-D or plot views.
KEYS = {
    "H": "bestButton",
    "N": "nextAcceptedButton",
    "Shift+N": "nextRejectedButton",
    "Y": "acceptButton",
    "X": "rejectButton",
    "Z": "revertButton",
    "D": "explainButton",
}


class Shortcuts:
    """Presses buttons of the panel by key, while the panel or a control in it has the focus.

    Args:
        ui: Controls by name.
        panel: Widget of the panel.
        others: More keys, with the buttons that they press.
    """

    def __init__(self, ui: Controls, panel: qt.QWidget, others: Mapping[str, qt.QPushButton] | None = None) -> None:
        self._panel = panel
        panel.setFocusPolicy(qt.Qt.ClickFocus)
        self._shortcuts: list[qt.QShortcut] = []
        buttons: dict[str, qt.QPushButton] = {key: getattr(ui, button) for key, button in KEYS.items()}
        for key, button in (buttons | dict(others or {})).items():
            shortcut = qt.QShortcut(panel)
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
            shortcut.connect("activated()", button.click)
            self._shortcuts.append(shortcut)

    def focus(self) -> None:
        """Give the panel the focus, so that the keys work."""
        self._panel.setFocus()

    def remove(self) -> None:
        """Deactivate the keys."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
