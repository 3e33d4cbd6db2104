"""Training of the predictor: batches of images with all their runs, early stopping on unseen drawings, fixed seed."""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training._boosted import FOLDS, Fitted, fit_boosted
from training._hash import hash_of
from training._network import FARTHEST, FIGURES, MEMBERS, Member, Predictor, readable
from training._tables import Array, Table

EPOCHS, PATIENCE = 60, 15
BATCH, WIDTH = 96, 12  # groups, and runs in one
RATE, DECAY = 2e-3, 1e-3
HIGH = 0.95  # the quantile of the upper bounds
# How often an image is shown without its thumbnail, and a feature without its value: callers may lack either.
NO_THUMBNAIL, NO_FEATURE = 0.2, 0.04
# Weights of the losses: an error of 0.01 in quality counts like one of 10 % in seconds or bytes.
QUALITY_WEIGHT, LOG_WEIGHT = 10.0, 1.0


class Scaling(msgspec.Struct, frozen=True):
    """Means and deviations of features (logarithms taken) and of thumbnail channels."""

    mean: Array
    std: Array
    channel_mean: Array
    channel_std: Array


def scaling(table: Table, images: NDArray[np.intp]) -> Scaling:
    """Return the scaling measured on some images."""
    features = table.scaled_features()[images]
    pictures = table.thumbnails[images].reshape(-1, 4).astype(np.float32) / 255
    return Scaling(
        features.mean(axis=0), features.std(axis=0) + 1e-3, pictures.mean(axis=0), pictures.std(axis=0) + 1e-3
    )


class Batches:
    """The table as tensors: groups of up to `WIDTH` runs of one image, padded; `image_of[g]` is the image."""

    def __init__(self, table: Table, scale: Scaling, device: torch.device) -> None:
        per_image = np.bincount(table.image_of, minlength=len(table.labels))
        groups = -(-per_image // WIDTH)
        first = groups.cumsum() - groups
        slot = np.concatenate([np.arange(n) for n in per_image])
        group, slot = first[table.image_of] + slot // WIDTH, slot % WIDTH
        self.image_of = torch.tensor(np.repeat(np.arange(len(groups)), groups))
        self.features = torch.tensor((table.scaled_features() - scale.mean) / scale.std)
        pictures = (table.thumbnails.astype(np.float32) / 255 - scale.channel_mean) / scale.channel_std
        self.pictures = torch.tensor(pictures.transpose(0, 3, 1, 2).copy())
        rows = table.plan_rows()
        self.plans = torch.zeros(groups.sum(), WIDTH, rows.shape[1])
        self.plans[group, slot] = torch.tensor(rows)
        self.truth = torch.zeros(groups.sum(), WIDTH, 3)
        truth = np.stack([table.quality, table.log_seconds, table.log_bytes], axis=1)
        self.truth[group, slot] = torch.tensor(truth)
        self.mask = torch.zeros(groups.sum(), WIDTH)
        self.mask[group, slot] = 1.0
        for name, values in vars(self).items():
            setattr(self, name, values.to(device))

    def groups_of(self, images: NDArray[np.intp]) -> Tensor:
        """Return the groups of some images."""
        return torch.isin(self.image_of, torch.tensor(images, device=self.image_of.device)).nonzero().squeeze(1)

    def of(self, groups: Tensor) -> tuple[Tensor, ...]:
        """Return features, pictures, plans, truth and mask of some groups."""
        images = self.image_of[groups]
        return self.features[images], self.pictures[images], self.plans[groups], self.truth[groups], self.mask[groups]


def best_device() -> torch.device:
    """Return the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    table: Table,
    scale: Scaling,
    *,
    seed: int,
    epochs: int = EPOCHS,
    report: Callable[[int, int, float], None] = lambda *_: None,
) -> Predictor:
    """Return the trained ensemble, on the CPU; each member stops early on its own share of unseen training drawings."""
    device = best_device()
    batches = Batches(table, scale, device)
    trained = np.flatnonzero(table.splits == "train")
    names = [hash_of(f"{t.spec.family}/{t.spec.drawing}") for t in table.labels]
    members, folds = [], []
    for index in range(MEMBERS):
        torch.manual_seed(seed + index)
        fold = np.array([name % 10 == index for name in names])[trained]
        member = Member(batches.features.shape[1], batches.plans.shape[2])
        # A corpus too small to set drawings aside checks itself.
        fit, check = (trained[~fold], trained[fold]) if 0 < fold.sum() < len(fold) else (trained, trained)
        trained_member = _train_member(member.to(device), batches, fit, check, epochs, partial(report, index))
        members.append(trained_member.eval().cpu())
        folds.append(check)
    folds_of_trees = np.array([name % FOLDS for name in names])
    grown = _grown(table, scale, folds_of_trees, seed, partial(report, MEMBERS))
    weights = _weights(table, members, Batches(table, scale, torch.device("cpu")), folds, grown.unseen)
    return Predictor(members, grown.module, weights).eval()


def _grown(
    table: Table, scale: Scaling, folds: NDArray[np.intp], seed: int, report: Callable[[int, float], None]
) -> Fitted:
    """Return boosted trees fitted to the runs on training images, and what they say of each of those unseen."""
    features = ((table.scaled_features() - scale.mean) / scale.std).clip(-FARTHEST, FARTHEST)
    own = np.flatnonzero(table.splits[table.image_of] == "train")
    rows = np.hstack([features[table.image_of[own]], table.plan_rows()[own]]).astype(np.float32)
    logs = np.column_stack([table.log_seconds[own], table.log_bytes[own]]).astype(np.float64)
    done = iter(range(FOLDS + 3))
    known = table.quality[own].astype(np.float64)
    fitted = fit_boosted(rows, known, logs, folds[table.image_of[own]], seed, lambda: report(next(done), 0.0))
    unseen = np.full((len(table), 3), np.nan)
    unseen[own] = fitted.unseen
    return Fitted(module=fitted.module, unseen=unseen)


def _weights(
    table: Table, members: list[Member], batches: Batches, folds: list[NDArray[np.intp]], unseen: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return the networks' shares with the least squared error, each network asked about drawings it has not seen."""
    truth = np.column_stack([table.quality, table.log_seconds, table.log_bytes])
    off_trees, apart = [], []
    for member, check in zip(members, folds, strict=True):
        groups = batches.groups_of(check)
        features, pictures, plans, _, mask = batches.of(groups)
        with torch.no_grad():
            said = readable(member(features, pictures, torch.ones(len(groups), 1), plans))
        seen = said[mask > 0][:, FIGURES].numpy()
        runs = np.isin(table.image_of, check)
        off_trees.append(truth[runs] - unseen[runs])
        apart.append(seen - unseen[runs])
    off, toward = np.concatenate(off_trees), np.concatenate(apart)
    shares = (off * toward).sum(axis=0) / np.maximum((toward**2).sum(axis=0), 1e-12)
    quality, seconds, size = (round(float(share), 3) for share in shares.clip(0, 1))
    return quality, seconds, size


def _train_member(
    member: Member,
    batches: Batches,
    fit: NDArray[np.intp],
    check: NDArray[np.intp],
    epochs: int,
    report: Callable[[int, float], None],
) -> Member:
    optimiser = torch.optim.AdamW(member.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs, eta_min=RATE / 50)
    best, best_loss, waited = copy.deepcopy(member.state_dict()), float("inf"), 0
    for epoch in range(epochs):
        member.train()
        for groups in _shuffled(batches.groups_of(fit)):
            optimiser.zero_grad()
            loss = _loss(member, batches, groups, spoil=True)
            loss.backward()
            nn.utils.clip_grad_norm_(member.parameters(), 5.0)
            optimiser.step()
        schedule.step()
        member.eval()
        with torch.no_grad():
            checked = float(_loss(member, batches, batches.groups_of(check), spoil=False))
        report(epoch, checked)
        if checked < best_loss:
            best, best_loss, waited = copy.deepcopy(member.state_dict()), checked, 0
        elif (waited := waited + 1) >= PATIENCE:
            break
    member.load_state_dict(best)
    return member


def _shuffled(groups: Tensor) -> Iterator[Tensor]:
    yield from groups[torch.randperm(len(groups), device=groups.device)].split(BATCH)


def _loss(member: Member, batches: Batches, groups: Tensor, *, spoil: bool) -> Tensor:
    features, pictures, plans, truth, mask = batches.of(groups)
    shown = torch.ones(len(groups), 1, device=features.device)
    if spoil:
        shown = (torch.rand(len(groups), 1, device=features.device) > NO_THUMBNAIL).float()
        features = features * (torch.rand_like(features) > NO_FEATURE)
        if torch.rand(()) < 0.5:
            pictures = pictures.flip(3)
    said = readable(member(features, pictures, shown, plans))
    quality, seconds, size = truth.unbind(-1)
    off = (said[..., 0] - quality).abs()
    spread = said[..., 1]
    losses = (
        QUALITY_WEIGHT * off
        + 0.3 * (off.detach() / spread + spread.log())  # Laplace: the spread learns the expected error
        + LOG_WEIGHT * _pinball(seconds - said[..., 2], 0.5)
        + LOG_WEIGHT * _pinball(seconds - said[..., 3], HIGH)
        + LOG_WEIGHT * _pinball(size - said[..., 4], 0.5)
        + LOG_WEIGHT * _pinball(size - said[..., 5], HIGH)
    )
    return (losses * mask).sum() / mask.sum()


def _pinball(residual: Tensor, quantile: float) -> Tensor:
    return torch.maximum(quantile * residual, (quantile - 1) * residual)
