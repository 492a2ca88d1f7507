"""Thresholds of a policy in a table of scores, by the function that the command line uses."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import slicer

from .ResultsColumns import POLICY_THRESHOLD, columnNames, newColumn

POLICY = "STRIQ.policy"  # attribute of a table; the policy that judges its frames


@dataclass(frozen=True)
class SitedPolicy:
    """A policy, and the names by which it knows the site of a cine.

    Attributes:
        text: The policy file, TOML.
        names: InstitutionName and StationName; empty if unknown.
    """

    text: str
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, path: str) -> SitedPolicy:
        """Return a policy with the names in the header of a file; none where the path is empty.

        Raises:
            ImportError: If striq is not installed.
        """
        from striq.audit.attributes import read_attributes

        if not path:
            return cls(text)
        origin = read_attributes(Path(path))
        return cls(text, (origin.site, origin.station))

    def toJson(self) -> str:
        """Return the text in which a node keeps it."""
        return json.dumps(asdict(self))

    @classmethod
    def fromJson(cls, text: str) -> SitedPolicy:
        """Return what :meth:`toJson` has written."""
        stored = json.loads(text)
        return cls(stored["text"], tuple(stored["names"]))

    def thresholds(self, planes: Sequence[str]) -> list[float]:
        """Return the threshold of each frame; NaN where the policy states none.

        Args:
            planes: Planes whose anchors scored the frames.

        Raises:
            ImportError: If striq is not installed.
        """
        from striq.policies.reading import parse_policy

        policy = parse_policy(self.text)
        return [policy.threshold_of(plane, *self.names, otherwise=math.nan) for plane in planes]


def policyOf(node: slicer.vtkMRMLTableNode) -> SitedPolicy | None:
    """Return the policy that judges the frames of a table; ``None`` if there is none."""
    text = node.GetAttribute(POLICY)
    return SitedPolicy.fromJson(text) if text else None


def keepPolicy(node: slicer.vtkMRMLTableNode, policy: SitedPolicy | None) -> None:
    """Keep a policy in a table with the thresholds that it states; ``None`` removes it.

    Raises:
        ImportError: If striq is not installed.
    """
    with slicer.util.NodeModify(node):
        if policy is not None and POLICY_THRESHOLD not in columnNames(node):
            node.AddColumn(newColumn(POLICY_THRESHOLD, node.GetNumberOfRows()))
        node.SetAttribute(POLICY, None if policy is None else policy.toJson())
        statePolicy(node, range(node.GetNumberOfRows()))


def statePolicy(node: slicer.vtkMRMLTableNode, rows: Sequence[int]) -> None:
    """Write the thresholds that the policy of a table, if it has one, states for some of its frames.

    Raises:
        ImportError: If striq is not installed.
    """
    policy = policyOf(node)
    if policy is None:
        return
    references, thresholds = (node.GetTable().GetColumnByName(name) for name in ("reference", POLICY_THRESHOLD))
    planes = [references.GetValue(row).rpartition(" ")[0] for row in rows]
    for row, threshold in zip(rows, policy.thresholds(planes), strict=True):
        thresholds.SetValue(row, threshold)
    thresholds.Modified()


def thresholdsOf(node: slicer.vtkMRMLTableNode, otherwise: float) -> list[float]:
    """Return the threshold of each frame of a table.

    Args:
        node: The table.
        otherwise: Threshold where no policy states one.
    """
    numRows = node.GetNumberOfRows()
    if not node.GetAttribute(POLICY):
        return [otherwise] * numRows
    column = node.GetTable().GetColumnByName(POLICY_THRESHOLD)
    stated = [column.GetValue(row) for row in range(numRows)]
    return [otherwise if math.isnan(threshold) else threshold for threshold in stated]
