from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from fau.errors import FauError
from fau.nets.gla import GLACNN


def _count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_parameter_count() -> None:
    # layer by layer in the table that the paper's numbers give; the pooling adds none
    assert _count(GLACNN(12)) == 1_164_173
    assert _count(GLACNN(12).encoder) == 1_127_808
    assert _count(GLACNN(12, pool="111111", allow_1x1=True)) == 1_164_173
    assert _count(GLACNN(12, attention=False)) == 1_127_808 + 12 * 257


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({}, (7, 7)),
        ({"pool": "111110"}, (3, 3)),
        ({"pool": "111111", "allow_1x1": True}, (1, 1)),
        ({"input_size": 64}, (4, 4)),
        ({"input_size": 32}, (2, 2)),
        ({"input_size": 100}, (6, 6)),
    ],
)
def test_map(settings: dict[str, Any], shape: tuple[int, int]) -> None:
    net = GLACNN(12, **settings).eval()
    with torch.no_grad():
        output = net(torch.zeros(2, 3, net.input_size, net.input_size))
    assert output.attention is not None
    assert output.attention.shape == (2, *shape)


def test_the_literal_reading_makes_attention_do_nothing() -> None:
    torch.manual_seed(0)
    net = GLACNN(12, pool="111111", allow_1x1=True).eval()
    image = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        output = net(image)
        plain = net.head.classify(net.encoder(image).flatten(1))
    assert torch.equal(output.attention, torch.ones(2, 1, 1))
    torch.testing.assert_close(output.logits, plain)


def test_attention_is_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    net = GLACNN(12, input_size=32).eval()
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        features = net.encoder(image)
        output = net(image)
        attention = net.head.attention
        assert attention is not None
        for b in range(2):
            scores = {}
            for i in range(2):
                for j in range(2):
                    hidden = attention.project(features[b, :, i, j])
                    normed = (hidden - attention.norm.running_mean) / torch.sqrt(attention.norm.running_var + 1e-3)
                    scores[i, j] = attention.score(torch.relu(normed)).item()
            total = sum(math.exp(score) for score in scores.values())
            pooled = sum(math.exp(scores[i, j]) / total * features[b, :, i, j] for i, j in scores)
            torch.testing.assert_close(output.logits[b], net.head.classify(pooled))
            for i, j in scores:
                assert output.attention[b, i, j].item() == pytest.approx(math.exp(scores[i, j]) / total, rel=1e-4)


def test_without_attention_the_map_is_averaged() -> None:
    net = GLACNN(12, input_size=32, attention=False).eval()
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        output = net(image)
        torch.testing.assert_close(output.logits, net.head.classify(net.encoder(image).mean(dim=(2, 3))))
    assert output.attention is None


def test_keras_constants() -> None:
    torch.manual_seed(0)
    net = GLACNN(12)
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(norms) == 7
    assert all(norm.eps == 1e-3 and norm.momentum == 0.01 for norm in norms)
    convolution = net.encoder[3][0]
    limit = math.sqrt(6 / (9 * (128 + 128)))  # Glorot uniform: kernel positions times channels in and out
    assert convolution.weight.abs().max().item() == pytest.approx(limit, rel=1e-3)
    assert convolution.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
    short = GLACNN(12, norm_momentum=0.1)
    assert all(n.momentum == 0.1 for n in short.modules() if isinstance(n, nn.BatchNorm1d | nn.BatchNorm2d))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"input_size": 31}, "images of 32 px or more, not 31"),
        ({"pool": "111111"}, "images of 128 px or more, not 112"),
        ({"pool": "111110", "input_size": 63}, "images of 64 px or more"),
        ({"input_size": 15, "attention": False}, "images of 16 px or more, not 15"),
        ({"pool": "1111"}, "must be 6 characters"),
        ({"pool": "111102"}, "must be 6 characters"),
        ({"widths": (8, 0, 8, 8, 8, 8)}, "widths"),
        ({"input_size": 0}, "input_size"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        GLACNN(12, **settings)


def test_a_small_image_is_refused_when_it_comes() -> None:
    with pytest.raises(FauError, match="32 px or more, not 16"):
        GLACNN(12)(torch.zeros(1, 3, 16, 112))
    GLACNN(12).eval()(torch.zeros(1, 3, 48, 96))
