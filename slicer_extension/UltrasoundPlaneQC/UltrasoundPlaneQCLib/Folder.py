"""Folders of the data tree that hold the nodes of one run."""

from __future__ import annotations

from collections.abc import Iterable

import slicer


def fileNodes(name: str, nodes: Iterable[slicer.vtkMRMLNode]) -> None:
    """Move nodes into a folder of the data tree, which is made if it does not exist."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    top = tree.GetSceneItemID()
    folder = tree.GetItemChildWithName(top, name) or tree.CreateFolderItem(top, name)
    for node in nodes:
        item = tree.GetItemByDataNode(node)
        if item:
            tree.SetItemParent(item, folder)
        else:
            tree.CreateItem(folder, node)
