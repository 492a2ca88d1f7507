"""Tests of policies: thresholds, files and completeness."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from striq.errors import StriqError
from striq.policies.completeness import StudyState, ViewState, check_completeness
from striq.policies.policy import Examination
from striq.policies.reading import example_names, example_text, parse_policy, read_policy
from tests.score_factory import make_score

HEAD = 'format = 1\nname = "Ours"\nversion = "2"\n'
FULL = (
    HEAD
    + f"""
threshold = 0.1
[thresholds]
A4C = 0.2
[sites.north]
names = ["North Clinic", "ROOM_1"]
threshold = 0.3
thresholds = {{ A4C = 0.4 }}
[sites.south]
sha256 = ["{hashlib.sha256(b"South Practice").hexdigest()}"]
thresholds = {{ liver = 0.9 }}
"""
)


@pytest.mark.parametrize(
    ("plane", "names", "threshold"),
    [
        ("liver", ["elsewhere"], 0.1),
        ("A4C", ["elsewhere"], 0.2),
        ("liver", ["North Clinic"], 0.3),
        ("A4C", ["unknown", "ROOM_1"], 0.4),
        ("A4C", ["South Practice"], 0.2),
        ("liver", ["South Practice"], 0.9),
        ("liver", ["", ""], 0.1),
    ],
)
def test_the_most_specific_threshold_applies(plane: str, names: list[str], threshold: float) -> None:
    assert parse_policy(FULL).threshold_of(plane, *names, otherwise=0.5) == threshold


def test_a_policy_without_thresholds_leaves_the_one_given_elsewhere() -> None:
    assert parse_policy(HEAD).threshold_of("A4C", "North Clinic", otherwise=0.7) == 0.7


def test_a_frame_is_judged_by_the_plane_that_scored_it() -> None:
    policy = parse_policy(FULL)
    judged = policy.judge(make_score(0.35, "A4C", scored_plane="A4C"), "North Clinic", otherwise=0.5)
    assert (judged.threshold, judged.accepted, judged.quality) == (0.4, False, 0.35)
    none = policy.judge(make_score(0.95, "none", scored_plane="liver"), otherwise=0.5)
    assert (none.threshold, none.accepted) == (0.1, False)


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(FULL, encoding="utf-8", newline="")
    assert read_policy(file).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert str(read_policy(file)) == "Ours 2"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name = ", "TOML"),
        ('format = 1\nname = "x"', "version"),
        (HEAD + "threshold = 1.5", "threshold"),
        (HEAD + "treshold = 0.5", "treshold"),
        (HEAD + "[thresholds]\nnone = 0.5", "'none'"),
        (HEAD + '[sites.a]\nnames = ["X"]\n[sites.b]\nnames = ["X"]', "both sites"),
        (HEAD + '[examinations.a]\nrequired = ["A4C"]\n[examinations.b]\nrequired = ["A4C"]', "only one"),
        (HEAD + "[sites.a]\nthreshold = 0.5", "'a' has neither"),
    ],
)
def test_mistakes_are_named_with_the_file(text: str, named: str) -> None:
    with pytest.raises(StriqError, match=r"^our\.toml(, line \d)?: ") as caught:
        parse_policy(text, "our.toml")
    assert named in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StriqError, match=r"absent\.toml"):
        read_policy(tmp_path / "absent.toml")


def test_examples_are_marked_as_examples() -> None:
    assert {"fetal-first-trimester", "echocardiography-adult"} <= set(example_names())
    for name in example_names():
        policy = parse_policy(example_text(name), name)
        assert policy.is_example
        assert "(example)" in str(policy)
        assert policy.examinations
        assert example_text(name).startswith("# EXAMPLE")
    with pytest.raises(StriqError, match="echocardiography-adult"):
        example_text("../policy")


def test_the_first_examination_that_matches_counts() -> None:
    policy = parse_policy(
        HEAD
        + '[examinations.rest]\nrequired = ["A4C"]\n[examinations.echo]\nmatch = ["*ECHO*"]\nrequired = ["A4C"]\n'
        + '[examinations.late]\nmatch = ["echo*"]\nrequired = ["A4C"]'
    )
    found = [policy.examination_of(text) for text in ("Echo adult", "stress echo", "liver", "")]
    assert [examination and examination.name for examination in found] == ["echo", "echo", "rest", "rest"]
    only_echo = parse_policy(HEAD + '[examinations.echo]\nmatch = ["echo*"]\nrequired = ["A4C"]')
    assert only_echo.examination_of("liver") is None


def test_completeness_takes_the_best_accepted_frame_of_each_plane() -> None:
    frames = [
        make_score(0.6, "A4C", index=0),
        make_score(0.8, "A4C", index=1),
        make_score(0.9, "A4C", index=2, accepted=False),
        make_score(0.4, "liver", index=3),
        make_score(0.99, "none", index=4),
    ]
    required = ("A4C", "liver", "A2C", "bladder")
    found = check_completeness(Examination("all", (), required), frames, {"A4C", "liver", "A2C"})
    assert [view.state.value for view in found.views] == ["present", "not accepted", "missing", "not assessed"]
    assert [view.best and view.best.index for view in found.views] == [1, 3, None, None]  # type: ignore[attr-defined]
    assert found.state is StudyState.INCOMPLETE


def test_a_study_is_complete_only_if_every_required_plane_is_present() -> None:
    given = {
        ViewState.PRESENT: make_score(0.9, "A4C"),
        ViewState.NOT_ACCEPTED: make_score(0.1, "A4C"),
        ViewState.MISSING: None,
        ViewState.NOT_ASSESSED: None,
    }
    for pair in itertools.product(ViewState, repeat=2):
        planes = ("first", "second")
        frames = [
            make_score(given[state].quality, plane)  # type: ignore[union-attr]
            for plane, state in zip(planes, pair, strict=True)
            if given[state] is not None
        ]
        known = [plane for plane, state in zip(planes, pair, strict=True) if state is not ViewState.NOT_ASSESSED]
        state = check_completeness(Examination("x", (), planes), frames, known).state
        assert (state is StudyState.COMPLETE) == (set(pair) == {ViewState.PRESENT})
        assert (state is StudyState.INCOMPLETE) == bool(set(pair) & {ViewState.MISSING, ViewState.NOT_ACCEPTED})
