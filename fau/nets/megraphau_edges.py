"""ME-GraphAU's second stage: a feature for each ordered pair of AUs, and a graph network that they gate.

The authors expand features to all N * N pairs, project each pair's D tokens and then average them: a tensor
(B, N * N, D, C), made only to be averaged. Here no such tensor is made. What is computed instead is the same function:

- An attention's rows sum to one, so a linear layer (with its bias) after it may act on its values before it. FAM's
  output F_i = a_i X W is a mixture of the image's D tokens, so ARM's query, key and value of every AU are the same
  mixtures of tokens that are projected once an image.
- The mean over the positions of att_ij V_i is the mean of att_ij's rows, times V_i.
- The batch norm before that mean needs the mean and the mean square of what it normalises, which come from the D x D
  products of values. Values are shifted by their detached mean first, so that E[y^2] - E[y]^2 does not cancel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fau.nets.megraphau_parts import he_init


class CrossAttention(nn.Module):
    """The weights of a single-headed attention; ``EdgeFeatures`` applies them.

    Args:
        channels: Width C; queries and keys have half of it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels // 2)
        self.key = nn.Linear(channels, channels // 2)
        self.value = nn.Linear(channels, channels)
        self.scale = (channels // 2) ** -0.5
        for layer in (self.query, self.key, self.value):
            he_init(layer)


class MomentNorm(nn.Module):
    """Batch norm from moments: what it would normalise is never made. State and arithmetic are torch's.

    Args:
        num_features: Channels.
        eps: Added to the variance.
        momentum: Share of the running statistics that one batch replaces.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, mean: Tensor | None, variance: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
        """Return the factor and the summand (num_features,) that normalise.

        Args:
            mean: (num_features,) of this batch, in training; None uses the running statistics.
            variance: Its variance, biased.
            count: Values behind each of them.
        """
        if mean is None or variance is None:
            mean, variance = self.running_mean, self.running_var
        else:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                unbiased = variance * (count / max(count - 1, 1))
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        factor = self.weight * (variance + self.eps).rsqrt()
        return factor, self.bias - factor * mean


class EdgeFeatures(nn.Module):
    """FAM and ARM, projected, normalised and averaged over positions.

    The edge i * N + j asks with AU j's features what AU i's hold.

    Args:
        channels: Width C.
        num_outputs: AUs N.
    """

    def __init__(self, channels: int, num_outputs: int) -> None:
        super().__init__()
        self.face = CrossAttention(channels)  # FAM: where in the face an AU looks
        self.pair = CrossAttention(channels)  # ARM: what one AU's features hold of another's
        self.project = nn.Linear(channels, channels)
        he_init(self.project)
        self.norm = MomentNorm(num_outputs * num_outputs)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Make the edges.

        Args:
            features: (B, D, N, C), of each AU.
            tokens: (B, D, C), of the face.

        Returns:
            (B, N * N, C).
        """
        batch, positions, aus, channels = features.shape
        looks = self._looks(features, tokens)  # (B, N * D, D): rows mix the face's tokens into an AU's
        face = self.face.value(tokens)
        query, key = self.pair.query(face), self.pair.key(face)
        # value and projection are one linear map
        weight = self.project.weight @ self.pair.value.weight
        bias = functional.linear(self.pair.value.bias, self.project.weight, self.project.bias)
        value = functional.linear(face, weight, bias)  # (B, D, C)

        # att[b, i, e, j, d]: weight of position e of AU i for position d of AU j
        likeness = torch.bmm(key, query.transpose(1, 2)) * self.pair.scale
        att = torch.bmm(torch.bmm(looks, likeness), looks.transpose(1, 2))
        att = att.view(batch, aus, positions, aus * positions).softmax(dim=2)
        mean_att = att.view(batch, aus, positions, aus, positions).mean(dim=-1)  # (B, N, D, N)
        # (B, N, N, D): the share of each of the face's tokens in an edge
        shares = torch.matmul(mean_att.transpose(2, 3), looks.view(batch, aus, positions, positions).to(att.dtype))
        edges = torch.bmm(shares.reshape(batch, aus * aus, positions).to(value.dtype), value)

        mean = variance = None
        if self.training:
            mean, variance = self._moments(att, looks, shares, value)
        factor: Tensor
        summand: Tensor
        factor, summand = self.norm(mean, variance, batch * positions * channels)
        return edges * factor.unsqueeze(1) + summand.unsqueeze(1)

    def _looks(self, features: Tensor, tokens: Tensor) -> Tensor:
        """FAM's attention (B, N * D, D), the queries' projection moved over to the keys, which are N times fewer."""
        batch, positions, aus, _ = features.shape
        key = self.face.key(tokens)
        moved = torch.matmul(key, self.face.query.weight) * self.face.scale  # (B, D, C)
        constant = torch.matmul(key, self.face.query.bias) * self.face.scale  # (B, D)
        scores = torch.baddbmm(
            constant.unsqueeze(1).to(moved.dtype), features.flatten(1, 2).to(moved.dtype), moved.transpose(1, 2)
        )
        # AU by AU while there are only D columns
        return scores.view(batch, positions, aus, positions).transpose(1, 2).softmax(dim=-1).flatten(1, 2)

    def _moments(self, att: Tensor, looks: Tensor, shares: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (N * N,) over images, positions and channels of att_ij V_i, float32 at least."""
        batch, aus, positions, _ = att.shape
        channels = value.shape[-1]
        wide = torch.promote_types(value.dtype, torch.float32)
        shift = value.detach().mean(dtype=wide)
        value = value - shift.to(value.dtype)
        sums = value.sum(dim=-1, dtype=wide)  # (B, D)
        mean = torch.matmul(shares.to(wide), sums.view(batch, 1, positions, 1)).mean(dim=0).flatten() / channels
        gram = torch.bmm(value, value.transpose(1, 2))  # of the face's tokens
        own = torch.bmm(torch.bmm(looks, gram).view(batch * aus, positions, positions),
                        looks.view(batch * aus, positions, positions).transpose(1, 2))  # fmt: skip
        rows = att.view(batch * aus, positions, aus * positions)
        squares = (torch.bmm(own, rows.to(own.dtype)) * rows).view(batch, aus, positions, aus, positions)
        mean_square = squares.sum(dim=(0, 2, 4), dtype=wide).flatten() / (batch * positions * channels)
        return mean + shift, (mean_square - mean.square()).clamp(min=0)


class GatedLayer(nn.Module):
    """One gated graph layer: edges learn from their ends, nodes from each other through the edges.

    Args:
        channels: Width C.
        num_outputs: AUs N.
        inner_relu: Put the nodes' ReLU before the sum with their old value, as OpenGraphAU does, and not after it.
    """

    def __init__(self, channels: int, num_outputs: int, inner_relu: bool = False) -> None:
        super().__init__()
        self.inner_relu = inner_relu
        self.nodes = nn.Linear(channels, 4 * channels, bias=False)  # U, V, A, B of the paper, one product
        self.edges = nn.Linear(channels, channels, bias=False)  # its E
        self.node_norm = nn.BatchNorm1d(num_outputs)  # one scale an AU, and one an edge
        self.edge_norm = nn.BatchNorm1d(num_outputs * num_outputs)
        nn.init.normal_(self.nodes.weight, 0.0, math.sqrt(2.0 / channels))
        he_init(self.edges)

    def forward(self, nodes: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Update nodes (B, N, C) and edges (B, N * N, C)."""
        batch, aus, channels = nodes.shape
        own, other, to, start = self.nodes(nodes).chunk(4, dim=-1)
        ends = to.unsqueeze(2) + start.unsqueeze(1)
        edges = edges + torch.relu(self.edge_norm(ends.flatten(1, 2) + self.edges(edges)))
        gate = edges.sigmoid().view(batch, aus, aus, channels).softmax(dim=2)
        message = (gate * other.unsqueeze(1)).mean(dim=2)
        update = self.node_norm(own + message)
        return nodes + torch.relu(update) if self.inner_relu else torch.relu(nodes + update), edges
