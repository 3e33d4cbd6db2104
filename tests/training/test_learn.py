"""Training lowers the loss, repeats with its seed, and sets whole drawings aside to stop early."""

import numpy as np
import pytest
import torch

from router import METHODS
from tests.training.conftest import SEED
from training import _learn
from training._boosted import HIGH, Fitted
from training._learn import UNPROPOSED, Batches, _weighed, best_device, scaling, train
from training._network import MEMBERS
from training._run import Label
from training._tables import Table

Report = list[tuple[int, int, float]]


FEW = 6  # epochs
CPU = torch.device("cpu")


def test_scaling_makes_features_of_order_one(table: Table) -> None:
    scale = scaling(table, np.arange(len(table.labels)))
    scaled = (table.scaled_features() - scale.mean) / scale.std
    assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-3)
    assert scaled.std(axis=0).max() <= 1 + 1e-3
    assert np.isfinite(scaled).all()
    assert scale.channel_mean.shape == scale.channel_std.shape == (4,)


@pytest.mark.parametrize("width", [5, 100], ids=["images in several groups", "images in one group"])
def test_groups_hold_every_run_of_their_image_and_what_is_padded_weighs_nothing(
    table: Table, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(_learn, "WIDTH", width)
    batches = Batches(table, scaling(table, np.arange(len(table.labels))), CPU)
    for image in (0, 1, len(table.labels) - 1):
        runs = table.labels[image].runs
        groups = batches.groups_of(np.array([image]))
        assert len(groups) == -(-len(runs) // width)
        features, pictures, plans, truth, weight = batches.of(groups)
        assert len(features) == len(pictures) == len(groups)
        assert features.unique(dim=0).shape[0] == 1
        assert plans.shape[:2] == truth.shape[:2] == weight.shape == (len(groups), width)
        assert truth[weight > 0][:, 0].numpy() == pytest.approx([run.quality for run in runs])
        assert (truth[weight == 0] == 0).all()
        expected = [1.0 if run.origin in METHODS else UNPROPOSED for run in runs]
        assert weight[weight > 0].numpy() == pytest.approx(expected)


def test_training_lowers_the_loss_of_every_member(table: Table) -> None:
    scale = scaling(table, np.flatnonzero(table.splits == "train"))
    seen: Report = []
    train(table, scale, seed=SEED, epochs=FEW, report=lambda *told: seen.append(told))
    for member in range(MEMBERS):
        losses = [loss for index, _, loss in seen if index == member]
        assert len(losses) == FEW
        assert np.isfinite(losses).all()
        assert min(losses[1:]) < losses[0]


def test_the_same_seed_trains_the_same_network(table: Table) -> None:
    scale = scaling(table, np.flatnonzero(table.splits == "train"))
    one, other = (train(table, scale, seed=SEED, epochs=1).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_single_drawing_is_enough_to_train_on(searched: list[Label]) -> None:
    """With nothing to set aside the check was empty, its loss no number, and what came out was never trained."""
    table = Table(searched[:1])
    seen: Report = []
    train(table, scaling(table, np.arange(1)), seed=SEED, epochs=2, report=lambda *told: seen.append(told))
    assert sum(member < MEMBERS for member, *_ in seen) == MEMBERS * 2
    assert all(np.isfinite(loss) for *_, loss in seen)


def test_it_stops_once_nothing_gets_better(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_learn, "RATE", 0.0)
    monkeypatch.setattr(_learn, "PATIENCE", 2)
    seen: Report = []
    scale = scaling(table, np.flatnonzero(table.splits == "train"))
    train(table, scale, seed=SEED, report=lambda *told: seen.append(told))
    assert sum(member < MEMBERS for member, *_ in seen) == MEMBERS * 3


def test_a_machine_without_a_gpu_trains_on_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, kind in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert best_device().type == kind


def test_shares_and_margins_are_those_of_what_nobody_had_seen(table: Table) -> None:
    truth = np.column_stack([table.quality, table.log_seconds, table.log_bytes]).astype(np.float64)
    rng = np.random.default_rng(SEED)
    own, network = (scale * rng.normal(size=truth.shape) for scale in (0.2, 0.1))
    grown = Fitted(module=None, unseen=truth + own, margins=np.full(truth.shape, 0.5))  # type: ignore[arg-type]
    every = np.ones(len(table), dtype=np.bool_)
    shares, margins = _weighed(table, [(every, (truth + network).astype(np.float32))], grown)
    # Of two independent errors, one half as large as the other, the mean with least variance has four fifths of it.
    assert shares == pytest.approx((0.8, 0.8, 0.8), abs=0.15)
    left = own + np.array(shares) * (network - own)
    proposed = np.isin(table.origins, METHODS)
    assert margins[0] == pytest.approx(np.abs(left[:, 0]).mean() / 0.5, rel=0.2)
    for column in (1, 2):
        kept = -left[:, column] <= margins[column] * 0.5
        assert np.average(kept, weights=np.where(proposed, 1.0, UNPROPOSED)) == pytest.approx(HIGH, abs=0.02)
