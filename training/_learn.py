"""Training of the predictor: batches of images with all their runs, early stopping on unseen drawings, fixed seed."""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training._hash import hash_of
from training._network import MEMBERS, Member, Predictor, readable
from training._tables import Array, Table

EPOCHS, PATIENCE = 160, 24
BATCH = 48
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
    """The table as tensors, padded to the same number of runs an image."""

    def __init__(self, table: Table, scale: Scaling, device: torch.device) -> None:
        count = len(table.labels)
        per_image = np.bincount(table.image_of, minlength=count)
        width = int(per_image.max())
        slot = np.concatenate([np.arange(n) for n in per_image])
        self.features = torch.tensor((table.scaled_features() - scale.mean) / scale.std)
        pictures = (table.thumbnails.astype(np.float32) / 255 - scale.channel_mean) / scale.channel_std
        self.pictures = torch.tensor(pictures.transpose(0, 3, 1, 2).copy())
        rows = table.plan_rows()
        self.plans = torch.zeros(count, width, rows.shape[1])
        self.plans[table.image_of, slot] = torch.tensor(rows)
        self.truth = torch.zeros(count, width, 3)
        truth = np.stack([table.quality, table.log_seconds, table.log_bytes], axis=1)
        self.truth[table.image_of, slot] = torch.tensor(truth)
        self.mask = torch.zeros(count, width)
        self.mask[table.image_of, slot] = 1.0
        for name, values in vars(self).items():
            setattr(self, name, values.to(device))

    def of(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return features, pictures, plans, truth and mask of some images."""
        images = images.to(self.features.device)
        return self.features[images], self.pictures[images], self.plans[images], self.truth[images], self.mask[images]


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
    drawings = np.array([f"{t.spec.family}/{t.spec.drawing}" for t in table.labels])
    members = []
    for index in range(MEMBERS):
        torch.manual_seed(seed + index)
        fold = np.array([hash_of(d) % 10 == index for d in drawings[trained]])
        member = Member(batches.features.shape[1], batches.plans.shape[2])
        # A corpus too small to set drawings aside checks itself.
        fit, check = (trained[~fold], trained[fold]) if 0 < fold.sum() < len(fold) else (trained, trained)
        trained_member = _train_member(member.to(device), batches, fit, check, epochs, partial(report, index))
        members.append(trained_member.cpu())
    return Predictor(members).eval()


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
        for images in _shuffled(torch.tensor(fit)):
            optimiser.zero_grad()
            loss = _loss(member, batches, images, spoil=True)
            loss.backward()
            nn.utils.clip_grad_norm_(member.parameters(), 5.0)
            optimiser.step()
        schedule.step()
        member.eval()
        with torch.no_grad():
            checked = float(_loss(member, batches, torch.tensor(check), spoil=False))
        report(epoch, checked)
        if checked < best_loss:
            best, best_loss, waited = copy.deepcopy(member.state_dict()), checked, 0
        elif (waited := waited + 1) >= PATIENCE:
            break
    member.load_state_dict(best)
    return member


def _shuffled(images: Tensor) -> Iterator[Tensor]:
    yield from images[torch.randperm(len(images))].split(BATCH)


def _loss(member: Member, batches: Batches, images: Tensor, *, spoil: bool) -> Tensor:
    features, pictures, plans, truth, mask = batches.of(images)
    shown = torch.ones(len(images), 1, device=features.device)
    if spoil:
        shown = (torch.rand(len(images), 1, device=features.device) > NO_THUMBNAIL).float()
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
