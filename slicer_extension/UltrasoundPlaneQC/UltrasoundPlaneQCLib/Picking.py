"""A dialog in which the user ticks some of several items."""

from __future__ import annotations

from collections.abc import Sequence

import qt

SIZE = (560, 380)  # pixels


def pickItems(parent: qt.QWidget, title: str, labels: Sequence[str], *, areTicked: bool) -> list[int]:
    """Return the numbers of the items that the user ticks; none if the dialog is cancelled.

    Args:
        parent: Widget that the dialog belongs to.
        title: Title of the dialog.
        labels: Texts of the items.
        areTicked: Whether all items are ticked at first.
    """
    dialog = qt.QDialog(parent)
    dialog.setWindowTitle(title)
    dialog.resize(*SIZE)
    column, choices = qt.QVBoxLayout(dialog), qt.QListWidget(dialog)
    items = [qt.QListWidgetItem(label) for label in labels]
    for item in items:
        item.setCheckState(qt.Qt.Checked if areTicked else qt.Qt.Unchecked)
        choices.addItem(item)
    buttons = qt.QDialogButtonBox(qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel, dialog)
    buttons.connect("accepted()", dialog.accept)
    buttons.connect("rejected()", dialog.reject)
    column.addWidget(choices)
    column.addWidget(buttons)
    isAccepted = dialog.exec_() == qt.QDialog.Accepted
    picked = [number for number, item in enumerate(items) if item.checkState() == qt.Qt.Checked]
    dialog.deleteLater()
    return picked if isAccepted else []
