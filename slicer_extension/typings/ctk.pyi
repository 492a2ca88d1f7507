import qt

class ctkSliderWidget(qt.QWidget):
    value: float
    def setValue(self, value: float) -> None: ...

class ctkCollapsibleButton(qt.QWidget):
    def layout(self) -> qt.QFormLayout: ...
    collapsed: bool
    text: str

class ctkPathLineEdit(qt.QWidget):
    Dirs: int
    Readable: int
    filters: int
    currentPath: str
    def setCurrentPath(self, path: str) -> None: ...
