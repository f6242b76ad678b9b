"""Attention over the positions of a feature map, and the head that GLA-CNN and the backbones share.

After Le et al., "Global-local attention for emotion recognition" (2021), in the form without the global vector that
Le Hoai et al. (ABAW 2022) use for action units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fau.nets.output import NetOutput

KERAS_NORM_EPS = 1e-3  # Keras' default; PyTorch's is 1e-5
KERAS_NORM_MOMENTUM = 0.01  # Keras' default 0.99 is the share kept, PyTorch's the share replaced


def keras_init(module: nn.Module) -> None:
    """Initialise the convolutions and linear layers under ``module`` as Keras does: Glorot uniform, zero bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class PositionAttention(nn.Module):
    """Weighs the positions of a map by FC, batch norm, ReLU, FC(1) and a softmax over all positions.

    Args:
        channels: Channels C of the map.
        hidden: Width of the first layer. The AU paper does not give it; 128 is GLAMOR-Net's.
        norm_momentum: Share of the batch-norm statistics that one batch replaces.
    """

    def __init__(self, channels: int, hidden: int, norm_momentum: float) -> None:
        super().__init__()
        self.project = nn.Linear(channels, hidden)
        # over the hidden channels, with statistics over B * H * W positions
        self.norm = nn.BatchNorm1d(hidden, eps=KERAS_NORM_EPS, momentum=norm_momentum)
        self.score = nn.Linear(hidden, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Pool a map.

        Args:
            features: (B, C, H, W).

        Returns:
            The weighted sum (B, C), and the weights (B, H, W), float32 at least.
        """
        batch, channels, height, width = features.shape
        vectors = features.permute(0, 2, 3, 1).reshape(batch, height * width, channels)  # a view where channels_last
        hidden = torch.relu(self.norm(self.project(vectors).flatten(0, 1)))
        score = self.score(hidden).view(batch, height * width)
        weight = torch.softmax(score.to(torch.promote_types(score.dtype, torch.float32)), dim=1)
        pooled = torch.bmm(weight.unsqueeze(1).to(vectors.dtype), vectors).squeeze(1)
        return pooled, weight.view(batch, height, width)


class PoolingHead(nn.Module):
    """Pools a map to one vector, by attention or by its mean, and maps it to logits.

    Args:
        channels: Channels C of the map.
        num_outputs: Number of logits.
        attention: Pool by attention; otherwise by the mean over positions (the paper's "without attention", inferred).
        hidden: Hidden width of the attention.
        norm_momentum: Share of the batch-norm statistics that one batch replaces.
    """

    def __init__(self, channels: int, num_outputs: int, attention: bool, hidden: int, norm_momentum: float) -> None:
        super().__init__()
        self.attention = PositionAttention(channels, hidden, norm_momentum) if attention else None
        self.classify = nn.Linear(channels, num_outputs)
        keras_init(self)

    def forward(self, features: Tensor) -> NetOutput:
        """Map features (B, C, H, W) to logits (B, num_outputs)."""
        if self.attention is None:
            return NetOutput(self.classify(features.mean(dim=(2, 3))))
        pooled, weight = self.attention(features)
        return NetOutput(self.classify(pooled), weight)
