"""Training of the predictor: batches of images with all their runs, early stopping on unseen drawings, fixed seed."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from router import METHODS
from training._boosted import FOLDS, HIGH, Fitted, fit_boosted
from training._derived import OF_QUALITY, SHOWN, Derived
from training._hash import hash_of
from training._network import FARTHEST, MEMBERS, Member, Predictor
from training._tables import DIGITS, Array, Table, log_scaled

EPOCHS, PATIENCE = 150, 40
BATCH, WIDTH = 96, 12  # groups, and runs in one
RATE, DECAY = 2e-3, 1e-2
# How often an image is shown without its thumbnail, and a feature without its value: callers may lack either.
NO_THUMBNAIL, NO_FEATURE = 0.1, 0.01
# Weights of the losses: an error of 0.002 in quality counts like one of 10 % in seconds or bytes.
WEIGHTS = (50.0, 1.0, 1.0)
LEAST_STRETCH = 0.1  # of the trees' margins: where networks have learnt few rows by heart
# What a run of a plan that no method proposed weighs: there are as many of those as of the others.
UNPROPOSED = 0.4


class Scaling(msgspec.Struct, frozen=True):
    """Means and deviations of features (logarithms taken), as manifests hold them, and of thumbnail channels."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    channel_mean: Array
    channel_std: Array


def scaling(table: Table, images: NDArray[np.intp]) -> Scaling:
    """Return the scaling measured on some images."""
    features = table.scaled_features()[images].astype(np.float64)
    pictures = table.thumbnails[images].reshape(-1, 4).astype(np.float32) / 255
    return Scaling(
        features.mean(axis=0).round(DIGITS),
        (features.std(axis=0) + 1e-3).round(DIGITS),
        pictures.mean(axis=0),
        pictures.std(axis=0) + 1e-3,
    )


def normalised(table: Table, scale: Scaling) -> Array:
    """Return the features as models are shown them, [images, features]; the exported predictor clamps likewise.

    To the last bit what is served: half of the images share a value (no transparency, say), and trees tell it from
    the next one, a millionth of it away.
    """
    features = log_scaled(np.array([label.features.vector() for label in table.labels], dtype=np.float64))
    return ((features - scale.mean) / scale.std).clip(-FARTHEST, FARTHEST).astype(np.float32)


def derived_rows(table: Table, scale: Scaling) -> Array:
    """Return each run's shown features and plan as models see them, [runs, columns], derived columns at the end."""
    rows = np.hstack([normalised(table, scale)[table.image_of], table.plan_rows()])
    return np.asarray(Derived(scale.mean, scale.std)(torch.tensor(rows)).numpy())


class Batches:
    """The table as tensors: groups of up to `WIDTH` runs of one image, padded; `image_of[g]` is the image.

    Plans come with the columns that are derived from them and their image.
    """

    def __init__(self, table: Table, scale: Scaling, device: torch.device) -> None:
        per_image = np.bincount(table.image_of, minlength=len(table.labels))
        groups = -(-per_image // WIDTH)
        first = groups.cumsum() - groups
        slot = np.concatenate([np.arange(n) for n in per_image])
        group, slot = first[table.image_of] + slot // WIDTH, slot % WIDTH
        self.image_of = torch.tensor(np.repeat(np.arange(len(groups)), groups))
        self.features = torch.tensor(normalised(table, scale)[:, SHOWN])
        pictures = (table.thumbnails.astype(np.float32) / 255 - scale.channel_mean) / scale.channel_std
        self.pictures = torch.tensor(pictures.transpose(0, 3, 1, 2).copy())
        plans = derived_rows(table, scale)[:, self.features.shape[1] :]
        self.plans = torch.zeros(groups.sum(), WIDTH, plans.shape[1])
        self.plans[group, slot] = torch.tensor(plans)
        self.truth = torch.zeros(groups.sum(), WIDTH, 3)
        truth = np.stack([table.quality, table.log_seconds, table.log_bytes], axis=1)
        self.truth[group, slot] = torch.tensor(truth)
        self.weight = torch.zeros(groups.sum(), WIDTH)  # 0 where there is no run
        self.weight[group, slot] = torch.tensor(_weights(table), dtype=torch.float32)
        for name, values in vars(self).items():
            setattr(self, name, values.to(device))

    def groups_of(self, images: NDArray[np.intp]) -> Tensor:
        """Return the groups of some images."""
        return torch.isin(self.image_of, torch.tensor(images, device=self.image_of.device)).nonzero().squeeze(1)

    def of(self, groups: Tensor) -> tuple[Tensor, ...]:
        """Return features, pictures, plans, truth and weight of some groups."""
        images = self.image_of[groups]
        return self.features[images], self.pictures[images], self.plans[groups], self.truth[groups], self.weight[groups]


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
    rows = derived_rows(table, scale)
    trained = np.flatnonzero(table.splits == "train")
    # Trees and networks are weighed on drawings that neither has seen, having seen as many others.
    folds = np.array([hash_of(f"{t.spec.family}/{t.spec.drawing}") % FOLDS for t in table.labels])
    members, heard = [], []
    for index in range(MEMBERS):
        torch.manual_seed(seed + index)
        fold = folds[trained] == index
        # A corpus too small to set drawings aside checks itself.
        fit, check = (trained[~fold], trained[fold]) if 0 < fold.sum() < len(fold) else (trained, trained)
        member = Member(batches.features.shape[1], rows[np.isin(table.image_of, fit)]).to(device)
        _train_member(member, batches, fit, check, epochs, partial(report, index))
        heard.append((np.isin(table.image_of, check), _estimates(member.eval(), batches, check)))
        members.append(member.cpu())
    grown = _grown(table, rows, folds, seed, partial(report, MEMBERS))
    shares, margins = _weighed(table, heard, grown)
    return Predictor(members, grown.module, Derived(scale.mean, scale.std), shares, margins).eval()


def _estimates(member: Member, batches: Batches, images: NDArray[np.intp]) -> Array:
    """Return what a network says of all runs on some images, in the table's order, [runs, 3]."""
    features, pictures, plans, _, weight = batches.of(batches.groups_of(images))
    with torch.no_grad():
        said = member(features, pictures, torch.ones(len(features), 1, device=features.device), plans)
    return np.asarray(said[weight > 0].cpu().numpy())


def _grown(
    table: Table, rows: Array, folds: NDArray[np.intp], seed: int, report: Callable[[int, float], None]
) -> Fitted:
    """Return boosted trees fitted to the runs on training images, with what they say of all runs of the table.

    What they have not learnt from is no number.
    """
    own = np.flatnonzero(table.splits[table.image_of] == "train")
    logs = np.column_stack([table.log_seconds[own], table.log_bytes[own]]).astype(np.float64)
    done = iter(range(FOLDS + 3))
    fitted = fit_boosted(
        rows[own],
        table.quality[own].astype(np.float64),
        logs,
        folds[table.image_of[own]],
        _weights(table)[own],
        seed,
        lambda: report(next(done), 0.0),
        of_quality=OF_QUALITY,
    )
    unseen, margins = (np.full((len(table), 3), np.nan) for _ in range(2))
    unseen[own], margins[own] = fitted.unseen, fitted.margins
    return Fitted(module=fitted.module, unseen=unseen, margins=margins)


def _weights(table: Table) -> NDArray[np.float64]:
    return np.where(np.isin(table.origins, METHODS), 1.0, UNPROPOSED)


def _weighed(
    table: Table, heard: Sequence[tuple[NDArray[np.bool_], Array]], grown: Fitted
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return the networks' shares with the least squared error, and what the trees' margins are to be multiplied by.

    `heard` is what each network says of runs that it has not seen. There the expected error of quality becomes the mean
    error of what shares make of both, and bounds are kept as often as they say.
    """
    truth = np.column_stack([table.quality, table.log_seconds, table.log_bytes])
    off = np.concatenate([truth[runs] - grown.unseen[runs] for runs, _ in heard])
    toward = np.concatenate([said - grown.unseen[runs] for runs, said in heard])
    margins = np.concatenate([grown.margins[runs] for runs, _ in heard])
    weights = np.concatenate([_weights(table)[runs] for runs, _ in heard])
    shares = (weights @ (off * toward) / np.maximum(weights @ toward**2, 1e-12)).clip(0, 1)
    left = off - shares * toward
    within = [_quantile(left[:, i] / margins[:, i], weights, HIGH) for i in (1, 2)]
    told = [float(weights @ np.abs(left[:, 0]) / (weights @ margins[:, 0])), *within]
    quality, seconds, size = (round(float(share), 3) for share in shares)
    error, slower, larger = (round(max(one, LEAST_STRETCH), 3) for one in told)
    return (quality, seconds, size), (error, slower, larger)


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """Return the value that `share` of the weight does not exceed."""
    order = values.argsort()
    reached = weights[order].cumsum()
    return float(values[order][np.searchsorted(reached, share * reached[-1])])


def _train_member(
    member: Member,
    batches: Batches,
    fit: NDArray[np.intp],
    check: NDArray[np.intp],
    epochs: int,
    report: Callable[[int, float], None],
) -> None:
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


def _shuffled(groups: Tensor) -> Iterator[Tensor]:
    yield from groups[torch.randperm(len(groups), device=groups.device)].split(BATCH)


def _loss(member: Member, batches: Batches, groups: Tensor, *, spoil: bool) -> Tensor:
    features, pictures, plans, truth, weight = batches.of(groups)
    shown = torch.ones(len(groups), 1, device=features.device)
    if spoil:
        shown = (torch.rand(len(groups), 1, device=features.device) > NO_THUMBNAIL).float()
        features = features * (torch.rand_like(features) > NO_FEATURE)
        if torch.rand(()) < 0.5:
            pictures = pictures.flip(3)
    off = (member(features, pictures, shown, plans) - truth).abs()
    loss: Tensor = ((off @ off.new_tensor(WEIGHTS)) * weight).sum() / weight.sum()
    return loss
