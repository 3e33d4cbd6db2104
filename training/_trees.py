"""Boosted trees as a torch module: walked step by step as TorchScript, one operator as ONNX, the same trees in both."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor, nn

ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 5
# Of the operator `TreeEnsemble` (ONNX, ai.onnx.ml 5).
SUM, AS_IT_IS, LESS_OR_EQUAL = 1, 0, 0

Places = NDArray[np.int64]


class Trees(nn.Module):
    """Boosted ensembles, one an output, walked all together: [rows, columns] to [rows, outputs].

    Nodes of all trees lie in flat arrays; a leaf leads to itself, so that all walks may take as many steps. What lies
    left of a node comes right behind it. `number` is a node's threshold, or a leaf's value.
    """

    feature: Tensor
    number: Tensor
    right: Tensor
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
        left, right = (np.where(leaf, own, nodes[side].astype(np.int64) + root) for side in ("left", "right"))
        output = np.repeat([output for output, _ in trees], counts)
        self._attributes = _attributes(nodes, roots, left, right, output)
        self.register_buffer("feature", torch.tensor(np.where(leaf, 0, nodes["feature_idx"]).astype(np.int16)))
        numbers = np.where(leaf, nodes["value"], nodes["num_threshold"])
        self.register_buffer("number", torch.tensor(numbers.astype(np.float32)))
        # Steps rather than places: they fit into 16 bits, and a leaf's is 0.
        self.register_buffer("right", torch.tensor((right - own).astype(np.int16)))
        self.register_buffer("roots", torch.tensor(roots))
        outputs = torch.tensor([output for output, _ in trees])
        self.register_buffer("output_of", nn.functional.one_hot(outputs, len(ensembles)).float())
        baseline = [float(np.ravel(one._baseline_prediction)[0]) for one in ensembles]  # noqa: SLF001 - likewise
        self.register_buffer("baseline", torch.tensor(baseline))

    def forward(self, rows: Tensor) -> Tensor:
        """Return [rows, outputs]."""
        if torch.onnx.is_in_onnx_export():
            # ONNX Runtime's own operator takes an eighth of the time of the walk, and less room.
            grown: Tensor = _operator(self._attributes).apply(rows)
            return grown + self.baseline
        # Added rather than expanded, so that a traced walk takes any number of rows.
        place = self.roots + torch.zeros_like(rows[:, :1], dtype=torch.int64)
        for _ in range(self.depth):
            seen = torch.gather(rows, 1, self.feature[place].long())
            right = self.right[place].long()
            place = place + torch.where(seen <= self.number[place], right.sign(), right)
        answer: Tensor = self.number[place] @ self.output_of + self.baseline
        return answer


def _attributes(
    nodes: NDArray[Any], roots: Places, left: Places, right: Places, output: Places
) -> dict[str, int | list[int] | NDArray[Any]]:
    """Return trees as the operator has them: nodes that part rows, and leaves, each numbered for itself.

    `left` and `right` are the places of what a node leads to, of a leaf its own.
    """
    leaf = nodes["is_leaf"].astype(bool)
    # The operator knows no tree without a node: where the root is a leaf, it stands before itself.
    parts = ~leaf
    parts[roots] = True
    number = np.where(leaf, leaf.cumsum(), parts.cumsum()) - 1
    return {
        "aggregate_function_i": SUM,
        "post_transform_i": AS_IT_IS,
        "n_targets_i": int(output.max()) + 1,
        "tree_roots_i": (parts.cumsum()[roots] - 1).tolist(),
        "nodes_featureids_i": np.where(leaf, 0, nodes["feature_idx"])[parts].tolist(),
        "nodes_splits_t": nodes["num_threshold"][parts].astype(np.float32),
        "nodes_modes_t": np.full(int(parts.sum()), LESS_OR_EQUAL, np.uint8),
        "nodes_truenodeids_i": number[left[parts]].tolist(),
        "nodes_trueleafs_i": leaf[left[parts]].astype(int).tolist(),
        "nodes_falsenodeids_i": number[right[parts]].tolist(),
        "nodes_falseleafs_i": leaf[right[parts]].astype(int).tolist(),
        "leaf_targetids_i": output[leaf].tolist(),
        "leaf_weights_t": nodes["value"][leaf].astype(np.float32),
    }


def _operator(attributes: dict[str, Any]) -> type[torch.autograd.Function]:
    """Return what the exporter writes as one `TreeEnsemble`, [rows, columns] to [rows, outputs]."""

    class TreeEnsemble(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, rows: Tensor) -> Tensor:
            """Return the shape alone: while an export is written nobody reads the figures."""
            return rows.new_zeros((rows.shape[0], attributes["n_targets_i"]))

        @staticmethod
        def symbolic(graph: Any, rows: Any) -> Any:
            arrays = {name: torch.tensor(one) for name, one in attributes.items() if isinstance(one, np.ndarray)}
            said = graph.op(f"{ML_DOMAIN}::TreeEnsemble", rows, **attributes | arrays)
            # The exporter knows the operator by name only.
            said.setType(rows.type().with_sizes([None, attributes["n_targets_i"]]))
            return said

    return TreeEnsemble
