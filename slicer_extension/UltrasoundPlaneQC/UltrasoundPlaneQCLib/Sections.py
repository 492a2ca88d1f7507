"""Sections of the panel that make their controls themselves."""

from __future__ import annotations

import ctk
import qt

from .Controls import Controls


def newSection(title: str) -> tuple[ctk.ctkCollapsibleButton, qt.QFormLayout]:
    """Return an empty section and the layout for its rows."""
    section = ctk.ctkCollapsibleButton()
    section.text = title
    return section, qt.QFormLayout(section)


def addSection(ui: Controls, section: ctk.ctkCollapsibleButton) -> None:
    """Put a section below the others, closed."""
    panel = ui.researchLabel.parentWidget().layout()
    panel.insertWidget(panel.indexOf(ui.researchLabel), section)
    section.collapsed = True


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
