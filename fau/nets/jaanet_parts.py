"""Parts of JAA-Net: many small networks on equal tensors, each kind as one layer of groups.

Shao et al., "JAA-Net: Joint Facial Action Unit Detection and Face Alignment via Adaptive Attention" (IJCV 2020). The
authors loop over 168 patches and over the AUs, each with layers of its own. Here the channels of all of them stand side
by side: one batch norm, and one convolution of so many groups.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

GRIDS = (8, 4, 2)  # patches along a side, in the three branches of a region layer
REDUCTION = 4  # of the image, by the two region layers
MARGIN = 8  # cells that the four convolutions of the refinement take off


def grouped(in_channels: int, out_channels: int, groups: int, padding: int = 1) -> nn.Conv2d:
    """Make a 3 x 3 convolution for each group, so many channels each before and after it."""
    return nn.Conv2d(groups * in_channels, groups * out_channels, 3, padding=padding, groups=groups)


class GroupedLinear(nn.Module):
    """One linear layer for each group.

    Args:
        in_features: Width of a group before.
        out_features: Width of a group after.
        groups: Number of groups N.
    """

    def __init__(self, in_features: int, out_features: int, groups: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_features)  # torch's start of a linear layer
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(groups * out_features, in_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(groups * out_features).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, N, in_features) to (B, N, out_features)."""
        weight = self.weight.view(self.groups, -1, self.weight.shape[1])
        return torch.einsum("bni,noi->bno", features, weight) + self.bias.view(self.groups, -1)


class PatchConv(nn.Module):
    """Batch norm, ReLU and convolution with weights of their own for each patch; a patch does not see the next.

    Args:
        in_channels: Channels before.
        out_channels: Channels after.
        grid: Patches along each side.
    """

    def __init__(self, in_channels: int, out_channels: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.norm = nn.BatchNorm2d(grid * grid * in_channels)
        self.conv = grouped(in_channels, out_channels, grid * grid)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, H, W), sides divisible by the grid, to (B, out_channels, H, W)."""
        grid = self.grid
        batch, channels, height, width = image.shape
        patches = image.reshape(batch, channels, grid, height // grid, grid, width // grid).permute(0, 2, 4, 1, 3, 5)
        made: Tensor = self.conv(functional.relu(self.norm(patches.flatten(1, 3)), inplace=True))
        patches = made.reshape(batch, grid, grid, -1, height // grid, width // grid).permute(0, 3, 1, 4, 2, 5)
        return patches.reshape(batch, -1, height, width)


class RegionLayer(nn.Module):
    """A convolution and, added to it, what patches of three sizes make of it, one size after the other.

    Args:
        in_channels: Channels before.
        channels: Channels after, a multiple of 4.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1)
        widths = (channels, channels // 2, channels // 4, channels // 4)
        self.branches = nn.ModuleList(
            PatchConv(before, after, grid) for (before, after), grid in zip(pairwise(widths), GRIDS, strict=True)
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H, W)."""
        whole = self.conv(image).contiguous()
        made = [whole]
        for branch in self.branches:
            made.append(branch(made[-1]))
        return functional.relu(self.norm(whole + torch.cat(made[1:], dim=1)), inplace=True)


def extractor(in_channels: int, unit: int, groups: int = 1) -> nn.Sequential:
    """Make the block of six convolutions and three poolings that every branch has, for groups side by side.

    Args:
        in_channels: Channels of a group before.
        unit: d; a group has 12 d, 16 d and 20 d channels.
        groups: Branches with weights of their own.
    """
    layers: list[nn.Module] = []
    for width in (12 * unit, 16 * unit, 20 * unit):
        for before in (in_channels, width):
            layers += [
                grouped(before, width, groups),
                nn.BatchNorm2d(groups * width),
                nn.ReLU(inplace=True),
            ]
        layers.append(nn.MaxPool2d(2))
        in_channels = width
    return nn.Sequential(*layers)


def refinement(unit: int, groups: int) -> nn.Sequential:
    """Make what turns each AU's initial map into its refined one, ``MARGIN`` cells smaller, 0..1.

    Args:
        unit: An eighth of the channels of an AU between the layers.
        groups: Number of AUs: maps (B, groups, K, K) become (B, groups, M, M).
    """
    layers: list[nn.Module] = []
    before = 1
    for _ in range(3):
        layers += [
            grouped(before, 8 * unit, groups, padding=0),
            nn.BatchNorm2d(groups * 8 * unit),
            nn.ReLU(inplace=True),
        ]
        before = 8 * unit
    layers += [grouped(before, 1, groups, padding=0), nn.Sigmoid()]
    return nn.Sequential(*layers)
