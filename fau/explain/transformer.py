"""Attention inside a vision transformer: head by head in its last block, and rolled out over all blocks.

Rolled out as by Abnar and Zuidema, "Quantifying attention flow in transformers" (ACL 2020): heads averaged, half of
each block's weight on the residual path, the blocks' matrices multiplied. The flow is followed back from what the head
pools: the patches, by the head's own attention where it has some, else evenly.

timm's ``AttentionExtract`` is not used: its hooks stay on the network, which may be in training here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fau.errors import FauError
from fau.explain.layers import last_map
from fau.nets.output import Net


@dataclass
class _Recorded:
    """What one forward pass leaves: the blocks' attention (B, heads, N, N), and what the head pools by (B, patches)."""

    blocks: list[Tensor]
    pooled: Tensor
    height: int
    width: int


@contextmanager
def _recording(net: nn.Module) -> Iterator[list[Tensor]]:
    """Have every attention of timm's kind compute its weights in the open, and collect them in order."""
    found = [part for part in net.modules() if hasattr(part, "fused_attn") and hasattr(part, "attn_drop")]
    fused = [part.fused_attn for part in found]
    weights: list[Tensor] = []
    handles = []
    try:
        for part in found:
            part.fused_attn = False  # type: ignore[assignment]  # a plain attribute; the fused kernel shows no weights
            hook = part.attn_drop.register_forward_hook(lambda _part, _inputs, output: weights.append(output.detach()))  # type: ignore[union-attr]
            handles.append(hook)
        yield weights
    finally:
        for handle in handles:
            handle.remove()
        for part, before in zip(found, fused, strict=True):
            part.fused_attn = before


def _record(net: Net, image: Tensor, more: tuple[Tensor, ...]) -> _Recorded | None:
    with _recording(net) as weights:
        place = last_map(net, image, more)
        if place is None or not weights:
            return None
        weights.clear()
        output = net(image, *more)
    height, width = place.shape[-2:]
    patches = height * width
    whole = (len(image), weights[0].shape[-1], weights[0].shape[-1])
    same = all(value.ndim == 4 and (len(value), *value.shape[2:]) == whole for value in weights)
    if not same or not patches <= whole[1] <= patches + 16:  # windows of a Swin; class and register tokens are few
        return None
    even = torch.full((len(image), patches), 1 / patches, device=image.device)
    own = output.attention
    fits = own is not None and own.shape == (len(image), height, width)
    return _Recorded(weights, own.flatten(1).float() if own is not None and fits else even, height, width)


def layers(net: Net, image: Tensor, more: tuple[Tensor, ...]) -> int:
    """Return how many blocks of a network attend from all tokens to all; 0 where it is no such transformer."""
    recorded = _record(net, image, more)
    return 0 if recorded is None else len(recorded.blocks)


def _recorded(net: Net, image: Tensor, more: tuple[Tensor, ...]) -> _Recorded:
    recorded = _record(net, image, more)
    if recorded is None:
        raise FauError(
            f"{type(net).__name__} has no blocks in which every patch attends to all, as a ViT has; "
            "choose the method cam"
        )
    return recorded


def _on_patches(weight: Tensor, recorded: _Recorded) -> Tensor:
    """Return the weights (..., N) of tokens as maps (..., h, w) of the patches, which come last."""
    patches = weight[..., weight.shape[-1] - recorded.height * recorded.width :]
    return patches.reshape(*patches.shape[:-1], recorded.height, recorded.width)


def heads(net: Net, image: Tensor, more: tuple[Tensor, ...]) -> Tensor:
    """Return where the pooled patches attend to in the last block, (B, heads, h, w).

    Args:
        net: The network.
        image: (B, 3, S, S).
        more: What else it takes, such as landmarks.

    Raises:
        FauError: If the network is no such transformer.
    """
    recorded = _recorded(net, image, more)
    last = recorded.blocks[-1].float()
    rows = last[:, :, last.shape[2] - recorded.pooled.shape[1] :]
    return _on_patches(torch.einsum("bp,bhpn->bhn", recorded.pooled, rows), recorded)


def rollout(net: Net, image: Tensor, more: tuple[Tensor, ...]) -> Tensor:
    """Return where in the image the pooled patches come from, (B, 1, h, w).

    Args:
        net: The network.
        image: (B, 3, S, S).
        more: What else it takes, such as landmarks.

    Raises:
        FauError: If the network is no such transformer.
    """
    recorded = _recorded(net, image, more)
    tokens = recorded.blocks[0].shape[-1]
    flow = _of_all_tokens(recorded.pooled, tokens)
    for block in reversed(recorded.blocks):
        flow = 0.5 * flow + 0.5 * torch.einsum("bm,bmn->bn", flow, block.float().mean(dim=1))
    return _on_patches(flow, recorded).unsqueeze(1)


def _of_all_tokens(pooled: Tensor, tokens: int) -> Tensor:
    """Return weights of the patches (B, P) as weights of all tokens (B, tokens): 0 on class and register tokens."""
    return torch.cat([pooled.new_zeros(len(pooled), tokens - pooled.shape[1]), pooled], dim=1)
