"""The quality predictor: a small ensemble that sees an image once and scores all its candidates in one run."""

import torch
from torch import Tensor, nn

from training._boosted import Boosted
from training._run import THUMBNAIL

OUTPUTS = ("quality", "quality_error", "seconds", "seconds_high", "svg_bytes", "svg_bytes_high")
MEMBERS = 2
EMBEDDING = 48
HIDDEN = 128
# Features further from the mean than this many deviations count as that far: families never seen go further.
FARTHEST = 4.0
ESTIMATES, BOUNDS = [0, 2, 4], [3, 5]  # columns of `OUTPUTS`: quality, seconds, bytes; upper bounds of the latter two


class Member(nn.Module):
    """One network: thumbnail and features become an embedding, embedding and plan become the three estimates."""

    def __init__(self, features: int, plan: int) -> None:
        super().__init__()
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
            nn.Linear(features, HIDDEN), nn.ReLU(), nn.Dropout(0.1), nn.Linear(HIDDEN, EMBEDDING)
        )
        self.trunk = nn.Sequential(
            nn.Linear(2 * EMBEDDING + 1 + features + plan, HIDDEN),
            nn.SiLU(),
            nn.Dropout(0.05),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, len(ESTIMATES)),
        )
        # Logarithms of seconds and bytes are near linear in what is known, so a straight path learns them first.
        self.straight = nn.Linear(features + plan, len(ESTIMATES))

    def forward(self, features: Tensor, thumbnail: Tensor, has_thumbnail: Tensor, plans: Tensor) -> Tensor:
        """Return quality 0..1, ln seconds and ln bytes, [images, plans, 3]; plans is [images, plans, P]."""
        image = torch.cat(
            [self.numbers(features), self.picture(thumbnail) * has_thumbnail, has_thumbnail, features], dim=-1
        )
        each = image.unsqueeze(1).expand(-1, plans.shape[1], -1)
        rows = torch.cat([each, plans], dim=-1)
        numbers = torch.cat([features.unsqueeze(1).expand(-1, plans.shape[1], -1), plans], dim=-1)
        raw = self.trunk(rows) + self.straight(numbers)
        return torch.cat([torch.sigmoid(raw[..., :1] + 3.0), raw[..., 1:]], dim=-1)


class Predictor(nn.Module):
    """What is exported: one image, N plans; networks that see the picture and boosted trees, weighed.

    `weights` are the networks' shares in quality, seconds and bytes. Errors and bounds are the trees': those were
    learnt on drawings that the trees had not seen. Seconds and bytes are natural logarithms.
    """

    shares: Tensor

    def __init__(self, members: list[Member], boosted: Boosted, weights: tuple[float, float, float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.boosted = boosted
        self.register_buffer("shares", torch.tensor(weights))

    def forward(self, features: Tensor, thumbnail: Tensor, has_thumbnail: Tensor, plans: Tensor) -> Tensor:
        """Return [N, 6] for features [1, F], thumbnail [1, 4, 32, 32], has_thumbnail [1, 1], plans [N, P]."""
        features = features.clamp(-FARTHEST, FARTHEST)
        said = torch.stack([m(features, thumbnail, has_thumbnail, plans.unsqueeze(0)) for m in self.members])
        seen = said.mean(dim=0).squeeze(0)
        rows = torch.cat([features + torch.zeros_like(plans[:, :1]), plans], dim=1)
        grown = self.boosted(rows)
        figures = grown[:, ESTIMATES]
        quality, seconds, size = (figures + self.shares * (seen - figures)).unbind(-1)
        slower, larger = (grown[:, BOUNDS] - figures[:, 1:]).unbind(-1)
        return torch.stack([quality, grown[:, 1], seconds, seconds + slower, size, size + larger], dim=-1)
