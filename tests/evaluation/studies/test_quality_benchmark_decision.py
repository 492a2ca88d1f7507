"""Tests of ``striq.evaluation.studies.quality_benchmark_decision``."""

from __future__ import annotations

import numpy as np
import pytest

from striq.evaluation.studies.quality_benchmark_decision import mean_ranks, nan_mean, nested_choice, ranks_by_plane

NAN = float("nan")


def test_ranks_by_hand() -> None:
    a, b = [[0.9, 0.1, NAN], [0.5, NAN, NAN]], [[0.8, 0.1, NAN], [NAN, NAN, NAN]]
    # First plane: ranks 1 and 2, a tie of 1.5, and a measure that none has. Second plane: b has none and is last.
    np.testing.assert_allclose(ranks_by_plane([a, b]), [[1.25, 1.0], [1.75, 2.0]])
    np.testing.assert_allclose(mean_ranks([a, b]), [1.125, 1.875])


def test_every_plane_counts_alike_however_many_measures_it_has() -> None:
    good_on_one_plane = [[1.0, 1.0, 1.0], [0.0, NAN, NAN]]
    good_on_the_other = [[0.0, 0.0, 0.0], [1.0, NAN, NAN]]
    assert mean_ranks([good_on_one_plane, good_on_the_other]).tolist() == [1.5, 1.5]


def test_ranks_do_not_depend_on_the_scale_of_a_measure() -> None:
    values = np.random.default_rng(0).normal(size=(4, 3, 5))
    np.testing.assert_array_equal(mean_ranks(values), mean_ranks(np.exp(3 * values)))


def test_a_plane_without_measures_does_not_count() -> None:
    values = np.full((2, 2, 1), NAN)
    values[:, 0, 0] = [0.2, 0.4]
    assert ranks_by_plane(values)[:, 1].tolist() == pytest.approx([NAN, NAN], nan_ok=True)
    assert mean_ranks(values).tolist() == [2.0, 1.0]


def test_mean_of_the_defined_values() -> None:
    assert nan_mean(np.array([[1.0, NAN, 3.0], [NAN] * 3]), axis=1).tolist() == pytest.approx([2.0, NAN], nan_ok=True)


def test_a_fold_is_judged_by_what_the_other_folds_choose() -> None:
    lucky_once = np.array([[[9.0, 0.0, 0.0]]])  # best only on fold 0, which therefore never chooses for itself
    steady = np.array([[[1.0, 1.0, 1.0]]])
    found = nested_choice({"lucky": lucky_once, "steady": steady}, [0, 1, 2])
    assert found.folds == (0, 1, 2)
    assert found.chosen == ("steady", "lucky", "lucky")
    assert found.judged.tolist() == [[pytest.approx((1 + 0 + 0) / 3)]]
    assert found.mean_rank == 2.0


def test_no_value_of_a_fold_changes_what_is_chosen_for_it() -> None:
    generator = np.random.default_rng(1)
    candidates = {name: generator.normal(size=(2, 3, 4)) for name in "abcd"}
    before = nested_choice(candidates, range(4)).chosen
    for fold in range(4):
        changed = {name: values.copy() for name, values in candidates.items()}
        for values in changed.values():
            values[..., fold] = generator.normal(size=(2, 3)) * 100
        assert nested_choice(changed, range(4)).chosen[fold] == before[fold]


def test_noise_is_not_judged_better_than_chance() -> None:
    """Choosing among noise and judging on the same folds would look good; judged on others, the rank is average."""
    generator = np.random.default_rng(2)
    ranks = [
        nested_choice({str(i): generator.normal(size=(1, 1, 5)) for i in range(9)}, range(5)).mean_rank
        for _ in range(200)
    ]
    assert np.mean(ranks) == pytest.approx(5, abs=0.35)


def test_columns_of_one_fold_are_left_out_together() -> None:
    # Two seeds of two folds: candidate a is good on fold 0 only.
    a, b = np.array([[[5.0, 5.0, 0.0, 0.0]]]), np.array([[[1.0, 1.0, 1.0, 1.0]]])
    found = nested_choice({"a": a, "b": b}, [0, 0, 1, 1])
    assert found.folds == (0, 1)
    assert found.chosen == ("b", "a")


def test_of_equals_the_first_is_chosen_and_undefined_ones_are_not() -> None:
    same = np.ones((1, 1, 2))
    assert nested_choice({"undefined": same * NAN, "first": same, "second": same}, [0, 1]).chosen == ("first", "first")


@pytest.mark.parametrize(
    ("shapes", "folds", "message"),
    [
        ([(1, 1, 2), (1, 2, 2)], [0, 1], "one shape"),
        ([(1, 1, 2)], [0, 1, 2], "one shape"),
        ([(2,)], [0, 1], "one shape"),
        ([], [0, 1], "one shape"),
        ([(1, 1, 2)], [0, 0], "at least two folds"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(shapes: list[tuple[int, ...]], folds: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nested_choice({str(i): np.zeros(shape) for i, shape in enumerate(shapes)}, folds)
