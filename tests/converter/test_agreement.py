"""Predicted against measured, by hand."""

import pytest

from converter._agreement import agreement


def test_no_pairs_no_agreement() -> None:
    assert agreement([], []) is None


def test_by_hand() -> None:
    found = agreement([1, 2, 3], [2, 2, 5])
    assert found is not None
    assert found.count == 3
    assert found.mae == pytest.approx(1)
    assert found.pearson == pytest.approx(3**0.5 / 2)
    assert found.spearman == pytest.approx(3**0.5 / 2)


def test_only_the_order_matters_to_spearman() -> None:
    found = agreement([1, 2, 3, 4], [1, 10, 100, 1000])
    assert found is not None
    assert found.spearman == pytest.approx(1)
    assert found.pearson is not None
    assert found.pearson < 1


def test_constants_have_no_correlation() -> None:
    found = agreement([1, 1], [1, 2])
    assert found is not None
    assert (found.pearson, found.spearman, found.mae) == (None, None, 0.5)
