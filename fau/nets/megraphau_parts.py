"""What both stages of ME-GraphAU share, and the graph of its first: features of each AU, a graph layer, a classifier.

Luo et al., "Learning Multi-dimensional Edge Feature-based AU Relation Graph for Facial Action Unit Recognition" (IJCAI
2022). N is the number of action units, D the positions of the trunk's last map, C the working width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Metric = Literal["dots", "cosine", "l1"]


def he_init(layer: nn.Linear, out_features: int | None = None) -> None:
    """Draw weights from N(0, 2 / outputs), as the authors do throughout; a bias keeps torch's start."""
    nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / (out_features or layer.out_features)))


class LinearBlock(nn.Module):
    """A linear layer, batch norm over all tokens, and ReLU.

    Args:
        in_features: Width before.
        out_features: Width of one block after.
        blocks: So many blocks on the same tokens side by side: one matrix product and one batch norm for all of them.
    """

    def __init__(self, in_features: int, out_features: int, blocks: int = 1) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, blocks * out_features)
        self.norm = nn.BatchNorm1d(blocks * out_features)
        he_init(self.linear, out_features)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, D, in_features) to (B, D, blocks * out_features)."""
        rows: Tensor = self.norm(self.linear(tokens).flatten(0, 1))
        return functional.relu(rows, inplace=True).view(*tokens.shape[:2], -1)


def similarity_graph(nodes: Tensor, neighbours: int, metric: Metric) -> Tensor:
    """Link each AU to those most like it (FGG), without a gradient.

    Args:
        nodes: (B, N, C).
        neighbours: k; those as like as the k-th are linked too, so ties add links. An AU need not be linked to itself.
        metric: Dot product, cosine, or negative l1 distance.

    Returns:
        (B, N, N), the links normalised by the row sums on both sides; float32 at least, for half precision makes ties.
    """
    with torch.no_grad(), torch.autocast(nodes.device.type, enabled=False):
        nodes = nodes.to(torch.promote_types(nodes.dtype, torch.float32))
        if metric == "l1":
            likeness = -(nodes.unsqueeze(1) - nodes.unsqueeze(2)).abs().sum(dim=-1)
        else:
            if metric == "cosine":
                nodes = functional.normalize(nodes, dim=-1)
            likeness = nodes @ nodes.transpose(1, 2)
        least = likeness.topk(min(neighbours, nodes.shape[1]), dim=-1).values[..., -1:]
        links = (likeness >= least).to(nodes.dtype)
        scale = links.sum(dim=-1).rsqrt()
        return scale.unsqueeze(2) * links * scale.unsqueeze(1)


class SimilarityGraph(nn.Module):
    """One graph layer over the AUs that an image makes alike (FGG): V' = ReLU(V + BN(A V W_v + V W_u)).

    Args:
        channels: Width C.
        num_outputs: AUs N.
        neighbours: Links of each AU.
        metric: What likeness is.
    """

    def __init__(self, channels: int, num_outputs: int, neighbours: int, metric: Metric) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.metric: Metric = metric
        self.own = nn.Linear(channels, channels)
        self.others = nn.Linear(channels, channels)
        self.norm = nn.BatchNorm1d(num_outputs)  # one scale an AU: statistics over images and channels
        he_init(self.own)
        he_init(self.others)

    def forward(self, nodes: Tensor) -> Tensor:
        """Update nodes (B, N, C)."""
        graph = similarity_graph(nodes, self.neighbours, self.metric)
        return torch.relu(nodes + self.norm(torch.bmm(graph, self.others(nodes)) + self.own(nodes)))


class CosineClassifier(nn.Module):
    """Scores each AU by the cosine of its node and its trained vector, both non-negative: a probability as it stands.

    A component of a vector that starts below zero gets no gradient through the ReLU and stays off, as the authors' do.

    Args:
        channels: Width C.
        nodes: Nodes N, each with an output.
        sided: Nodes with two more outputs, for the left and the right of the face; these follow after the N.
    """

    node_of_output: Tensor | None

    def __init__(self, channels: int, nodes: int, sided: Sequence[int] = ()) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nodes + 2 * len(sided), channels))
        nn.init.xavier_uniform_(self.weight.data[:nodes])
        if sided:
            nn.init.xavier_uniform_(self.weight.data[nodes:])
        node_of_output = torch.tensor([*range(nodes), *(node for node in sided for _ in range(2))]) if sided else None
        self.register_buffer("node_of_output", node_of_output, persistent=False)

    def forward(self, nodes: Tensor) -> Tensor:
        """Score non-negative nodes (B, N, C): (B, outputs), 0..1 but for rounding, float32 at least."""
        with torch.autocast(nodes.device.type, enabled=False):
            wide = torch.promote_types(nodes.dtype, self.weight.dtype)
            vectors = functional.normalize(torch.relu(self.weight.to(wide)), dim=-1)
            nodes = functional.normalize(nodes.to(wide), dim=-1)
            if self.node_of_output is not None:
                nodes = nodes[:, self.node_of_output]
            return (nodes * vectors).sum(dim=-1)
