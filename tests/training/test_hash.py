"""Hashes spread, and are the same everywhere."""

import numpy as np
import pytest

from training._hash import hash_of


def test_the_hash_of_a_name_spreads_also_where_endings_agree() -> None:
    tenths = np.bincount([hash_of(f"devicon/logo-{i}-wordmark") % 10 for i in range(1000)], minlength=10)
    assert tenths.min() > 60
    assert hash_of("logos/a") == hash_of("logos/a") != hash_of("logos/b")


@pytest.mark.parametrize(("text", "number"), [("", 0xE4A6A0577479B2B4), ("é", 0xCB1ABF8BEFF3192F)])
def test_a_name_has_one_number_on_every_machine(text: str, number: int) -> None:
    assert hash_of(text) == number
