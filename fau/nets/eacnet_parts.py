"""Parts of EAC-Net: stages of a VGG with an enhancing layer, crops around points, a small network for each crop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fau.errors import FauError
from fau.nets.backbone import Trunk
from fau.nets.jaanet_parts import GroupedLinear, grouped

STAGES = 5
CROP = 3  # cells along a crop's side


class Stage(nn.Module):
    """Convolutions between two poolings, and the enhancing layer: the first one's output, times a map, added on.

    Args:
        first: The first convolution up to its ReLU.
        rest: The others.
    """

    def __init__(self, first: nn.Sequential, rest: nn.Sequential) -> None:
        super().__init__()
        self.first = first
        self.rest = rest

    def forward(self, features: Tensor, weight: Tensor | None = None) -> Tensor:
        """Map (B, C, H, W) to (B, C', H, W).

        Args:
            features: (B, C, H, W).
            weight: (B, 1, H, W), the attention; None leaves the stage as VGG has it.
        """
        first: Tensor = self.first(features)
        last: Tensor = self.rest(first)
        return last if weight is None else last + first * weight.to(first.dtype)


def vgg_stages(
    name: str, pretrained: bool | str, divisor: int
) -> tuple[nn.ModuleList, list[int], tuple[Any, Any]]:  # mean and std, as timm has them
    """Cut a VGG of timm into its five stages.

    Args:
        name: A VGG of timm, such as ``vgg19``, ``vgg11`` or ``vgg11_bn``.
        pretrained: As in ``fau.nets.backbone.Trunk``.
        divisor: What the published widths are divided by.

    Returns:
        The stages, their widths, and the mean and standard deviation of the pixels that timm's weights expect.

    Raises:
        FauError: If the model is no VGG, or its weights cannot be had.
    """
    # Any size will do: only convolutions are taken. Of the linear layers after them, 120 million random weights, the
    # least is made; but a file of weights has to find them.
    made = Trunk(name, pretrained, 32, options={} if pretrained or "vgg" not in name else {"mlp_ratio": 1 / 4096})
    layers = getattr(made.model, "features", None)
    known = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d)
    if not isinstance(layers, nn.Sequential) or not all(isinstance(layer, known) for layer in layers):
        raise FauError(
            f"EACNet is built on a VGG, and '{name}' is none; set net.trunk to vgg19, or vgg11_bn to be small"
        )
    stages, widths = nn.ModuleList(), []
    stage: list[nn.Module] = []
    firsts = 0
    channels = 3
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d):
            stages.append(Stage(nn.Sequential(*stage[:firsts]), nn.Sequential(*stage[firsts:])))
            widths.append(channels)
            stage, firsts = [], 0
            continue
        if divisor > 1:
            layer = _narrowed(layer, divisor)
        stage.append(layer)
        if isinstance(layer, nn.Conv2d):
            channels = layer.out_channels
        if isinstance(layer, nn.ReLU) and not firsts:
            firsts = len(stage)
    return stages, widths, (made.mean, made.std)


def _narrowed(layer: nn.Module, divisor: int) -> nn.Module:
    """Make a layer of a part of the channels, with a start of its own."""
    if isinstance(layer, nn.Conv2d):
        before = 3 if layer.in_channels == 3 else layer.in_channels // divisor
        made = nn.Conv2d(before, layer.out_channels // divisor, 3, padding=1)
        nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")  # as timm starts the whole one
        nn.init.zeros_(made.bias)  # type: ignore[arg-type]
        return made
    return nn.BatchNorm2d(layer.num_features // divisor) if isinstance(layer, nn.BatchNorm2d) else layer


def crop_cells(share: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Say which cells of a map lie in the crops around points.

    A crop lies wholly within the map: beyond a border, or far outside, it is the nearest that does.

    Args:
        share: (B, K, 2), x and y of the points as shares of the image's side; not finite where not known.
        side: Cells along the map's side, 3 or more.

    Returns:
        (B, K, 9) cells, row by row, as row * side + column; and (B, K) bool, True where the point is known.
    """
    known = torch.isfinite(share).all(dim=-1)
    cell = torch.where(known.unsqueeze(-1), share * side, 0.0).floor().clamp(1, side - 2).long()
    step = torch.arange(-1, CROP - 1, device=share.device)
    rows, columns = cell[..., 1, None] + step, cell[..., 0, None] + step
    return (rows.unsqueeze(-1) * side + columns.unsqueeze(-2)).flatten(2), known


def take_cells(features: Tensor, cells: Tensor) -> Tensor:
    """Take cells out of maps, all at once.

    As rows of a table: unlike those of other ways to index, its gradient is the same at each run, on a GPU too.

    Args:
        features: (B, C, H, W).
        cells: int64 (B, ...), as row * W + column.

    Returns:
        (B, ..., C).
    """
    batch, channels = features.shape[:2]
    table = features.permute(0, 2, 3, 1).reshape(-1, channels)
    first = torch.arange(batch, device=cells.device) * (table.shape[0] // batch)
    return functional.embedding(cells + first.view(-1, *[1] * (cells.ndim - 1)), table)


def response_norm(
    features: Tensor, size: int = 5, alpha: float = 0.002, beta: float = 0.75, bias: float = 2.0
) -> Tensor:
    """Normalise each channel by its neighbours': x / (bias + alpha * sum of their squares) ** beta.

    Lasagne's constants: torch's own layer divides alpha by the size.

    Args:
        features: (..., C).
        size: Channels of a sum, odd.
        alpha: Factor of the sum.
        beta: Exponent.
        bias: Added to the sum.
    """
    squares = functional.pad(features.square(), (size // 2, size // 2))
    total = sum(squares[..., i : i + features.shape[-1]] for i in range(size))
    return features / (bias + alpha * total) ** beta


class CropNet(nn.Module):
    """C-Net: crops of 3 x 3 cells around points, each through a convolution and a linear layer of its own.

    Args:
        channels: C, channels of the map.
        crops: K, points.
        width: Features of a crop.
        features: Features of all crops together.
    """

    def __init__(self, channels: int, crops: int, width: int, features: int) -> None:
        super().__init__()
        self.crops = crops
        self.conv = grouped(channels, channels, crops, padding=0)
        self.linear = GroupedLinear(channels * (2 * CROP - 2) ** 2, width, crops)
        self.joint = nn.Sequential(nn.Linear(crops * width, features), nn.ReLU(inplace=True), nn.Dropout(0.5))
        for weight in (self.conv.weight, self.linear.weight):  # by the fans of one crop's layer
            fan_in = weight[0].numel()
            fan_out = weight.shape[0] // crops * (weight[0, 0].numel() if weight.ndim > 2 else 1)
            nn.init.uniform_(weight, -((6 / (fan_in + fan_out)) ** 0.5), (6 / (fan_in + fan_out)) ** 0.5)
        for bias in (self.conv.bias, self.linear.bias):
            nn.init.zeros_(bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, share: Tensor) -> Tensor:
        """Map (B, C, S, S) and points (B, K, 2), as shares of the image's side, to (B, features).

        The crop of a point that is not finite is zero.
        """
        cells, known = crop_cells(share, features.shape[-1])
        with torch.autocast(features.device.type, enabled=False):  # squares overflow half precision
            taken = take_cells(features.to(torch.promote_types(features.dtype, torch.float32)), cells)
            taken = torch.where(known[..., None, None], response_norm(taken), 0.0)
        crop = taken.transpose(2, 3).reshape(len(taken), -1, CROP, CROP)
        crop = functional.interpolate(crop, scale_factor=2.0, mode="nearest")
        local = functional.relu(self.conv(crop), inplace=True).reshape(len(crop), self.crops, -1)
        made: Tensor = self.joint(functional.relu(self.linear(local)).flatten(1))
        return made


def whole_face(inputs: int, hidden: int, features: int) -> nn.Sequential:
    """Make E-Net's two linear layers on the whole last map.

    Args:
        inputs: Numbers of a map, flattened.
        hidden: Width of the first layer.
        features: Width of the second.
    """
    return nn.Sequential(
        *(nn.Linear(inputs, hidden), nn.ReLU(inplace=True), nn.Dropout(0.5)),
        *(nn.Linear(hidden, features), nn.ReLU(inplace=True), nn.Dropout(0.5)),
    )


def glorot(module: nn.Module) -> None:
    """Start linear layers as Lasagne does: evenly, within Glorot's bound, biases at 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
