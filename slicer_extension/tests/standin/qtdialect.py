"""PySide6 in the dialect of PythonQt: ``connect("signal(args)", slot)``, properties as attributes."""

from __future__ import annotations

import re
import sys
import types

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

SOURCES = (QtWidgets, QtGui, QtCore, QtUiTools)
# Functions that Qt itself calls on a widget: an attribute in their place would break the call.
VIRTUAL = ("sizeHint", "minimumSizeHint")
PLAIN = ("QApplication", "QCoreApplication", "QGuiApplication", "QObject")  # used as they are


def _signal(sender: QtCore.QObject, signature: str) -> object:
    name, arguments = re.match(r"\s*(\w+)\s*\((.*)\)", signature).groups()
    signal = getattr(sender, name)
    try:
        return signal[arguments] if arguments else signal
    except (KeyError, IndexError):  # one without overloads, or with arguments that PySide passes as objects
        return signal


def _connect(self: QtCore.QObject, signature: str, slot: object) -> bool:
    _signal(self, signature).connect(slot)
    return True


def _disconnect(self: QtCore.QObject, signature: str, slot: object) -> bool:
    _signal(self, signature).disconnect(slot)
    return True


def _asAttribute(name: str) -> property:
    return property(
        lambda self: QtCore.QObject.property(self, name),
        lambda self, value: QtCore.QObject.setProperty(self, name, value),
    )


class Dialect:
    """Mixin that gives a class of PySide6 the dialect of PythonQt."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        # PySide looks for these in each class's own dictionary.
        cls.connect, cls.disconnect = _connect, _disconnect
        described = getattr(cls, "staticMetaObject", None)
        if described is None:
            return
        declared = {
            name for base in cls.__mro__ for name, value in vars(base).items() if isinstance(value, QtCore.Property)
        }
        for number in range(described.propertyCount()):
            name = described.property(number).name()
            if name not in declared and name not in vars(cls) and name not in (*VIRTUAL, "singleShot"):
                setattr(cls, name, _asAttribute(name))
        cls.name = _asAttribute("objectName")

    def exec_(self) -> int:
        """Show a dialog and wait, by the name that PythonQt has for it."""
        return self.exec()

    def className(self) -> str:
        """Return the name of the class, as PythonQt does."""
        return self.metaObject().className()


class QtModule(types.ModuleType):
    """The module ``qt``: all of Qt in one place, made when asked for."""

    def __getattr__(self, name: str) -> object:
        for source in SOURCES:
            if hasattr(source, name):
                found = getattr(source, name)
                if isinstance(found, type) and issubclass(found, QtCore.QObject) and name not in PLAIN:
                    found = type(name, (Dialect, found), {"__module__": "qt"})
                setattr(self, name, found)
                return found
        raise AttributeError(name)


def install() -> QtModule:
    """Make ``import qt`` work and return the module; an application runs from now on."""
    qt = QtModule("qt")
    sys.modules["qt"] = qt
    qt.application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["tests"])
    return qt
