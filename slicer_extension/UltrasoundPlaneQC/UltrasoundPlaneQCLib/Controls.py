"""Types of the panel's controls, by their names in the ``.ui`` file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ctk
    import qt
    import slicer


class Controls(Protocol):
    """Controls that ``slicer.util.childWidgetVariables`` finds in the panel."""

    # Sections
    resultsSection: ctk.ctkCollapsibleButton
    whySection: ctk.ctkCollapsibleButton
    liveSection: ctk.ctkCollapsibleButton
    studySection: ctk.ctkCollapsibleButton

    # Inputs
    inputSelector: slicer.qMRMLNodeComboBox
    planeSelector: qt.QComboBox
    modelPath: ctk.ctkPathLineEdit
    deviceSelector: qt.QComboBox
    scoreButton: qt.QPushButton
    cancelButton: qt.QPushButton
    progressBar: qt.QProgressBar
    statusLabel: qt.QLabel
    aboutLabel: qt.QLabel

    # Results
    thresholdSlider: ctk.ctkSliderWidget
    frameLabel: qt.QLabel
    bestButton: qt.QPushButton
    nextAcceptedButton: qt.QPushButton
    nextRejectedButton: qt.QPushButton
    acceptButton: qt.QPushButton
    rejectButton: qt.QPushButton
    revertButton: qt.QPushButton
    resultsTable: slicer.qMRMLTableView
    exportButton: qt.QPushButton
    layoutButton: qt.QPushButton

    # Why this score
    explainButton: qt.QPushButton
    explainEachFrameCheckBox: qt.QCheckBox
    overlaySelector: qt.QComboBox
    opacitySlider: ctk.ctkSliderWidget
    termsBox: qt.QWidget
    transformLabel: qt.QLabel
    referenceLabel: qt.QLabel

    # Live
    liveSelector: slicer.qMRMLNodeComboBox
    liveButton: qt.QPushButton
    recordCheckBox: qt.QCheckBox
    liveVerdictLabel: qt.QLabel
    liveRateLabel: qt.QLabel

    # Below all sections
    researchLabel: qt.QLabel
