"""DICOM's tables of modules as dicom-validator wants them, made of those that highdicom ships: nothing is downloaded.

highdicom's tables are flat: a content item has the attributes of every value type at once, and none has children's
children. Both are put right here, after PS3.3, tables C.17-5 and C.17-6 and sections C.18.1 to C.18.10.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from dicom_validator.validator.dicom_info import DicomInfo
from pydicom.datadict import DicomDictionary, tag_for_keyword

CONTENT = "sr-document-content"
NEEDED_BY = {  # attributes that content items of some value types must have, and others may not
    "ConceptCodeSequence": ["CODE"],
    "ContinuityOfContent": ["CONTAINER"],
    "Date": ["DATE"],
    "DateTime": ["DATETIME"],
    "GraphicData": ["SCOORD", "SCOORD3D"],
    "GraphicType": ["SCOORD", "SCOORD3D"],
    "MeasuredValueSequence": ["NUM"],
    "PersonName": ["PNAME"],
    "ReferencedFrameOfReferenceUID": ["SCOORD3D"],
    "ReferencedSOPSequence": ["COMPOSITE", "IMAGE", "WAVEFORM"],
    "TabulatedValuesSequence": ["TABLE"],
    "TemporalRangeType": ["TCOORD"],
    "TextValue": ["TEXT"],
    "Time": ["TIME"],
    "UID": ["UIDREF"],
}
MAY_BE_EMPTY = {"MeasuredValueSequence"}


def name_of(keyword: str) -> str:
    """Return the tag of a keyword as dicom-validator writes it."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return _written(tag)


@cache
def standard_tables() -> DicomInfo:
    """Return the tables of all storage classes."""
    classes, modules, attributes = (
        json.loads((files("highdicom") / "_standard" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("sop_class_iod_map", "iod_module_map", "module_attribute_map")
    )
    of_modules = {name: _tree(rows) for name, rows in attributes.items()}
    _mend(of_modules[CONTENT])
    iods = {
        uid: {
            "title": iod,
            "group_macros": {},
            "modules": {part["key"]: {"ref": part["key"], "use": part["usage"]} for part in modules[iod]},
        }
        for uid, iod in classes.items()
        if iod in modules
    }
    dictionary = {
        _written(tag): {"name": name, "vr": vr, "vm": vm, "prop": retired}
        for tag, (vr, vm, name, retired, _keyword) in DicomDictionary.items()
    }
    return DicomInfo(dictionary, iods, of_modules)


def _written(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _tree(rows: list[dict[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for row in rows:
        if tag_for_keyword(row["keyword"]) is None:  # retired since
            continue
        at = tree
        for keyword in row["path"]:
            at = at.setdefault(name_of(keyword), {"name": keyword, "type": "3"}).setdefault("items", {})
        at.setdefault(name_of(row["keyword"]), {"name": row["keyword"]})["type"] = row["type"]
    return tree


def _mend(content: dict[str, Any]) -> None:
    children = content[name_of("ContentSequence")]
    for items in (content, children["items"]):
        for keyword, types in NEEDED_BY.items():
            if name_of(keyword) in items:
                condition = {"type": "MN", "tag": name_of("ValueType"), "index": 0, "op": "=", "values": types}
                items[name_of(keyword)] |= {"type": "2C" if keyword in MAY_BE_EMPTY else "1C", "cond": condition}
    children["items"][name_of("ContentSequence")] = children
