import qt

class ctkSliderWidget(qt.QWidget):
    value: float
    def setValue(self, value: float) -> None: ...

class ctkPathLineEdit(qt.QWidget):
    currentPath: str
    def setCurrentPath(self, path: str) -> None: ...
