"""A transformer's encoder that leaves out unknown tokens, drops whole heads, and says where it attended."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Self-attention of several heads.

    Args:
        width: Channels of a token; divisible by ``heads``.
        heads: Heads.
        drop_head: Probability in training that one head of a sample is silent: TransFER's multi-head self-attention
            dropping (Xue et al., ICCV 2021), on the axis of the heads as the paper has it. Their released code indexes
            tokens instead.
    """

    def __init__(self, width: int, heads: int, drop_head: float) -> None:
        super().__init__()
        self.heads = heads
        self.drop_head = drop_head
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)

    def forward(self, tokens: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            tokens: (B, T, C).
            known: (B, T), False for tokens that nobody attends to.

        Returns:
            New tokens (B, T, C), and the heads' mean attention (B, T, T), rows sum to 1, without a gradient.
        """
        batch, count, width = tokens.shape
        query, key, value = self.project(tokens).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        score = (query @ key.transpose(2, 3)) * (width // self.heads) ** -0.5
        score = score.float().masked_fill(~known[:, None, None], -torch.inf)
        weight = torch.softmax(score, dim=3)
        mixed = weight.to(value.dtype) @ value
        if self.training and self.drop_head > 0:
            dropped = torch.randint(self.heads, (batch, 1), device=tokens.device)
            drawn = torch.rand(batch, 1, device=tokens.device) < self.drop_head
            silent = drawn & (torch.arange(self.heads, device=tokens.device) == dropped)
            mixed = mixed * ~silent[:, :, None, None]
        return self.merge(mixed.transpose(1, 2).flatten(2)), weight.detach().mean(dim=1)


class Layer(nn.Module):
    """A pre-norm layer: attention, then two linear layers, each added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float, drop_head: float, ratio: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, drop_head)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, ratio * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(ratio * width, width),
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return new tokens (B, T, C) and the attention (B, T, T)."""
        mixed, weight = self.attention(self.norm(tokens), known)
        tokens = tokens + self.drop(mixed)
        return tokens + self.drop(self.mlp(tokens)), weight


class Encoder(nn.Module):
    """Layers over a class token and others.

    Args:
        width: Channels of a token.
        layers: Layers.
        heads: Heads of each; they divide the width.
        dropout: Of what each layer adds.
        drop_head: As in ``Attention``.
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float, drop_head: float) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.trunc_normal_(self.start, std=0.02)
        self.layers = nn.ModuleList(Layer(width, heads, dropout, drop_head) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Encode.

        Args:
            tokens: (B, T, C).
            known: (B, T).

        Returns:
            The class token (B, C), and the share (B, T) of each other token in it by attention rollout (Abnar and
            Zuidema, 2020: half of each layer's attention, half the token itself), float32, summing to 1 or, where no
            token is known, 0; no gradient.
        """
        batch = len(tokens)
        tokens = torch.cat([self.start.expand(batch, -1, -1).to(tokens.dtype), tokens], dim=1)
        known = torch.cat([known.new_ones(batch, 1), known], dim=1)
        rolled = torch.eye(tokens.shape[1], device=tokens.device).expand(batch, -1, -1)
        itself = 0.5 * rolled
        for layer in self.layers:
            tokens, weight = layer(tokens, known)
            rolled = (0.5 * weight + itself) @ rolled
        share = rolled[:, 0, 1:]
        share = share / share.sum(dim=1, keepdim=True).clamp(min=torch.finfo(share.dtype).tiny)
        first: Tensor = self.norm(tokens[:, 0])
        return first, share
