"""Where in a network its last map over the whole image is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fau.nets.attention import PoolingHead
from fau.nets.backbone import Trunk
from fau.nets.output import Net


@dataclass(frozen=True)
class Place:
    """A module whose input or output is a map (B, C, h, w).

    Attributes:
        module: The module.
        name: Its name in the network.
        at_input: Whether the map is what it takes rather than what it gives.
        shape: (B, C, h, w).
    """

    module: nn.Module
    name: str
    at_input: bool
    shape: tuple[int, ...]


def last_map(net: Net, image: Tensor, more: tuple[Tensor, ...]) -> Place | None:
    """Find the last map of a network by running it once; None where it has none of two positions or more.

    It is what a ``PoolingHead`` takes or a ``Trunk`` gives, in which tokens and channels-last maps have become maps
    already; in other networks what the last module gives that gives a map of the whole batch.
    """
    named = {name: module for name, module in net.named_modules() if name and not name.startswith("_")}
    pooling = {name: module for name, module in named.items() if isinstance(module, PoolingHead)}
    trunks = {name: module for name, module in named.items() if isinstance(module, Trunk)}
    at_input = bool(pooling)
    found: list[Place] = []

    def hook(name: str) -> Any:
        def keep(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            value = inputs[0] if at_input and inputs else output
            if isinstance(value, Tensor) and value.ndim == 4 and len(value) == len(image) and value[0, 0].numel() > 1:
                found.append(Place(module, name, at_input, tuple(value.shape)))

        return keep

    handles = [module.register_forward_hook(hook(name)) for name, module in (pooling or trunks or named).items()]
    try:
        with torch.no_grad():
            net(image, *more)
    finally:
        for handle in handles:
            handle.remove()
    return found[-1] if found else None
