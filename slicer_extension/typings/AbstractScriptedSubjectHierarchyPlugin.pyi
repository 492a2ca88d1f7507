import slicer

class AbstractScriptedSubjectHierarchyPlugin:
    def __init__(self, scriptedPlugin: slicer.qSlicerSubjectHierarchyScriptedPlugin) -> None: ...
