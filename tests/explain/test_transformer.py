"""Attention of a vision transformer against what its weights say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from seen import random_faces
from torch import nn

from fau.explain.maps import make_maps, methods
from fau.modules.detection import AUDetection
from fau.nets.backbone import Backbone

VIT = {"patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 3}


def _module(attention: bool = False, name: str = "vit_tiny_patch16_224", **options: object) -> AUDetection:
    torch.manual_seed(0)
    return AUDetection(
        "1,2", net=lambda n: Backbone(n, name, input_size=32, attention=attention, hidden=8, options=options or VIT)
    ).eval()


def _weights(trained: AUDetection, image: torch.Tensor) -> list[torch.Tensor]:
    """Each block's attention (B, heads, N, N), from its queries and keys."""
    found = []

    def keep(part: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        (x,) = inputs
        batch, tokens, _ = x.shape
        q, k, _ = part.qkv(x).reshape(batch, tokens, 3, part.num_heads, -1).permute(2, 0, 3, 1, 4)  # type: ignore[operator]
        found.append((q @ k.transpose(-2, -1) * part.scale).softmax(-1))  # type: ignore[operator]

    handles = [block.attn.register_forward_pre_hook(keep) for block in trained.net.features.blocks]
    with torch.no_grad():
        trained.net(image)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("attention", [False, True])
def test_rollout_is_the_product_of_all_blocks(attention: bool) -> None:
    trained, faces = _module(attention), random_faces()
    image = trained.transform(torch.from_numpy(faces.crops))
    blocks = _weights(trained, image)
    tokens = blocks[0].shape[-1]
    whole = torch.eye(tokens).expand(3, -1, -1)
    for block in blocks:
        whole = (0.5 * block.mean(1) + 0.5 * torch.eye(tokens)) @ whole
    with torch.no_grad():
        own = trained.net(image).attention
    pooled = torch.full((3, 16), 1 / 16) if own is None else own.flatten(1)
    expected = torch.einsum("bp,bpn->bn", pooled, whole[:, 1:])[:, 1:].view(3, 4, 4)  # 1 class token
    made = make_maps(trained, faces, "rollout", [])
    np.testing.assert_allclose(made.values[:, 0], expected.numpy(), rtol=1e-4, atol=1e-7)


def test_heads_are_rows_of_the_last_block() -> None:
    trained, faces = _module(), random_faces()
    last = _weights(trained, trained.transform(torch.from_numpy(faces.crops)))[-1]
    made = make_maps(trained, faces, "heads", [])
    np.testing.assert_allclose(made.values.reshape(3, 3, 16), last[:, :, 1:, 1:].mean(2).numpy(), rtol=1e-4)


def test_even_attention_gives_an_even_map() -> None:
    trained = _module()
    for block in trained.net.features.blocks:
        nn.init.zeros_(block.attn.qkv.weight)  # all products 0: every token attends to all alike
        nn.init.zeros_(block.attn.qkv.bias)
    for method in ("rollout", "heads"):
        density = make_maps(trained, random_faces(), method, []).density(32)
        np.testing.assert_allclose(density, 1, rtol=1e-5)


def test_methods_of_transformers_and_others() -> None:
    faces = random_faces()
    assert methods(_module(), faces) == ["rollout", "heads", "cam"]
    assert methods(_module(attention=True), faces) == ["attention", "rollout", "heads", "cam"]
    swin = {"patch_size": 2, "embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4}
    assert methods(_module(name="swin_tiny_patch4_window7_224", **swin), faces) == ["cam"]
    assert methods(_module(name="test_resnet", in_chans=3), faces) == ["cam"]


def test_the_network_stays_as_it_was() -> None:
    trained = _module()
    blocks = trained.net.features.blocks
    before = [block.attn.fused_attn for block in blocks]
    scores = trained.net(torch.zeros(1, 3, 32, 32)).logits
    make_maps(trained, random_faces(), "rollout", [])
    assert [block.attn.fused_attn for block in blocks] == before
    assert not any(part._forward_hooks for part in trained.modules())
    assert torch.equal(trained.net(torch.zeros(1, 3, 32, 32)).logits, scores)
