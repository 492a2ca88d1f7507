"""The real scene of Slicer with the logics that the application would connect to it."""

from __future__ import annotations

import atexit
import sys
import tempfile
import types
from typing import Annotated, get_args, get_origin, get_type_hints

import slicer
import vtk

LOGICS = {
    "Sequences": "vtkSlicerSequencesLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Colors": "vtkSlicerColorLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Markups": "vtkSlicerMarkupsLogic",
}


class Scene:
    """One scene for the whole session; :meth:`clear` empties it."""

    def __init__(self) -> None:
        self.scene = slicer.vtkMRMLScene()
        slicer.mrmlScene = self.scene
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetMRMLScene(self.scene)
        self.application.SetSliceLogics(vtk.vtkCollection())
        self.application.SetViewLogics(vtk.vtkCollection())
        self.application.GetColorLogic().SetMRMLScene(self.scene)
        self.logics = {name: self._connect(name, className) for name, className in LOGICS.items()}
        self._connectFiles()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)

    def _connect(self, name: str, className: str) -> object:
        logic = getattr(slicer, className)()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        self.application.SetModuleLogic(name, logic)
        return logic

    def _connectFiles(self) -> None:
        """Let sequences of nodes other than pictures be read: they are stored as scenes of their own."""
        self._cache = tempfile.TemporaryDirectory(prefix="striq-cache-")
        cache, manager = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
        cache.SetRemoteCacheDirectory(self._cache.name)
        manager.SetCacheManager(cache)
        self.scene.SetCacheManager(cache)
        self.scene.SetDataIOManager(manager)
        atexit.register(self._cache.cleanup)

    def clear(self) -> None:
        """Empty the scene as File > Close Scene does."""
        self.scene.Clear(False)
        self.application.GetColorLogic().AddDefaultColorNodes()

    def update(self) -> None:
        """Let browsers bring their volumes up to date, as the application's timer does."""
        self.logics["Sequences"].UpdateAllProxyNodes()


class WithinRange:
    """Bounds of a number, as ``slicer.parameterNodeWrapper`` declares them."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum


def parameterNodeWrapper(declared: type) -> type:
    """Return a class whose attributes live in a real parameter node: the part of Slicer's own that this module uses."""
    hints = get_type_hints(declared, include_extras=True)

    def __init__(self: object, parameterNode: object) -> None:
        object.__setattr__(self, "parameterNode", parameterNode)

    namespace = {name: _parameter(name, hint, getattr(declared, name, None)) for name, hint in hints.items()}
    namespace["__init__"] = __init__
    namespace["AddObserver"] = lambda self, *given: self.parameterNode.AddObserver(*given)
    namespace["RemoveObserver"] = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    namespace["__doc__"] = declared.__doc__
    return type(declared.__name__, (), namespace)


def _parameter(name: str, hint: object, default: object) -> property:
    bounds = None
    if get_origin(hint) is Annotated:
        hint, bounds = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, slicer.vtkMRMLNode):
        return property(
            lambda self: self.parameterNode.GetNodeReference(name),
            lambda self, node: self.parameterNode.SetNodeReferenceID(name, node.GetID() if node else None),
        )

    def read(self: object) -> object:
        text = self.parameterNode.GetParameter(name)
        if not self.parameterNode.HasParameter(name) if hasattr(self.parameterNode, "HasParameter") else not text:
            return default
        return text == "True" if hint is bool else hint(text)

    def write(self: object, value: object) -> None:
        if not isinstance(value, hint):
            msg = f"{name} takes {hint.__name__}, got {value!r}."
            raise TypeError(msg)
        if bounds is not None and not bounds.minimum <= value <= bounds.maximum:
            msg = f"{name} takes {bounds.minimum} to {bounds.maximum}, got {value}."
            raise ValueError(msg)
        self.parameterNode.SetParameter(name, str(value))

    return property(read, write)


def install() -> Scene:
    """Make ``slicer.parameterNodeWrapper`` importable and return the scene."""
    wrapper = types.ModuleType("slicer.parameterNodeWrapper")
    wrapper.parameterNodeWrapper = parameterNodeWrapper
    wrapper.WithinRange = WithinRange
    sys.modules[wrapper.__name__] = wrapper
    slicer.parameterNodeWrapper = wrapper
    return Scene()
