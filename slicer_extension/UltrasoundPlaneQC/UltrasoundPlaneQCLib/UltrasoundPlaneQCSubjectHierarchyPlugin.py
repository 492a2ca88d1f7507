"""The entry "Score with STRIQ" in the menu of pictures and sequence browsers in the data tree."""

from __future__ import annotations

import qt
import slicer
from AbstractScriptedSubjectHierarchyPlugin import AbstractScriptedSubjectHierarchyPlugin
from slicer.i18n import tr as _

MODULE_NAME = "UltrasoundPlaneQC"
KINDS = ("vtkMRMLScalarVolumeNode", "vtkMRMLSequenceBrowserNode", "vtkMRMLSequenceNode")


class UltrasoundPlaneQCSubjectHierarchyPlugin(AbstractScriptedSubjectHierarchyPlugin):
    """A function plugin: it owns no items, it only adds an action."""

    filePath = __file__  # read by the application

    def __init__(self, scriptedPlugin):
        scriptedPlugin.name = MODULE_NAME
        AbstractScriptedSubjectHierarchyPlugin.__init__(self, scriptedPlugin)
        self.scoreAction = qt.QAction(_("Score with STRIQ"), scriptedPlugin)
        self.scoreAction.connect("triggered()", self.onScore)

    def canAddNodeToSubjectHierarchy(self, node, parentItemID):
        """Return no confidence: nothing is owned."""
        return 0.0

    def canOwnSubjectHierarchyItem(self, itemID):
        """Return no confidence: nothing is owned."""
        return 0.0

    def roleForPlugin(self):
        """Return that there is no role."""
        return "N/A"

    def itemContextMenuActions(self):
        """Return the actions that the menu of an item may show."""
        return [self.scoreAction]

    def showContextMenuActionsForItem(self, itemID):
        """Show the action for pictures."""
        node = _node(itemID)
        isPicture = node is not None and any(node.IsA(kind) for kind in KINDS)
        self.scoreAction.visible = isPicture and not node.IsA("vtkMRMLLabelMapVolumeNode")

    def onScore(self):
        """Open the module with the item as its input and start."""
        node = _node(slicer.qSlicerSubjectHierarchyPluginHandler.instance().currentItem())
        slicer.util.selectModule(MODULE_NAME)
        slicer.util.getModuleWidget(MODULE_NAME).scoreNode(node)


def _node(itemID):
    tree = slicer.qSlicerSubjectHierarchyPluginHandler.instance().subjectHierarchyNode()
    return tree.GetItemDataNode(itemID) if itemID else None
