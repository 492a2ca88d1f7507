"""Boxes of structures: read from tables, drawn by the phantom, and moved onto prepared frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.data.phantom.parameters import PhantomParameters, ideal_presence
from striq.data.phantom.phantom import render_phantom
from striq.data.phantom.scene import structure_boxes
from striq.data.preprocessing import prepare_frame
from striq.data.readers import open_cine
from striq.data.structure_boxes import read_boxes
from striq.errors import DatasetError

SIZE = (128, 128)


def ideal(**changes: float) -> PhantomParameters:
    return PhantomParameters("a4c", ideal_presence("a4c"), **changes)


def test_box_of_a_chamber_is_darker_than_the_wall_around_it() -> None:
    frame = render_phantom(ideal(), SIZE)
    top, left, bottom, right = structure_boxes(frame.parameters, SIZE)["left_ventricle"]
    middle = frame.pixels[
        (top + bottom) // 2 - 3 : (top + bottom) // 2 + 3, (left + right) // 2 - 3 : (left + right) // 2 + 3
    ]
    assert middle.mean() < 0.7 * frame.pixels[frame.fan_mask].mean()


def test_boxes_move_with_the_pose_and_vanish_with_the_structure() -> None:
    straight, moved = structure_boxes(ideal(), SIZE), structure_boxes(ideal(translation=(0.0, 0.125)), SIZE)
    assert straight.keys() == moved.keys()
    for name, box in straight.items():
        np.testing.assert_allclose(np.subtract(moved[name], box)[[0, 1, 3]], [16, 0, 0], atol=1.01)
    gone = PhantomParameters("a4c", (1.0, 0.0, *ideal_presence("a4c")[2:]))
    assert straight.keys() - structure_boxes(gone, SIZE).keys() == {"left_ventricle"}
    assert not structure_boxes(ideal(off_plane=1.0), SIZE)


def test_phantom_lists_its_boxes_and_they_are_found_on_prepared_frames(tmp_path: Path) -> None:
    table = write_phantom(tmp_path, 3, 2, planes=["a4c"], seed=1, size=SIZE)
    records = load_dataset(table)
    boxes = read_boxes(tmp_path / "boxes.csv").of_frames(records, (64, 64))
    assert len(boxes) == len(records)
    counts = [len(marked) for marked in boxes]
    assert np.corrcoef(counts, [record.rating or 0 for record in records])[0, 1] > 0.5
    found = [one for marked in boxes for one in marked]
    assert {"left_ventricle", "myocardium"} <= {one.structure for one in found}
    assert all(one.box[0] < one.box[2] and one.box[1] < one.box[3] for one in found)


def test_box_of_the_whole_fan_is_the_whole_prepared_frame(tmp_path: Path) -> None:
    table = write_phantom(tmp_path, 1, 1, planes=["a4c"], size=SIZE)
    (record,) = load_dataset(table)
    rows, columns = (np.flatnonzero((open_cine(record.path)[0].pixels > 0).any(axis=axis)) for axis in (1, 0))
    name = record.path.relative_to(tmp_path).as_posix()
    edges = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
    (tmp_path / "marks.csv").write_text(
        f"image,structure,top,left,bottom,right\n{name},fan,{','.join(map(str, edges))}\n"
    )
    ((one,),) = read_boxes(tmp_path / "marks.csv").of_frames([record], (64, 64))
    np.testing.assert_allclose(one.box, [0, 0, 1, 1], atol=0.03)
    assert prepare_frame(open_cine(record.path)[0], (64, 64)).shape == (1, 64, 64)


def test_images_may_lie_in_a_folder_beside_the_table_and_frames_without_boxes_have_none(tmp_path: Path) -> None:
    table = write_phantom(tmp_path / "images", 1, 2, planes=["a4c"], size=SIZE)
    records = load_dataset(table)
    name = records[0].path.relative_to(tmp_path / "images").as_posix()
    (tmp_path / "marks.csv").write_text(f"image,structure,top,left,bottom,right\n{name},valve,10,20,30,50\n")
    marked, unmarked = read_boxes(tmp_path / "marks.csv").of_frames(records, (64, 64))
    assert ([one.structure for one in marked], unmarked) == (["valve"], ())


def test_empty_boxes_and_missing_columns_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "marks.csv"
    table.write_text("image,structure,top,left,bottom,right\na.png,valve,10,20,10,50\n")
    with pytest.raises(DatasetError, match=r"line 2: the box is empty: rows 10 to 10"):
        read_boxes(table)
    table.write_text("image,structure,top\na.png,valve,10\n")
    with pytest.raises(DatasetError, match="missing column"):
        read_boxes(table)
