"""EAC-Net's weights from files: what is carried over, and what stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from eacnet_cases import TINY, backward, faces, net_of, saved

from fau.errors import FauError
from fau.nets.eacnet import EACNet


def test_frozen_stages_keep_weights_and_statistics(tmp_path: Path) -> None:
    torch.save(net_of(trunk="vgg11_bn").state_dict(), tmp_path / "w.pt")
    net = net_of(trunk="vgg11_bn", weights=str(tmp_path / "w.pt")).train()
    assert net.frozen == 2  # as the authors
    backward(net(*faces()).logits)
    fresh = torch.load(tmp_path / "w.pt", weights_only=True)
    for key, value in net.state_dict().items():
        if "running_mean" in key:
            assert torch.equal(value, fresh[key]) == key.startswith(("trunk.0.", "trunk.1.")), key
    for key, parameter in net.named_parameters():
        assert (parameter.grad is None) == key.startswith(("trunk.0.", "trunk.1.")), key
    assert net_of().frozen == 0
    whole = net_of("cnet", trunk="vgg11_bn", weights=str(tmp_path / "w.pt"))
    assert not any(parameter.requires_grad for parameter in whole.trunk.parameters())
    assert all(parameter.requires_grad for parameter in whole.crops.parameters())


def test_variants_start_from_each_other(tmp_path: Path) -> None:
    torch.manual_seed(7)
    enhanced = EACNet(12, "enet", **TINY)
    path = saved(enhanced, tmp_path / "enet.ckpt")
    trunk = [f"trunk.{number}" for number in range(5)]
    for variant, carried in {
        "enet": [*trunk, "whole", "heads.enet"],
        "eacnet": [*trunk, "whole"],
        "cnet": trunk[:4],
        "vgg": [*trunk, "whole"],
    }.items():
        net = net_of(variant, weights=path)
        assert net.carried_over == carried
        theirs = enhanced.state_dict()
        for key, value in net.state_dict().items():
            same = key in theirs and torch.equal(value, theirs[key])
            assert same == any(key.startswith(f"{part}.") for part in carried), key


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = saved(net_of(outputs=8), tmp_path / "eight.ckpt")
    with pytest.raises(
        FauError, match=r"do not fit this EAC-Net: heads\.eacnet\.weight is \[8, 128\] and not \[12, 128"
    ):
        net_of(weights=path)
    with pytest.raises(FauError, match=r"crops\.conv\.weight is .* and not "):
        net_of(outputs=8, regions=(1, 2), weights=path)
    with pytest.raises(FauError, match=r"trunk\.0\.rest\.0\.weight is lacking"):
        net_of(outputs=8, trunk="vgg13", weights=path)
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(FauError, match=r"trunk\.0\.first\.0\.weight is lacking"):
        net_of(weights=str(tmp_path / "other.pt"))


@pytest.mark.slow
def test_a_file_of_imagenet_weights(tmp_path: Path) -> None:
    """As torchvision writes it: linear layers behind the convolutions. They are large, and so saved as one number."""
    whole = timm.create_model("vgg11", mlp_ratio=1 / 4096)
    features = {key: value for key, value in whole.state_dict().items() if key.startswith("features.")}
    for number, (rows, columns) in {0: (4096, 25088), 3: (4096, 4096), 6: (1000, 4096)}.items():
        features[f"classifier.{number}.weight"] = torch.zeros(1).expand(rows, columns)
        features[f"classifier.{number}.bias"] = torch.zeros(rows)
    torch.save(features, tmp_path / "vgg11.pth")
    net = EACNet(2, "cnet", "vgg11", pretrained=str(tmp_path / "vgg11.pth"), input_size=32, regions=(12,))
    assert torch.equal(net.get_parameter("trunk.0.first.0.weight"), features["features.0.weight"])
    assert torch.equal(net.get_parameter("trunk.3.rest.0.weight"), features["features.13.weight"])
    assert net.frozen == 2
