import unittest
from typing import Any

import qt
import slicer

class ModuleDescription:
    title: str
    categories: list[str]
    dependencies: list[str]
    contributors: list[str]
    helpText: str
    acknowledgementText: str

class ScriptedLoadableModule:
    parent: ModuleDescription
    def __init__(self, parent: object) -> None: ...

class ScriptedLoadableModuleWidget:
    layout: qt.QLayout
    def __init__(self, parent: object = ...) -> None: ...
    def setup(self) -> None: ...
    def resourcePath(self, name: str) -> str: ...
    def onReload(self) -> None: ...

class ScriptedLoadableModuleLogic:
    def __init__(self, parent: object = ...) -> None: ...
    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode: ...

class ScriptedLoadableModuleTest(unittest.TestCase):
    def runTest(self) -> Any: ...
