"""The section below the others, whose tabs make their controls themselves."""

from __future__ import annotations

import ctk
import qt
from slicer.i18n import tr as _

from .Controls import Controls


class MoreSection:
    """A section of tabs, closed at first, so that the panel stays short.

    Args:
        ui: Controls by name.
    """

    def __init__(self, ui: Controls) -> None:
        self.section = ctk.ctkCollapsibleButton()
        self.section.text = _("DICOM, server, installation")
        self.section.setObjectName("moreSection")
        layout = qt.QVBoxLayout(self.section)
        layout.setContentsMargins(0, 0, 0, 0)
        self.tabs = qt.QTabWidget()
        layout.addWidget(self.tabs)
        panel = ui.researchLabel.parentWidget().layout()
        panel.insertWidget(panel.indexOf(ui.researchLabel), self.section)

    def addPage(self, title: str) -> tuple[qt.QWidget, qt.QFormLayout]:
        """Add a tab; return its page and the layout for its rows."""
        page = qt.QWidget()
        rows = qt.QFormLayout(page)
        self.tabs.addTab(page, title)
        return page, rows

    def showPage(self, page: qt.QWidget) -> None:
        """Open the section at a page."""
        self.tabs.setCurrentWidget(page)
        self.section.collapsed = False


def stackRows(page: qt.QWidget, *rows: tuple[qt.QWidget, ...]) -> None:
    """Fill a page with rows of controls that lie side by side."""
    column = qt.QVBoxLayout(page)
    for controls in rows:
        row = qt.QHBoxLayout()
        for control in controls:
            row.addWidget(control)
        column.addLayout(row)


def rowOf(*controls: qt.QWidget) -> qt.QWidget:
    """Return a widget with controls side by side."""
    row = qt.QWidget()
    layout = qt.QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for control in controls:
        layout.addWidget(control)
    return row


def statusText(name: str) -> qt.QLabel:
    """Return an empty text of several lines."""
    label = qt.QLabel("")
    label.setObjectName(name)
    label.setWordWrap(True)
    return label
