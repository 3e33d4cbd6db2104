"""The boosted part learns figures, says how far it is off, and judges itself on drawings that it has not seen."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from training import _boosted
from training._boosted import Fitted, Size, fit_boosted

COUNT = 400


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_boosted, "FIGURE", Size(30, 31, 7))
        patch.setattr(_boosted, "QUALITY", Size(30, 31, 7))
        patch.setattr(_boosted, "ERROR", Size(10, 31, 7))
        yield


def data(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(COUNT, 4)).astype(np.float32)
    quality = np.clip(0.95 - 0.05 * np.abs(rows[:, 0]) - 0.02 * np.abs(rng.normal(size=COUNT)), 0, 1)
    seconds = -3 + rows[:, 1] + 0.1 * rng.normal(size=COUNT)
    size = 9 + 0.5 * rows[:, 2] + np.where(rows[:, 3] > 0, 0.6, 0.1) * rng.normal(size=COUNT)
    return rows, quality, np.column_stack([seconds, size])


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit_boosted(*data(1), np.arange(COUNT) % 3, np.ones(COUNT), 1, lambda: None)


@pytest.fixture(scope="module")
def said(fitted: Fitted) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(fitted.module(torch.tensor(data(2)[0])).numpy())


def test_figures_are_learnt(said: np.ndarray) -> None:
    _, quality, logs = data(2)
    for column, truth in ((0, quality), (2, logs[:, 0]), (4, logs[:, 1])):
        assert np.corrcoef(said[:, column], truth)[0, 1] > 0.6
    assert np.abs(said[:, 0] - quality).mean() < 0.02


def test_upper_bounds_hold_about_as_often_as_they_say(said: np.ndarray) -> None:
    _, _, logs = data(2)
    assert 0.85 < (logs[:, 0] <= said[:, 3]).mean() <= 1
    assert 0.85 < (logs[:, 1] <= said[:, 5]).mean() <= 1


def test_bounds_are_wider_where_more_is_left_open(said: np.ndarray) -> None:
    open_ = data(2)[0][:, 3] > 0
    above = said[:, 5] - said[:, 4]
    assert above[open_].mean() > 1.5 * above[~open_].mean()


def test_the_expected_error_is_the_mean_error(fitted: Fitted, said: np.ndarray) -> None:
    _, quality, _ = data(2)
    assert said[:, 1].mean() == pytest.approx(np.abs(said[:, 0] - quality).mean(), rel=0.5)
    assert fitted.unseen.shape == (COUNT, 3)


def test_margins_are_those_of_the_module(fitted: Fitted) -> None:
    with torch.no_grad():
        own = fitted.module(torch.tensor(data(1)[0])).numpy()
    expected = np.column_stack([own[:, 1], own[:, 3] - own[:, 2], own[:, 5] - own[:, 4]])
    assert fitted.margins == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_what_is_said_of_the_unseen_is_worse_than_of_the_seen(fitted: Fitted) -> None:
    rows, quality, _ = data(1)
    with torch.no_grad():
        seen = fitted.module(torch.tensor(rows)).numpy()[:, 0]
    assert np.abs(fitted.unseen[:, 0] - quality).mean() > np.abs(seen - quality).mean()


def test_one_fold_alone_judges_itself() -> None:
    rows, quality, logs = data(1)
    alone = fit_boosted(rows[:60], quality[:60], logs[:60], np.zeros(60, dtype=np.intp), np.ones(60), 1, lambda: None)
    assert np.isfinite(alone.unseen).all()


def test_quality_stays_within_its_range(fitted: Fitted) -> None:
    with torch.no_grad():
        far = fitted.module(50 * torch.randn(64, 4))
    assert ((far[:, 0] >= 0) & (far[:, 0] <= 1)).all()
    assert torch.isfinite(far).all()


def test_runs_count_by_their_weight() -> None:
    rows, _, logs = data(1)
    odd = np.arange(COUNT) % 2 == 1
    quality = np.where(odd, 0.5, 0.95)
    weights = np.where(odd, 1e-3, 1.0)
    heard = fit_boosted(rows, quality, logs, np.arange(COUNT) // 2 % 3, weights, 1, lambda: None).unseen[:, 0]
    assert np.median(heard) == pytest.approx(0.95, abs=0.01)


def test_seconds_and_bytes_do_not_hang_on_columns_of_quality() -> None:
    rows, quality, logs = data(1)
    telling = rows.copy()
    telling[:, 3] = logs[:, 0]  # all that there is to know of seconds
    alone = np.zeros(COUNT, dtype=np.intp)
    known = fit_boosted(telling, quality, logs, alone, np.ones(COUNT), 1, lambda: None)
    blind = fit_boosted(telling, quality, logs, alone, np.ones(COUNT), 1, lambda: None, of_quality=[3])
    other = telling.copy()
    other[:, 3] += 1
    with torch.no_grad():
        moved = [
            (fitted.module(torch.tensor(other)) - fitted.module(torch.tensor(telling))).abs().amax(dim=0)
            for fitted in (known, blind)
        ]
    assert (moved[0][2:] > 0).all()
    assert moved[1][2:].tolist() == [0, 0, 0, 0]
