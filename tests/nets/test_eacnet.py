"""EAC-Net: sizes of the published networks, layers by hand, and what cannot work."""

from __future__ import annotations

import re
from typing import Any

import pytest
import timm
import torch
from eacnet_cases import backward, count, faces, map_by_hand, maps_of, net_of
from torch import Tensor, nn
from torch.nn import functional

from fau.errors import FauError
from fau.nets.eacnet import VARIANTS, EACNet, EACOutput
from fau.nets.eacnet_parts import CropNet, Stage, vgg_stages


def test_parameter_counts() -> None:
    """Of the authors' E-Net as it is trained, of their C-Net on its features, and of both branches joined."""
    with torch.device("meta"):  # no need to draw them
        enhanced, cropped, joined, plain = (EACNet(12, variant) for variant in ("enet", "cnet", "eacnet", "vgg"))
    assert count(enhanced) == count(plain) == 131_204_172
    assert count(enhanced.trunk[:2]) == 260_160
    assert count(cropped.crops) + count(cropped.heads) == 77_945_796
    assert count(cropped.trunk) == count(enhanced.trunk[:4])
    branches = count(enhanced.trunk) + count(enhanced.whole) + count(cropped.crops)
    assert count(joined) == branches + 4096 * 12 + 12 == 209_149_956


def test_the_stages_are_timms_vgg() -> None:
    stages, widths, _ = vgg_stages("vgg13_bn", False, 1)
    whole = timm.create_model("vgg13_bn", num_classes=0, mlp_ratio=1 / 4096)
    mine = list(stages.state_dict().values())
    keys = [key for key in whole.state_dict() if key.startswith("features.")]
    whole.load_state_dict(dict(zip(keys, mine, strict=True)), strict=False)
    image = torch.randn(2, 3, 64, 64)
    features = image
    whole.eval()
    for stage in stages.eval():
        features = functional.max_pool2d(stage(features), 2)
    assert widths == [64, 128, 256, 512, 512]
    model: Any = whole
    torch.testing.assert_close(features, model.forward_features(image))


def test_the_variants_are_the_authors_layers() -> None:
    """Written out with each network's own layers: where the map enters, where crops come from, what is joined."""
    image, points = faces()
    for variant in VARIANTS:
        net = net_of(variant, trunk="vgg13").double().eval()
        centres = net.centres(points.double())
        drawn = torch.stack(
            [map_by_hand([tuple(p) for p in face.flatten(0, 1).tolist()], 32, 0.095, 5) for face in centres]
        )
        level = functional.interpolate(drawn.unsqueeze(1), (32, 32), mode="bilinear")
        features, kept = image.double(), torch.empty(0)
        for number, stage in enumerate(net.trunk, start=1):
            assert isinstance(stage, Stage)
            first: Tensor = stage.first(features)
            features = stage.rest(first)
            if variant != "vgg" and number in (3, 4):
                features = features + first * level  # the map has been pooled as often as the image
            if number == 4:
                kept = features
            features, level = functional.max_pool2d(features, 2), functional.max_pool2d(level, 2)
        parts = [net.whole(features.flatten(1))] if variant != "cnet" else []
        if variant in ("cnet", "eacnet"):
            parts.append(net.crops(kept, ((centres + 0.5) / 32).flatten(1, 2)))
        expected = net.heads[variant](torch.cat(parts, dim=1))
        torch.testing.assert_close(net(image.double(), points.double()).logits, expected)


def test_without_a_place_the_enhanced_network_is_the_plain_one() -> None:
    image, points = faces()
    plain, enhanced = net_of("vgg").eval(), net_of("enet").eval()
    assert plain.landmarks is None
    assert enhanced.landmarks == "49"
    state = {key.replace("heads.vgg", "heads.enet"): value for key, value in plain.state_dict().items()}
    enhanced.load_state_dict(state)
    nowhere = torch.full_like(points, float("nan"))
    assert torch.equal(enhanced(image, nowhere).logits, plain(image).logits)
    assert not torch.equal(enhanced(image, points).logits, plain(image).logits)
    output = plain(image)
    assert isinstance(output, EACOutput)
    assert output.maps is None


def test_caffes_pixels_are_blue_first_and_whole() -> None:
    image, points = faces()
    plain, caffe = net_of().eval(), net_of(caffe_pixels=True).eval()
    caffe.load_state_dict(plain.state_dict())
    assert torch.equal(caffe(image.flip(1), points).logits, plain(image, points).logits)
    red = torch.tensor([255.0, 0.0, 0.0])
    fed = (red - 255 * torch.tensor(caffe.mean)) / (255 * torch.tensor(caffe.std))
    torch.testing.assert_close(fed, red)
    assert plain.mean == (0.485, 0.456, 0.406)


def test_gradients_in_float64() -> None:
    """Of the enhancing layer, of the crops with their norm, and through the whole network."""
    torch.manual_seed(0)
    stage = Stage(nn.Sequential(nn.Conv2d(2, 3, 3, padding=1)), nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))).double()
    features = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: stage(x, weight), (features,))
    share = torch.tensor([[[0.5, 0.3], [0.6, 0.3]], [[0.9, float("nan")], [0.1, 0.9]]])  # crops that overlap, too
    crops = CropNet(2, 2, 3, 4).double().eval()
    assert torch.autograd.gradcheck(lambda x: crops(x, share.double()), (features,))
    net = net_of(divisor=32).double().eval()
    image, points = faces(2)
    weights = [net.get_parameter(name) for name in ("trunk.2.first.0.bias", "crops.linear.bias", "heads.eacnet.weight")]
    loss = net(image.double(), points.double()).logits.square().sum()
    gradients = torch.autograd.grad(loss, weights)
    for value, gradient in zip(weights, gradients, strict=True):
        at, step = value.flatten()[:3], 1e-6
        for index in range(len(at)):
            sums = []
            for sign in (1, -1):
                with torch.no_grad():
                    value.view(-1)[index] += sign * step
                    sums.append(float(net(image.double(), points.double()).logits.square().sum()))
                    value.view(-1)[index] -= sign * step
            slope = (sums[0] - sums[1]) / (2 * step)
            assert slope == pytest.approx(float(gradient.view(-1)[index]), rel=1e-5, abs=1e-8)


def test_no_gradient_reaches_the_landmarks() -> None:
    image, points = faces()
    points.requires_grad_()
    backward(net_of()(image, points).logits)
    assert points.grad is None
    assert not maps_of(net_of(), image, points).requires_grad


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_image_can_be_trained_on(variant: str) -> None:
    net = net_of(variant, trunk="vgg11_bn", divisor=16).train()
    logits = net(*faces(1)).logits
    backward(logits)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"variant": "eac"}, "has no variant 'eac'; choose one of vgg, enet, cnet, eacnet"),
        ({"trunk": "resnet18"}, "built on a VGG, and 'resnet18' is none"),
        ({"trunk": "vgg18"}, "timm has no model 'vgg18'"),
        ({"frozen": 2}, "would freeze 2 stages of random weights"),
        ({"frozen": 6}, "frozen is 0..5, not 6"),
        ({"aus": (1, 2)}, "has 12 outputs, and aus names 2"),
        ({"regions": ()}, "needs a region to look at"),
        ({"regions": (1, 11)}, "AU 11 has no place on the face"),
        ({"slope": 1.5}, "slope 1.5 of EACNet is outside 0..1"),
        ({"window": -1}, "window -1 of EACNet is outside"),
        ({"input_size": 48}, "needs an input_size that 32 divides, not 48"),
        ({"divisor": 3}, "divisor of 1, 2, 4, 8, 16 or 32, not 3"),
        ({"pretrained": True}, "published widths; set EACNet's divisor 32 to 1"),
        ({"weights": "nowhere.ckpt"}, "'nowhere.ckpt' does not exist"),
    ],
)
def test_what_cannot_work_is_said(setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FauError, match=re.escape(sentence)):
        net_of(**setting)


def test_wrong_input_is_said() -> None:
    net = net_of()
    image, points = faces()
    with pytest.raises(FauError, match="made for 32 px"):
        net(torch.zeros(1, 3, 64, 64), points)
    with pytest.raises(FauError, match=r"set data\.landmarks to 49, or variant to vgg"):
        net(image)
    with pytest.raises(FauError, match=re.escape("landmarks of shape (3, 49, 2), not (3, 68, 2)")):
        net(image, torch.zeros(3, 68, 2))
