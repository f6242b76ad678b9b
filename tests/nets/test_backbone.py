from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from fau.errors import FauError
from fau.nets.backbone import Backbone
from fau.nets.gla import GLACNN


class _Unsafe:
    """A class that unpickling would import."""


# A residual network, another convolutional layout, channels last inside, tokens, tokens with windows.
TINY = ["test_resnet", "test_efficientnet", "test_mambaout", "test_vit", "test_maxvit"]


@pytest.mark.parametrize("name", TINY)
def test_kinds_of_features_become_maps(name: str) -> None:
    net = Backbone(5, name, input_size=64)
    output = net(torch.randn(2, 3, 64, 64))
    output.logits.sum().backward()
    assert output.logits.shape == (2, 5)
    assert output.attention is not None
    side = 4 if name == "test_vit" else 2
    assert output.attention.shape == (2, side, side)
    assert all(parameter.grad is not None for parameter in net.parameters() if parameter.requires_grad)


def test_tokens_keep_their_places() -> None:
    net = Backbone(1, "test_vit", input_size=64).eval()
    net.features.forward_features = lambda image: torch.arange(17.0).view(1, 17, 1).expand(len(image), 17, 4)
    from fau.nets.timm_models import feature_map

    # the class token 0 is dropped; the rest is in reading order
    assert torch.equal(feature_map(net.features, torch.zeros(1, 3, 64, 64))[0, 0], torch.arange(1.0, 17).view(4, 4))


def test_what_only_the_classifier_used_is_gone() -> None:
    full = timm.create_model("mobilenetv3_small_050", num_classes=0)
    net = Backbone(12, "mobilenetv3_small_050", attention=False)
    assert isinstance(net.features.conv_head, nn.Identity)
    kept = sum(parameter.numel() for parameter in net.features.parameters())
    assert kept < sum(parameter.numel() for parameter in full.parameters())


def test_the_head_is_that_of_gla() -> None:
    net, gla = Backbone(12, "test_resnet", input_size=64), GLACNN(12)
    assert [name for name, _ in net.head.named_parameters()] == [name for name, _ in gla.head.named_parameters()]
    assert Backbone(12, "test_resnet", input_size=64, attention=False).head.attention is None


def test_normalisation_and_size_are_the_models() -> None:
    net = Backbone(12, "test_efficientnet", input_size=None)
    assert net.input_size == 160
    assert net.mean == timm.get_pretrained_cfg("test_efficientnet").mean
    assert net.std == timm.get_pretrained_cfg("test_efficientnet").std
    assert Backbone(12, "test_resnet").input_size == 112


@pytest.mark.parametrize(
    ("name", "size", "attention", "sentence"),
    [
        pytest.param(
            *("inception_v3", 64, True, r"107 px or more, not 64.*attention off or allow_1x1 take 75 px"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "inception_v3", 64, False, r"inception_v3 needs images of 75 px or more, not 64", marks=pytest.mark.slow
        ),
        ("test_resnet", 32, True, r"33 px or more, not 32.*take 32 px"),
        ("test_vit", 16, True, r"test_vit cannot take images of 16 px.*attention needs a map"),
    ],
)
def test_least_size(name: str, size: int, attention: bool, sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        Backbone(12, name, input_size=size, attention=attention)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0"])
def test_the_papers_backbones_take_64_px(name: str) -> None:
    assert Backbone(12, name, input_size=64)(torch.zeros(2, 3, 64, 64)).logits.shape == (2, 12)


@pytest.mark.slow
def test_the_least_sizes_of_inception_are_right() -> None:
    Backbone(12, "inception_v3", input_size=107)
    Backbone(12, "inception_v3", input_size=75, attention=False)
    with pytest.raises(FauError):
        Backbone(12, "inception_v3", input_size=74, attention=False)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "resnet5"}, "no model 'resnet5'; did you mean resnet50"),
        ({"options": {"nonsense": 1}}, "refuses the net's options.*nonsense"),
        ({"pretrained": "/does/not/exist.pth"}, "'/does/not/exist.pth' does not exist"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        Backbone(12, **({"name": "test_resnet", "input_size": 64} | settings))


def test_options_reach_timm() -> None:
    net = Backbone(12, "test_resnet", input_size=64, options={"drop_path_rate": 0.5})
    assert any(type(layer).__name__ == "DropPath" for layer in net.modules())


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_from_a_local_file(tmp_path: Path, ending: str) -> None:
    source = timm.create_model("test_resnet")
    path = tmp_path / f"weights.{ending}"
    if ending == "pth":
        torch.save({"state_dict": source.state_dict()}, path)
    else:
        save_file(source.state_dict(), path)
    net = Backbone(12, "test_resnet", pretrained=str(path), input_size=64)
    loaded = net.features.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in source.state_dict().items() if key in loaded)
    assert not any(key.startswith("fc.") for key in loaded)


def test_position_embeddings_follow_the_image_size(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "weights.pth")
    net = Backbone(12, "test_vit", pretrained=str(tmp_path / "weights.pth"), input_size=64)
    assert net.features.pos_embed.shape[1] == 1 + 4 * 4  # the class token and the grid


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    torch.save({key: value for key, value in state.items() if not key.startswith("layer2")}, tmp_path / "lacking.pth")
    torch.save(state | {"surplus.weight": torch.zeros(1)}, tmp_path / "surplus.pth")
    torch.save(state, tmp_path / "other.pth")
    torch.save({"state_dict": state, "code": _Unsafe}, tmp_path / "unsafe.pth")
    (tmp_path / "junk.pth").write_bytes(b"no weights")
    (tmp_path / "junk.safetensors").write_bytes(b"no weights")

    def make(file: str, name: str = "test_resnet") -> Backbone:
        return Backbone(12, name, pretrained=str(tmp_path / file), input_size=64)

    with pytest.raises(FauError, match=r"lacks \d+ weights of test_resnet, layer2"):
        make("lacking.pth")
    with pytest.raises(FauError, match=r"weights of '.*other\.pth' are of another shape than those of test_eff"):
        make("other.pth", "test_efficientnet")
    with pytest.raises(FauError, match="cannot be read"):
        make("junk.pth")
    with pytest.raises(FauError, match="cannot be read"):
        make("junk.safetensors")
    with pytest.raises(FauError, match=r"cannot be read.*weights_only") as refused:
        make("unsafe.pth")
    assert "weights_only=False" not in str(refused.value)
    with pytest.warns(UserWarning, match=r"surplus\.weight"):
        make("surplus.pth")


def test_no_network_is_no_silent_random_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FauError, match=r"pretrained weights of test_resnet cannot be had.*path of a weight file"):
        Backbone(12, "test_resnet", pretrained=True, input_size=64)
