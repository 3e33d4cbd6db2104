"""Plots become elements of the page: the same each time, in the page's colours, with ids of their own."""

import re

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes

from vecroute.cli._report_canvas import INK, METHOD_COLORS, VARIABLES, plot, themed


def paint(axes: Axes) -> None:
    axes.plot([1, 2], [3, 4], color=METHOD_COLORS[0], marker="o")
    axes.set_xlabel("a < b")


def test_the_same_numbers_give_the_same_text() -> None:
    assert plot("one", paint, "a line") == plot("one", paint, "a line")


def test_colours_are_the_pages_and_words_stay_words() -> None:
    drawn = plot("one", paint, "a < line")
    assert not any(color in drawn for color in VARIABLES)
    assert "var(--method-0)" in drawn
    assert "var(--ink)" not in drawn or INK not in drawn
    assert "a &lt; b" in drawn
    assert 'aria-label="a &lt; line"' in drawn
    assert drawn.startswith("<svg viewBox=")
    assert "metadata" not in drawn
    assert "<style" not in drawn


def test_ids_are_unique_on_a_page_and_all_references_lead_to_one() -> None:
    drawn = [plot(name, paint, "a line") for name in ("one", "other")]
    ids = [found for one in drawn for found in re.findall(r'id="([^"]+)"', one)]
    assert len(ids) == len(set(ids))
    for name, one in zip(("one", "other"), drawn, strict=True):
        references = re.findall(r'(?:href="#|url\(#)([^")]+)', one)
        assert references
        assert set(references) <= set(ids)
        assert all(reference.startswith(f"{name}-") for reference in references)


def test_the_users_own_settings_do_not_count_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = plot("one", paint, "a line")
    monkeypatch.setitem(mpl.rcParams, "axes.grid", False)
    monkeypatch.setitem(mpl.rcParams, "font.size", 30.0)
    assert plot("one", paint, "a line") == plain
    assert mpl.rcParams["font.size"] == 30.0


def test_what_is_no_root_stays() -> None:
    assert themed('<?xml version="1.0"?>\n<svg x="1" viewBox="0 0 2 2"><g id="a"/></svg>\n', "n", "") == (
        '<svg viewBox="0 0 2 2" role="img" aria-label="" xmlns:xlink="http://www.w3.org/1999/xlink"><g id="n-a"/></svg>'
    )
