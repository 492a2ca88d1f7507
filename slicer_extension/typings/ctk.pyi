import qt

class ctkSliderWidget(qt.QWidget):
    value: float
    def setValue(self, value: float) -> None: ...

class ctkCollapsibleButton(qt.QWidget):
    collapsed: bool
    def layout(self) -> qt.QLayout: ...

class ctkPathLineEdit(qt.QWidget):
    Dirs: int
    Readable: int
    filters: int
    currentPath: str
    def setCurrentPath(self, path: str) -> None: ...
