"""The tab *Server*: score on another computer, after the user has allowed it."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from .Controls import Controls
from .RemoteServers import Question, ServerProblem, allow, allowedServers, isAllowed, revoke, serverOf
from .Sections import MoreSection, rowOf, statusText
from .Session import Session


class RemotePanel:
    """Controls of scoring on a server.

    Args:
        ui: Controls by name.
        more: Section of the tabs.
        session: What is chosen and scored.
        timer: Calls the panel's :meth:`advance` regularly while it runs.
    """

    def __init__(self, ui: Controls, more: MoreSection, session: Session, timer: qt.QTimer) -> None:
        self.ui, self.session, self.timer = ui, session, timer
        self._question: Question | None = None
        self._devices: list[dict[str, str]] = []
        self._localText = ui.researchLabel.text
        self._makeControls(more)
        session.listen(self.refresh)
        self.refresh()

    def _makeControls(self, more: MoreSection) -> None:
        self.page, rows = more.addPage(_("Server"))
        self.addressSelector = qt.QComboBox()
        self.addressSelector.setObjectName("serverSelector")
        self.addressSelector.setEditable(True)
        self.addressSelector.addItems(allowedServers())
        self.addressSelector.setToolTip(
            _("Address of a computer that runs striq listen, such as https://server:8765. Allowed servers are listed")
        )
        self.tokenEdit = qt.QLineEdit()
        self.tokenEdit.setObjectName("serverTokenEdit")
        self.tokenEdit.setEchoMode(qt.QLineEdit.Password)
        self.tokenEdit.setToolTip(_("Secret of the server, from whoever runs it. It is not stored"))
        self.certificateEdit = qt.QLineEdit()
        self.certificateEdit.setObjectName("serverCertificateEdit")
        self.certificateEdit.setToolTip(
            _("PEM file of the server's certificate, if this computer does not trust it yet")
        )
        self.consentBox = qt.QCheckBox(_("I allow frames to be sent to this server"))
        self.consentBox.setObjectName("serverConsentCheckBox")
        self.consentBox.setToolTip(_("Kept for this address on this computer; untick it to take the consent back"))
        self.consentLabel = statusText("serverConsentLabel")
        self.connectButton = qt.QPushButton(_("Connect"))
        self.connectButton.setObjectName("serverConnectButton")
        self.deviceSelector = qt.QComboBox()
        self.deviceSelector.setObjectName("serverDeviceSelector")
        self.deviceSelector.setToolTip(_("Processor or graphics card of the server"))
        self.statusLabel = statusText("serverStatusLabel")
        rows.addRow(_("Address:"), self.addressSelector)
        rows.addRow(_("Token:"), self.tokenEdit)
        rows.addRow(_("Certificate:"), self.certificateEdit)
        rows.addRow(self.consentBox)
        rows.addRow(self.consentLabel)
        rows.addRow(rowOf(self.connectButton, self.deviceSelector))
        rows.addRow(self.statusLabel)
        self.addressSelector.connect("currentTextChanged(QString)", self.onAddress)
        self.consentBox.connect("clicked()", self.onConsent)
        self.connectButton.connect("clicked()", self.onConnect)
        self.deviceSelector.connect("currentTextChanged(QString)", self.onDevice)

    @property
    def address(self) -> str:
        """Address in the panel."""
        return self.addressSelector.currentText.strip()

    def onAddress(self, text: str) -> None:
        """Take another address; a server in use is left."""
        del text
        self.disconnectServer()

    def onConsent(self) -> None:
        """Keep the consent, or take it back and leave the server."""
        if isAllowed(self.address):
            revoke(self.address)
            self.disconnectServer()
            self.statusLabel.setText(_("The consent is taken back; nothing is sent any more."))
        else:
            allow(self.address)
        self.refresh()

    def onConnect(self) -> None:
        """Ask the server for its devices and use it, or leave it."""
        if self.session.logic.holder.server is not None:
            self.disconnectServer()
            self.refresh()
            return
        try:
            self._question = Question(serverOf(self.address, self.tokenEdit.text, self.certificateEdit.text))
        except ServerProblem as error:
            self.statusLabel.setText(str(error))
            return
        self.statusLabel.setText(_("Connecting"))
        self.timer.start()
        self.refresh()

    def onDevice(self, text: str) -> None:
        """Score on another device of the server."""
        del text
        server = self.session.logic.holder.server
        if server is not None and not self.session.isBusy:
            self.session.logic.holder.useServer(server, self._device())
            self.refresh()

    def advance(self) -> bool:
        """Use the server once it has answered; return whether an answer is awaited."""
        question = self._question
        if question is None:
            return False
        try:
            described = question.poll()
        except ServerProblem as error:
            self._question = None
            self.statusLabel.setText(str(error))
            self.refresh()
            return False
        if described is not None:
            self._question = None
            self._use(question, described["devices"], str(described["version"]))
        return self._question is not None

    def _use(self, question: Question, devices: list[dict[str, str]], version: str) -> None:
        self._devices = devices
        self.deviceSelector.blockSignals(True)
        self.deviceSelector.clear()
        self.deviceSelector.addItems([device["label"] for device in devices])
        if len(devices) > 1:  # the processor is the first
            self.deviceSelector.setCurrentText(devices[1]["label"])
        self.deviceSelector.blockSignals(False)
        self.session.logic.holder.useServer(question.server, self._device())
        self.statusLabel.setText(_("Connected, striq {version}.").format(version=version))
        self.session.changed()

    def _device(self) -> str:
        chosen = self.deviceSelector.currentText
        return next((device["name"] for device in self._devices if device["label"] == chosen), "cpu")

    def disconnectServer(self) -> None:
        """Score on this computer again."""
        self._question = None
        if self.session.logic.holder.server is not None:
            self.session.logic.holder.useThisComputer()
            self.statusLabel.setText(_("Scores are computed on this computer again."))
        self.refresh()

    def show(self) -> None:
        """Show the settings; none of them is in the scene."""
        self.refresh()

    def close(self) -> None:
        """Leave the server."""
        self.disconnectServer()

    def refresh(self) -> None:
        """Enable what is possible now, and say what is sent."""
        server, isBusy = self.session.logic.holder.server, self.session.isBusy
        mayBeSent = isAllowed(self.address)
        self.consentBox.setChecked(mayBeSent)
        self.consentLabel.setText(
            _(
                "Sent are the pictures (with text that is burned into them, except outside the image region of a DICOM "
                "file), spacing, times and the plane; never names, file names or headers. Allowed: {allowed}"
            ).format(allowed=", ".join(allowedServers()) or _("none"))
        )
        isAsking = self._question is not None
        self.connectButton.setText(_("Disconnect") if server is not None else _("Connect"))
        self.connectButton.setEnabled(not isBusy and not isAsking and (mayBeSent or server is not None))
        self.connectButton.setToolTip(
            _("Frames are being scored")
            if isBusy
            else _("Score on this computer or on the server")
            if mayBeSent
            else _("Allow the server first; nothing is sent before")
        )
        for control in (self.addressSelector, self.tokenEdit, self.certificateEdit, self.consentBox):
            control.setEnabled(not isBusy)
        self.consentBox.setEnabled(not isBusy and bool(self.address))
        self.deviceSelector.setEnabled(server is not None and not isBusy)
        self.ui.researchLabel.setText(
            self._localText
            if server is None
            else _("Research only, not for diagnosis. Frames are sent to {address}.").format(address=server.address)
        )
