"""The quality predictor: a small ensemble that sees an image once and scores all its candidates in one run."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training._boosted import Boosted
from training._derived import SHOWN, Derived
from training._narrow import narrowed
from training._run import THUMBNAIL

OUTPUTS = ("quality", "quality_error", "seconds", "seconds_high", "svg_bytes", "svg_bytes_high")
MEMBERS = 2
EMBEDDING = 48
HIDDEN, HIDDEN_OF_FEATURES = 336, 128
BLOCKS = 3
PIECES = 8  # of a column's range, each with as many of the training rows
DECIMALS = 3  # of where pieces begin and end: what lies closer together is the same to a network
# Features further from the mean than this many deviations count as that far: families never seen go further.
FARTHEST = 4.0
ESTIMATES, BOUNDS = [0, 2, 4], [3, 5]  # columns of `OUTPUTS`: quality, seconds, bytes; upper bounds of the latter two


class Pieces(nn.Module):
    """How far each column has come through each piece of its range, 0..1: [.., columns] to [.., columns * pieces].

    Networks follow bends and steps poorly when shown one number a column (Gorishniy et al. 2022, "On Embeddings for
    Numerical Features in Tabular Deep Learning"); so shown, they foretell bytes better than trees do.
    """

    start: Tensor
    width: Tensor

    def __init__(self, rows: NDArray[np.float32]) -> None:
        """Part the range of each column of `rows`, [rows, columns], by its quantiles."""
        super().__init__()
        # Pieces that a column of few values lacks begin where nothing comes.
        start, width = (np.full((rows.shape[1], PIECES), value, np.float32) for value in (np.inf, 1.0))
        for column, values in enumerate(rows.T):
            edges = np.quantile(values, np.linspace(0, 1, PIECES + 1), method="nearest").round(DECIMALS)
            edges = np.unique(edges.astype(np.float32))
            start[column, : len(edges) - 1], width[column, : len(edges) - 1] = edges[:-1], np.diff(edges)
        self.register_buffer("start", torch.tensor(start))
        self.register_buffer("width", torch.tensor(width))

    def forward(self, rows: Tensor) -> Tensor:
        """Return the pieces of a column side by side."""
        return ((rows.unsqueeze(-1) - self.start) / self.width).clamp(0, 1).flatten(-2)


class Block(nn.Module):
    """A layer whose outcome is added to what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Dropout(0.05))

    def forward(self, rows: Tensor) -> Tensor:
        """Return [.., HIDDEN] for as many."""
        added: Tensor = rows + self.layer(rows)
        return added


class Member(nn.Module):
    """One network: thumbnail and features become an embedding, embedding and plan become the three estimates."""

    def __init__(self, features: int, rows: NDArray[np.float32]) -> None:
        """Take as many features, and training rows, [rows, features + plan], to part the range of each column by."""
        super().__init__()
        columns = rows.shape[1]
        self.picture = nn.Sequential(
            nn.Conv2d(4, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(24, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * (THUMBNAIL // 8) ** 2, EMBEDDING),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.numbers = nn.Sequential(
            nn.Linear(features, HIDDEN_OF_FEATURES),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(HIDDEN_OF_FEATURES, EMBEDDING),
        )
        self.pieces = Pieces(rows)
        self.trunk = nn.Sequential(
            nn.Linear(2 * EMBEDDING + 1 + columns * (1 + PIECES), HIDDEN),
            nn.SiLU(),
            nn.Dropout(0.05),
            *(Block() for _ in range(BLOCKS)),
            nn.Linear(HIDDEN, len(ESTIMATES)),
        )
        # Logarithms of seconds and bytes are near linear in what is known, so a straight path learns them first.
        self.straight = nn.Linear(columns, len(ESTIMATES))

    def forward(self, features: Tensor, thumbnail: Tensor, has_thumbnail: Tensor, plans: Tensor) -> Tensor:
        """Return quality 0..1, ln seconds and ln bytes, [images, plans, 3]; plans is [images, plans, P]."""
        image = torch.cat([self.numbers(features), self.picture(thumbnail) * has_thumbnail, has_thumbnail], dim=-1)
        each, own = (one.unsqueeze(1).expand(-1, plans.shape[1], -1) for one in (image, features))
        rows = torch.cat([own, plans], dim=-1)
        raw = self.trunk(torch.cat([each, rows, self.pieces(rows)], dim=-1)) + self.straight(rows)
        return torch.cat([torch.sigmoid(raw[..., :1] + 3.0), raw[..., 1:]], dim=-1)


class Predictor(nn.Module):
    """What is exported: one image, N plans; networks that see the picture and boosted trees, weighed.

    Both see what `derived` works out of features and plans. `shares` are the networks' in quality, seconds and bytes.
    The error of quality and the margins of the bounds are the trees', times `margins`. Seconds and bytes are natural
    logarithms. The networks' weights are kept in eight bits.
    """

    shares: Tensor
    margins: Tensor

    def __init__(
        self,
        members: list[Member],
        boosted: Boosted,
        derived: Derived,
        shares: tuple[float, float, float],
        margins: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(narrowed(member) for member in members)
        self.boosted, self.derived = boosted, derived
        self.register_buffer("shares", torch.tensor(shares))
        self.register_buffer("margins", torch.tensor(margins))

    def forward(self, features: Tensor, thumbnail: Tensor, has_thumbnail: Tensor, plans: Tensor) -> Tensor:
        """Return [N, 6] for features [1, F], thumbnail [1, 4, 32, 32], has_thumbnail [1, 1], plans [N, P]."""
        features = features.clamp(-FARTHEST, FARTHEST)
        rows = self.derived(torch.cat([features + torch.zeros_like(plans[:, :1]), plans], dim=1))
        own, shown = rows[:, len(SHOWN) :].unsqueeze(0), rows[:1, : len(SHOWN)]
        said = torch.stack([member(shown, thumbnail, has_thumbnail, own) for member in self.members])
        seen = said.mean(dim=0).squeeze(0)
        grown = self.boosted(rows)
        figures = grown[:, ESTIMATES]
        quality, seconds, size = (figures + self.shares * (seen - figures)).unbind(-1)
        slower, larger = (self.margins[1:] * (grown[:, BOUNDS] - figures[:, 1:])).unbind(-1)
        off = self.margins[0] * grown[:, 1]
        return torch.stack([quality, off, seconds, seconds + slower, size, size + larger], dim=-1)
