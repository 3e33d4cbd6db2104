"""Boosted trees as a torch module: the same tensors give TorchScript and ONNX, so both lanes answer alike."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor, nn


class Trees(nn.Module):
    """Boosted ensembles, one an output, walked all together: [rows, columns] to [rows, outputs].

    Nodes of all trees lie in flat arrays; a leaf leads to itself, so that all walks may take as many steps.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    roots: Tensor
    output_of: Tensor
    baseline: Tensor

    def __init__(self, ensembles: Sequence[HistGradientBoostingRegressor]) -> None:
        super().__init__()
        trees = [(output, tree[0].nodes) for output, one in enumerate(ensembles) for tree in one._predictors]  # noqa: SLF001 - scikit-learn tells its trees nowhere else
        counts = np.array([len(nodes) for _, nodes in trees])
        roots = counts.cumsum() - counts
        nodes = np.concatenate([nodes for _, nodes in trees])
        own, root = np.arange(len(nodes)), np.repeat(roots, counts)
        leaf = nodes["is_leaf"].astype(bool)
        self.depth = int(max(nodes["depth"].max() for _, nodes in trees))
        # Steps rather than places: they fit into 16 bits.
        left = np.where(leaf, 0, nodes["left"].astype(np.int64) + root - own)
        right = np.where(leaf, 0, nodes["right"].astype(np.int64) + root - own)
        self.register_buffer("feature", torch.tensor(np.where(leaf, 0, nodes["feature_idx"]).astype(np.int16)))
        self.register_buffer("threshold", torch.tensor(nodes["num_threshold"].astype(np.float32)))
        self.register_buffer("left", torch.tensor(left.astype(np.int16)))
        self.register_buffer("right", torch.tensor(right.astype(np.int16)))
        self.register_buffer("value", torch.tensor(np.where(leaf, nodes["value"], 0).astype(np.float32)))
        self.register_buffer("roots", torch.tensor(roots))
        outputs = torch.tensor([output for output, _ in trees])
        self.register_buffer("output_of", nn.functional.one_hot(outputs, len(ensembles)).float())
        baseline = [float(np.ravel(one._baseline_prediction)[0]) for one in ensembles]  # noqa: SLF001 - likewise
        self.register_buffer("baseline", torch.tensor(baseline))

    def forward(self, rows: Tensor) -> Tensor:
        """Return [rows, outputs]."""
        # Added rather than expanded, so that a traced walk takes any number of rows.
        place = self.roots + torch.zeros_like(rows[:, :1], dtype=torch.int64)
        for _ in range(self.depth):
            seen = torch.gather(rows, 1, self.feature[place].long())
            goes_left = seen <= self.threshold[place]
            place = place + torch.where(goes_left, self.left[place].long(), self.right[place].long())
        answer: Tensor = self.value[place] @ self.output_of + self.baseline
        return answer
