"""What torchvision lends to timm: the same numbers as torchvision's own, from the same file of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn
from torchvision.models import get_model

from fau.errors import FauError
from fau.nets.backbone import Backbone

# torchvision's name, its options, and its parameters without auxiliary heads.
MODELS = pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("googlenet", {"aux_logits": True, "init_weights": True}, 13_004_888 - 3_188_840 - 3_191_144),
        ("shufflenet_v2_x0_5", {}, 1_366_792),
        ("shufflenet_v2_x2_0", {}, 7_393_996),
    ],
)


@MODELS
def test_a_file_of_torchvisions_gives_its_features(
    name: str, options: dict[str, Any], parameters: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    original = get_model(name, weights=None, **options)
    for buffer in original.buffers():  # statistics that are not their initial values
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    torch.save(original.state_dict(), tmp_path / "weights.pth")
    net = Backbone(8, name, str(tmp_path / "weights.pth"), input_size=64, attention=False).eval()
    original.fc = nn.Identity()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = net.features.forward_features(image).mean(dim=(2, 3))  # type: ignore[operator]
        torch.testing.assert_close(features, original.eval()(image), rtol=1e-5, atol=1e-5)


@MODELS
def test_parameters(name: str, options: dict[str, Any], parameters: int) -> None:
    made = timm.create_model(name)
    assert sum(parameter.numel() for parameter in made.parameters()) == parameters
    assert made(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    torch.save(get_model("shufflenet_v2_x0_5").state_dict(), tmp_path / "weights.pth")
    with pytest.raises(FauError, match="shufflenet_v2_x2_0"):
        Backbone(8, "shufflenet_v2_x2_0", str(tmp_path / "weights.pth"), input_size=64)


FIRST = ["conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "inception4a"]


def test_some_steps_make_a_smaller_network() -> None:
    net = Backbone(8, "googlenet", input_size=64, attention=False, options={"steps": FIRST})
    assert net.features.forward_features(torch.zeros(1, 3, 64, 64)).shape == (1, 512, 8, 8)  # type: ignore[operator]
    assert timm.create_model("googlenet", num_classes=5, steps=FIRST)(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


def test_steps_that_cannot_be_are_refused() -> None:
    with pytest.raises(FauError, match="no step 'inception9'; its steps are conv1, maxpool1"):
        Backbone(8, "googlenet", options={"steps": ["conv1", "inception9"]})
    with pytest.raises(FauError, match="timm cannot make googlenet"):  # maps of 64 channels for a layer of 192
        Backbone(8, "googlenet", options={"steps": ["conv1", "inception3a"]})
