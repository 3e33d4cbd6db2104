"""Training lowers the loss, repeats with its seed, and sets whole drawings aside to stop early."""

import numpy as np
import pytest
import torch

from tests.training.conftest import SEED
from training import _learn
from training._learn import Batches, hash_of, scaling, train
from training._network import MEMBERS
from training._run import Label
from training._tables import Table

Report = list[tuple[int, int, float]]


@pytest.fixture
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(_learn, "EPOCHS", 6)
    return 6


def test_scaling_makes_features_of_order_one(table: Table) -> None:
    scale = scaling(table, np.arange(len(table.labels)))
    scaled = (table.scaled_features() - scale.mean) / scale.std
    assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-3)
    assert scaled.std(axis=0).max() <= 1 + 1e-3
    assert np.isfinite(scaled).all()
    assert scale.channel_mean.shape == scale.channel_std.shape == (4,)


def test_batches_hold_every_run_and_mask_what_is_padded(table: Table) -> None:
    batches = Batches(table, scaling(table, np.arange(len(table.labels))))
    features, pictures, plans, truth, mask = batches.of(torch.arange(len(table.labels)))
    assert mask.sum() == len(table)
    assert features.shape[0] == pictures.shape[0] == plans.shape[0] == truth.shape[0] == len(table.labels)
    runs = table.labels[1].runs
    assert mask[1].sum() == len(runs)
    assert truth[1, : len(runs), 0].numpy() == pytest.approx([run.quality for run in runs])
    assert (truth[1, len(runs) :] == 0).all()


def test_training_lowers_the_loss_of_every_member(table: Table, few_epochs: int) -> None:
    scale = scaling(table, np.flatnonzero(table.splits == "train"))
    seen: Report = []
    train(table, scale, seed=SEED, report=lambda *told: seen.append(told))
    for member in range(MEMBERS):
        losses = [loss for index, _, loss in seen if index == member]
        assert len(losses) == few_epochs
        assert np.isfinite(losses).all()
        assert min(losses[1:]) < losses[0]


def test_the_same_seed_trains_the_same_network(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_learn, "EPOCHS", 1)
    scale = scaling(table, np.flatnonzero(table.splits == "train"))
    one, other = (train(table, scale, seed=SEED).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_single_drawing_is_enough_to_train_on(searched: list[Label], few_epochs: int) -> None:
    """With nothing to set aside the check was empty, its loss no number, and what came out was never trained."""
    table = Table(searched[:1])
    seen: Report = []
    train(table, scaling(table, np.arange(1)), seed=SEED, report=lambda *told: seen.append(told))
    assert len(seen) == MEMBERS * few_epochs
    assert all(np.isfinite(loss) for *_, loss in seen)


def test_it_stops_once_nothing_gets_better(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_learn, "RATE", 0.0)
    monkeypatch.setattr(_learn, "PATIENCE", 2)
    seen: Report = []
    scale = scaling(table, np.flatnonzero(table.splits == "train"))
    train(table, scale, seed=SEED, report=lambda *told: seen.append(told))
    assert len(seen) == MEMBERS * 3


def test_the_hash_of_a_name_spreads_also_where_endings_agree() -> None:
    tenths = np.bincount([hash_of(f"devicon/logo-{i}-wordmark") % 10 for i in range(1000)], minlength=10)
    assert tenths.min() > 60
    assert hash_of("logos/a") == hash_of("logos/a") != hash_of("logos/b")
