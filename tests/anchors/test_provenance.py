"""Tests of ``striq.anchors.provenance``: a model names no patient."""

from __future__ import annotations

import pickle
from pathlib import Path

from striq.anchors.provenance import anchor_source, new_salt, without_names
from striq.scoring.loading import load_scorer
from striq.types import AnchorSource, FrameRecord
from tests.test_cli import run, write_still

RECORD = FrameRecord(Path("/archive/MUSTERMANN_Erika/Mustermann^Erika_A4C.nii.gz"), "A4C", "Mustermann", 3)


def test_source_holds_no_name() -> None:
    source = anchor_source(RECORD, new_salt())
    assert not any(word in str(source).lower() for word in ("muster", "erika", "archive"))
    assert source.frame_index == 3


def test_equal_names_have_equal_hashes_under_one_salt_alone() -> None:
    salt = new_salt()
    assert anchor_source(RECORD, salt) == anchor_source(RECORD, salt)
    assert anchor_source(RECORD, salt) != anchor_source(RECORD, new_salt())
    other = FrameRecord(Path("b.png"), "A4C", RECORD.group)
    assert anchor_source(other, salt).group == anchor_source(RECORD, salt).group
    assert anchor_source(other, salt).path != anchor_source(RECORD, salt).path


def test_stem_is_kept_where_it_is_asked_for() -> None:
    salt = new_salt()
    kept = anchor_source(RECORD, salt, keep_paths=True)
    assert kept.path == f"{anchor_source(RECORD, salt).path}/Mustermann^Erika_A4C"
    assert kept.group == anchor_source(RECORD, salt).group


def test_name_that_is_not_utf8_is_hashed() -> None:
    assert anchor_source(FrameRecord(Path("a\udce4.png"), "A4C", "g\udce4"), new_salt()).path.isalnum()


def test_earlier_sources_lose_their_names_and_keep_their_groups() -> None:
    mirrored = AnchorSource("p1/b.png", "p1", 7, mirrored=True)
    sources = [[AnchorSource("p1/a.png", "p1"), mirrored], [AnchorSource("p2/c.png", "p2")]]
    (first, second), (third,) = without_names(sources)
    assert first.group == second.group != third.group
    assert len({first.path, second.path, third.path}) == 3
    assert (second.frame_index, second.mirrored, first.mirrored) == (7, True, False)


def test_trained_model_holds_no_name_and_a_cleaned_one_scores_alike(tiny_model: Path, tmp_path: Path) -> None:
    named = load_scorer(tiny_model, "cpu")
    named.bank.sources = [[AnchorSource("Mustermann/a.png", "Mustermann")] * len(p) for p in named.bank.sources]
    named.save(tmp_path / "named.pt")
    assert b"Mustermann" in pickle.dumps(named.get_extra_state())
    assert run("info", "--model", tmp_path / "named.pt", "--clean", tmp_path / "clean.pt") == 0
    assert b"Mustermann" not in (tmp_path / "clean.pt").read_bytes()
    assert b"Mustermann" in (tmp_path / "named.pt").read_bytes()
    still = write_still(tmp_path / "a.png")
    for name in ("named", "clean"):
        run("score", still, "--out", tmp_path / f"{name}.csv", "--model", tmp_path / f"{name}.pt")
    assert (tmp_path / "named.csv").read_bytes() == (tmp_path / "clean.csv").read_bytes()


def test_names_of_training_frames_are_not_in_the_model(tiny_model: Path) -> None:
    assert b"subject_" not in tiny_model.read_bytes()  # the groups that the small model was fitted with
