"""Labels as arrays: an image a row, a run a row, in the units that models see."""

import msgspec
import numpy as np
import pytest

from router import FEATURE_NAMES, Plan
from training._run import Label
from training._tables import LOG_FEATURES, PLAN_COLUMNS, Table, log_scaled, plan_row


def test_a_table_holds_every_image_and_run(table: Table, labelled: list[Label], searched: list[Label]) -> None:
    labels = [*labelled, *searched]
    assert len(table.labels) == len(labels)
    assert len(table) == sum(len(one.runs) for one in labels)
    assert table.features.shape == (len(labels), len(FEATURE_NAMES))
    assert table.thumbnails.shape == (len(labels), 32, 32, 4)
    last = labels[-1].runs[-1]
    assert table.image_of[-1] == len(labels) - 1
    assert (table.origins[-1], table.plans[-1]) == (last.origin, last.plan)
    assert np.exp(table.log_bytes[-1]) == pytest.approx(last.svg_bytes, rel=1e-4)
    assert set(table.splits) >= {"train", "families"}


def test_images_without_runs_are_left_out(searched: list[Label]) -> None:
    bare = msgspec.structs.replace(searched[0], runs=())
    assert Table([bare, searched[1]]).labels == [searched[1]]


def test_logarithms_are_taken_where_features_span_decades(table: Table) -> None:
    scaled = table.scaled_features()
    area, edges = FEATURE_NAMES.index("image_area"), FEATURE_NAMES.index("edge_density")
    assert set(LOG_FEATURES) <= set(FEATURE_NAMES)
    assert scaled[:, area] == pytest.approx(np.log1p(table.features[:, area]))
    assert np.array_equal(scaled[:, edges], table.features[:, edges])
    assert log_scaled(table.features)[0, area] < table.features[0, area]


def test_a_plan_becomes_numbers_of_order_one() -> None:
    coarse = plan_row(Plan())
    fine = plan_row(Plan(upscale=8, matte="none", mode="none", palette=64, denoise=3, layer_difference=64))
    assert len(coarse) == len(fine) == len(PLAN_COLUMNS)
    assert max(map(abs, [*coarse, *fine])) <= 2
    assert coarse != fine
    names = list(PLAN_COLUMNS)
    assert coarse[names.index("upscale")] == 0
    assert fine[names.index("upscale")] == 3 / PLAN_COLUMNS["upscale"]
