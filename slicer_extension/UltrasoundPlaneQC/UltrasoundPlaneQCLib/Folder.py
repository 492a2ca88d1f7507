"""The folder in the data tree that holds what belongs to one run."""

from __future__ import annotations

import slicer


def fileNodes(name, nodes):
    """Put nodes into a folder of the data tree, made if absent, and return its item."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    top = tree.GetSceneItemID()
    folder = tree.GetItemChildWithName(top, name) or tree.CreateFolderItem(top, name)
    for node in nodes:
        item = tree.GetItemByDataNode(node)
        if item:
            tree.SetItemParent(item, folder)
        else:
            tree.CreateItem(folder, node)
    return folder
