"""The entry "Score with STRIQ" in the data tree's context menu of pictures and sequence browsers."""

from __future__ import annotations

import qt
import slicer
from AbstractScriptedSubjectHierarchyPlugin import AbstractScriptedSubjectHierarchyPlugin
from slicer.i18n import tr as _

MODULE_NAME = "UltrasoundPlaneQC"
KINDS = ("vtkMRMLScalarVolumeNode", "vtkMRMLSequenceBrowserNode", "vtkMRMLSequenceNode")


class UltrasoundPlaneQCSubjectHierarchyPlugin(AbstractScriptedSubjectHierarchyPlugin):
    """Plugin that owns no items and only adds an action."""

    filePath = __file__  # read by the application

    def __init__(self, scriptedPlugin: slicer.qSlicerSubjectHierarchyScriptedPlugin) -> None:
        scriptedPlugin.name = MODULE_NAME
        AbstractScriptedSubjectHierarchyPlugin.__init__(self, scriptedPlugin)
        self.scoreAction = qt.QAction(_("Score with STRIQ"), scriptedPlugin)
        self.scoreAction.connect("triggered()", self.onScore)

    def canAddNodeToSubjectHierarchy(self, node: slicer.vtkMRMLNode, parentItemID: int) -> float:
        """Return zero confidence: the plugin owns nothing."""
        return 0.0

    def canOwnSubjectHierarchyItem(self, itemID: int) -> float:
        """Return zero confidence: the plugin owns nothing."""
        return 0.0

    def roleForPlugin(self) -> str:
        """Return the role; the plugin has none."""
        return "N/A"

    def itemContextMenuActions(self) -> list[qt.QAction]:
        """Return the actions for the context menu of an item."""
        return [self.scoreAction]

    def showContextMenuActionsForItem(self, itemID: int) -> None:
        """Show the action for pictures."""
        node = _node(itemID)
        self.scoreAction.visible = (
            node is not None and any(node.IsA(kind) for kind in KINDS) and not node.IsA("vtkMRMLLabelMapVolumeNode")
        )

    def onScore(self) -> None:
        """Open the module with the item as its input and start scoring."""
        node = _node(slicer.qSlicerSubjectHierarchyPluginHandler.instance().currentItem())
        slicer.util.selectModule(MODULE_NAME)
        slicer.util.getModuleWidget(MODULE_NAME).scoreNode(node)


def _node(itemID: int) -> slicer.vtkMRMLNode | None:
    tree = slicer.qSlicerSubjectHierarchyPluginHandler.instance().subjectHierarchyNode()
    return tree.GetItemDataNode(itemID) if itemID else None
