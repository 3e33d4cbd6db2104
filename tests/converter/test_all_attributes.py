"""What the converter shows to the world."""

import sys

import converter


def test_all_lists_what_exists_in_order() -> None:
    assert sorted(converter.__all__) == converter.__all__
    public = {n for n, v in vars(converter).items() if not n.startswith("_") and not isinstance(v, type(sys))}
    assert public == set(converter.__all__)
