"""Small EAC-Nets, faces for them, and their maps drawn cell by cell."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from itertools import product
from math import floor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fau.labels import LABEL_SETS
from fau.nets.eacnet import FRAME, EACNet, EACOutput

BP4D = LABEL_SETS["bp4d12"]
TINY: dict[str, Any] = {"trunk": "vgg11", "divisor": 32, "input_size": 32}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@cache
def _made(variant: str, outputs: int, settings: frozenset[tuple[str, Any]]) -> EACNet:
    """Draw a network's weights, a tenth of a second, once."""
    return EACNet(outputs, variant, **dict(settings))  # type: ignore[arg-type]


def net_of(variant: str = "eacnet", outputs: int = 12, **more: Any) -> EACNet:
    torch.manual_seed(0)
    return deepcopy(_made(variant, outputs, frozenset((TINY | more).items())))


def faces(batch: int = 3, size: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(batch, 3, size, size, generator=generator)
    return image, (size - 1) * torch.rand(batch, 49, 2, generator=generator)


def backward(logits: Tensor) -> None:
    torch.autograd.backward(logits.square().sum())


def maps_of(net: EACNet, image: Tensor, points: Tensor) -> Tensor:
    output = net(image, points)
    assert isinstance(output, EACOutput)
    assert output.maps is not None
    return output.maps


def map_by_hand(centres: list[tuple[float, float]], size: int, slope: float, window: int) -> Tensor:
    """Draw cell by cell what centres, in pixels of an image so wide, make of the 100 x 100 map."""
    drawn = torch.zeros(FRAME, FRAME, dtype=torch.float64)
    for x, y in centres:
        column, row = floor((x + 0.5) / size * FRAME), floor((y + 0.5) / size * FRAME)
        for a, b in product(range(-window, window + 1), repeat=2):
            if 0 <= row + a < FRAME and 0 <= column + b < FRAME:
                value = 1 - slope * (abs(a) + abs(b))
                drawn[row + a, column + b] = max(float(drawn[row + a, column + b]), value)
    return drawn


def saved(net: EACNet, file: Path) -> str:
    torch.save({"state_dict": {f"net.{key}": value for key, value in net.state_dict().items()}}, file)
    return str(file)
