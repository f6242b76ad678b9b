"""EAC-Net: sizes of the published networks; places, maps, crops and layers by hand; weights from files."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from itertools import product
from math import floor
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from fau.errors import FauError
from fau.labels import LABEL_SETS
from fau.landmarks import MIRROR_49, from_66, to_49
from fau.nets.au_maps import EAC_RULES_49, Centres
from fau.nets.eacnet import FRAME, REGIONS, VARIANTS, EACNet, EACOutput
from fau.nets.eacnet_parts import CropNet, Stage, crop_cells, response_norm, take_cells, vgg_stages

BP4D = LABEL_SETS["bp4d12"]
TINY: dict[str, Any] = {"trunk": "vgg11", "divisor": 32, "input_size": 32}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@cache
def _made(variant: str, outputs: int, settings: frozenset[tuple[str, Any]]) -> EACNet:
    """Draw a network's weights, a tenth of a second, once."""
    return EACNet(outputs, variant, **dict(settings))  # type: ignore[arg-type]


def _net(variant: str = "eacnet", outputs: int = 12, **more: Any) -> EACNet:
    torch.manual_seed(0)
    return deepcopy(_made(variant, outputs, frozenset((TINY | more).items())))


def _faces(batch: int = 3, size: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(batch, 3, size, size, generator=generator)
    return image, (size - 1) * torch.rand(batch, 49, 2, generator=generator)


def _backward(logits: Tensor) -> None:
    torch.autograd.backward(logits.square().sum())


def _maps(net: EACNet, image: Tensor, points: Tensor) -> Tensor:
    output = net(image, points)
    assert isinstance(output, EACOutput)
    assert output.maps is not None
    return output.maps


# Sizes -------------------------------------------------------------------------------------------------------------


def test_parameter_counts() -> None:
    """Of the authors' E-Net as it is trained, of their C-Net on its features, and of both branches joined."""
    with torch.device("meta"):  # no need to draw them
        enhanced, cropped, joined, plain = (EACNet(12, variant) for variant in ("enet", "cnet", "eacnet", "vgg"))
    assert _count(enhanced) == _count(plain) == 131_204_172
    assert _count(enhanced.trunk[:2]) == 260_160
    assert _count(cropped.crops) + _count(cropped.heads) == 77_945_796
    assert _count(cropped.trunk) == _count(enhanced.trunk[:4])
    branches = _count(enhanced.trunk) + _count(enhanced.whole) + _count(cropped.crops)
    assert _count(joined) == branches + 4096 * 12 + 12 == 209_149_956


# Places ------------------------------------------------------------------------------------------------------------

# From the authors' table: two of the 68 landmarks, and how many distances of the inner eye corners below them.
PUBLISHED = [
    *((21, 22, -1 / 2), (18, 25, -1 / 3), (19, 24, 1 / 3), (41, 46, 1), (38, 43, 0), (49, 53, 0), (48, 54, 0)),
    *((51, 57, 0), (61, 63, 0), (56, 58, 1 / 2)),
]


def test_the_ten_places_are_the_authors() -> None:
    points = torch.rand(2, 68, 2) * 100
    made = Centres(REGIONS, EAC_RULES_49)(torch.from_numpy(to_49(points.numpy())))
    ruler = (points[:, 39, 0] - points[:, 42, 0]).abs()
    for region, (first, second, down) in zip(made.unbind(1), PUBLISHED, strict=True):
        for centre, landmark in zip(region.unbind(1), (first, second), strict=True):
            torch.testing.assert_close(centre[:, 0], points[:, landmark, 0])
            torch.testing.assert_close(centre[:, 1], points[:, landmark, 1] + down * ruler)


def test_66_landmarks_know_all_places() -> None:
    """DISFA's have no inner mouth corners, which no place needs."""
    points = torch.from_numpy(to_49(from_66(torch.rand(1, 66, 2).numpy())))
    assert torch.isfinite(Centres(list(EAC_RULES_49), EAC_RULES_49)(points)).all()


def test_every_places_mirror_image_is_its_other_place() -> None:
    for au, (first, second, _) in EAC_RULES_49.items():
        if (first, second) != (34, 40):  # above and below the mouth, both in the middle
            assert {int(MIRROR_49[first]), int(MIRROR_49[second])} == {first, second}, au


@pytest.mark.parametrize(
    ("aus", "without"), [(BP4D, []), (LABEL_SETS["disfa8"], [9]), ((1, 11), [11]), ((27, 28, 20), [])]
)
def test_aus_without_a_region_are_named(aus: tuple[int, ...], without: list[int]) -> None:
    net = _net(outputs=len(aus))
    assert net.use_aus(aus) == without
    net = _net(outputs=len(aus), regions=(*REGIONS, 9), aus=aus)
    assert net.use_aus(aus) == [au for au in without if au != 9]


# Maps --------------------------------------------------------------------------------------------------------------


def _map_by_hand(centres: list[tuple[float, float]], size: int, slope: float, window: int) -> Tensor:
    """Draw cell by cell what centres, in pixels of an image so wide, make of the 100 x 100 map."""
    drawn = torch.zeros(FRAME, FRAME, dtype=torch.float64)
    for x, y in centres:
        column, row = floor((x + 0.5) / size * FRAME), floor((y + 0.5) / size * FRAME)
        for a, b in product(range(-window, window + 1), repeat=2):
            if 0 <= row + a < FRAME and 0 <= column + b < FRAME:
                value = 1 - slope * (abs(a) + abs(b))
                drawn[row + a, column + b] = max(float(drawn[row + a, column + b]), value)
    return drawn


@pytest.mark.parametrize(("slope", "window"), [(0.095, 5), (0.07, 7)])
def test_maps_are_drawn_around_the_places(slope: float, window: int) -> None:
    image, points = _faces()
    points = points.clamp(4, 27)
    points[:, 22, 0], points[:, 25, 0] = 12.0, 18.0
    net = _net(slope=slope, window=window, aus=BP4D).eval()
    maps = _maps(net, image, points)
    assert maps.shape == (3, 12, FRAME, FRAME)
    centres = net.centres(points)
    for face, (output, au) in product(range(3), enumerate(BP4D)):
        at = [EAC_RULES_49[region] for region in REGIONS].index(EAC_RULES_49[au])
        expected = _map_by_hand([tuple(point) for point in centres[face, at].tolist()], 32, slope, window)
        torch.testing.assert_close(maps[face, output].double(), expected, rtol=1e-6, atol=1e-6)
    corner = maps[0, 0].max()
    assert corner == 1
    assert maps[maps > 0].min() >= 1 - slope * 2 * window - 1e-6


def test_an_au_without_a_region_is_seen_by_the_whole_map() -> None:
    image, points = _faces()
    net = _net(outputs=2, aus=(1, 9), regions=(1, 12)).eval()
    maps = _maps(net, image, points)
    both = _maps(_net(outputs=2, aus=(1, 12), regions=(1, 12)).eval(), image, points)
    assert torch.equal(maps[:, 0], both[:, 0])
    assert torch.equal(maps[:, 1], both.amax(dim=1))


@pytest.mark.parametrize("fault", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
def test_places_that_are_not_known_or_far_outside_draw_nothing(fault: float) -> None:
    image, points = _faces()
    points[1] = fault
    for variant in ("enet", "cnet", "eacnet"):
        net = _net(variant).eval()
        maps = _maps(net, image, points)
        assert (maps[1] == 0).all()
        assert (maps[[0, 2]].amax(dim=(2, 3)) == 1).all()
        logits = net.train()(image, points).logits
        assert torch.isfinite(logits).all()
        _backward(logits)
        assert all(torch.isfinite(value.grad).all() for value in net.parameters() if value.grad is not None)


@pytest.mark.parametrize("outside", [0, 1, 2, 5, 20])
def test_a_place_beyond_the_border_keeps_what_lies_within(outside: int) -> None:
    """2 px are 6 cells, and the window reaches 5."""
    net = _net(outputs=1, regions=(12,), aus=(12,)).eval()
    image, points = _faces(1)
    left, right = (-outside - 0.5, 16.0), (16.0, 31.5 + outside)
    points[0, 31], points[0, 37] = torch.tensor(left), torch.tensor(right)
    made = _maps(net, image, points)[0, 0].double()
    torch.testing.assert_close(made, _map_by_hand([left, right], 32, 0.095, 5), rtol=1e-6, atol=1e-6)
    assert (made[:, 0].max() > 0) == (outside < 2)


def test_a_place_near_the_border_keeps_what_lies_within() -> None:
    """Where the authors' loop stops at the first column outside, so that the region vanishes."""
    net = _net(outputs=1, regions=(12,), aus=(12,)).eval()
    image, points = _faces(1)
    points[0, 31], points[0, 37] = torch.tensor([0.0, 16.0]), torch.tensor([31.0, 31.0])
    maps = _maps(net, image, points)
    expected = _map_by_hand([(0.0, 16.0), (31.0, 31.0)], 32, 0.095, 5)
    torch.testing.assert_close(maps[0, 0].double(), expected, rtol=1e-6, atol=1e-6)
    assert maps[0, 0, :, 0].max() == pytest.approx(1 - 0.095)  # the middle of the first of 32 pixels is in cell 1


# Crops -------------------------------------------------------------------------------------------------------------


def test_crops_by_hand() -> None:
    """Of a map of 28 cells; the centre's cell is cut off, and kept from the border, as in the authors' code."""
    shares = torch.tensor([[[0.5, 0.25], [0.0, 0.99], [27.9 / 28, 2.0 / 28], [-7.0, 40.0], [float("nan"), 0.5]]])
    cells, known = crop_cells(shares, 28)
    assert known.tolist() == [[True, True, True, True, False]]
    for found, (column, row) in zip(cells[0], [(14, 7), (1, 26), (26, 2), (1, 26)], strict=False):
        expected = [(row + a) * 28 + column + b for a in (-1, 0, 1) for b in (-1, 0, 1)]
        assert found.tolist() == expected
    assert ((cells >= 0) & (cells < 28 * 28)).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.floats(width=32)] * 2), min_size=1, max_size=4), st.integers(3, 28))
def test_crops_lie_within_the_map_whatever_the_points(points: list[tuple[float, float]], side: int) -> None:
    cells, known = crop_cells(torch.tensor([points]), side)
    rows, columns = cells // side, cells % side
    assert cells.min() >= 0
    assert rows.max() < side
    assert (columns[..., 2] - columns[..., 0] == 2).all()
    assert (rows[..., 6] - rows[..., 0] == 2).all()
    assert known.tolist() == [torch.isfinite(torch.tensor(points)).all(dim=1).tolist()]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_cells_are_taken_as_one_by_one(layout: torch.memory_format) -> None:
    features = torch.randn(3, 5, 6, 6).to(memory_format=layout)
    cells = torch.randint(0, 36, (3, 4, 9))
    taken = take_cells(features, cells)
    for face, crop, cell in product(range(3), range(4), range(9)):
        row, column = divmod(int(cells[face, crop, cell]), 6)
        assert torch.equal(taken[face, crop, cell], features[face, :, row, column])


def test_the_response_norm_is_lasagnes() -> None:
    """torch's divides alpha by the five channels, Lasagne's does not."""
    features = 30 * torch.randn(2, 8, 4, 4, dtype=torch.float64)
    expected = functional.local_response_norm(features, 5, alpha=5 * 0.002, beta=0.75, k=2.0)
    torch.testing.assert_close(response_norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected)
    one = response_norm(torch.tensor([[0.0, 10.0, 0.0, 0.0, 5.0]], dtype=torch.float64))[0]
    assert one[1].item() == pytest.approx(10 / (2 + 0.002 * 100) ** 0.75)
    assert one[4].item() == pytest.approx(5 / (2 + 0.002 * 25) ** 0.75)


def test_each_crop_has_layers_of_its_own() -> None:
    """Against one small network after the other, on slices of the map."""
    torch.manual_seed(0)
    net = CropNet(channels=4, crops=3, width=5, features=7).double().eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    features = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    share = torch.tensor([[[0.5, 0.3], [0.01, 0.9], [0.7, 0.7]], [[0.2, 0.2], [float("nan"), 0.5], [9.0, 0.4]]])
    made = net(features, share.double())
    normed = functional.local_response_norm(features, 5, alpha=5 * 0.002, beta=0.75, k=2.0)
    middles: list[list[tuple[int, int] | None]] = [[(1, 3), (4, 1), (4, 4)], [(1, 1), None, (2, 4)]]  # rows and columns
    for face in range(2):
        parts = []
        for crop, middle in enumerate(middles[face]):
            cut = torch.zeros(4, 3, 3, dtype=torch.float64)
            if middle is not None:
                row, column = middle
                cut = normed[face, :, row - 1 : row + 2, column - 1 : column + 2]
            large = cut.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
            own = slice(4 * crop, 4 * crop + 4)
            assert net.conv.bias is not None
            local = functional.conv2d(large[None], net.conv.weight[own], net.conv.bias[own]).relu().flatten()
            rows = slice(5 * crop, 5 * crop + 5)
            parts.append((net.linear.weight[rows] @ local + net.linear.bias[rows]).relu())
        torch.testing.assert_close(made[face], net.joint(torch.cat(parts)))


# Layers ------------------------------------------------------------------------------------------------------------


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
    image, points = _faces()
    for variant in VARIANTS:
        net = _net(variant, trunk="vgg13").double().eval()
        centres = net.centres(points.double())
        drawn = torch.stack(
            [_map_by_hand([tuple(p) for p in face.flatten(0, 1).tolist()], 32, 0.095, 5) for face in centres]
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
    image, points = _faces()
    plain, enhanced = _net("vgg").eval(), _net("enet").eval()
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
    image, points = _faces()
    plain, caffe = _net().eval(), _net(caffe_pixels=True).eval()
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
    net = _net(divisor=32).double().eval()
    image, points = _faces(2)
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
    image, points = _faces()
    points.requires_grad_()
    _backward(_net()(image, points).logits)
    assert points.grad is None
    assert not _maps(_net(), image, points).requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_normalises_crops_in_full(dtype: torch.dtype) -> None:
    """Squares of 1000 leave float16's range; the norm would make them 0."""
    net = CropNet(4, 2, 3, 4).eval()
    features, share = torch.full((1, 4, 4, 4), 1000.0), torch.full((1, 2, 2), 0.5)
    expected = net(features, share)
    with torch.autocast("cpu", dtype=dtype):
        made = net(features.to(dtype), share)
    assert expected.abs().max() > 0
    torch.testing.assert_close(made.float(), expected, rtol=0.03, atol=0.01)


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_image_can_be_trained_on(variant: str) -> None:
    net = _net(variant, trunk="vgg11_bn", divisor=16).train()
    logits = net(*_faces(1)).logits
    _backward(logits)
    assert torch.isfinite(logits).all()


# Weights -----------------------------------------------------------------------------------------------------------


def test_frozen_stages_keep_weights_and_statistics(tmp_path: Path) -> None:
    torch.save(_net(trunk="vgg11_bn").state_dict(), tmp_path / "w.pt")
    net = _net(trunk="vgg11_bn", weights=str(tmp_path / "w.pt")).train()
    assert net.frozen == 2  # as the authors
    _backward(net(*_faces()).logits)
    fresh = torch.load(tmp_path / "w.pt", weights_only=True)
    for key, value in net.state_dict().items():
        if "running_mean" in key:
            assert torch.equal(value, fresh[key]) == key.startswith(("trunk.0.", "trunk.1.")), key
    for key, parameter in net.named_parameters():
        assert (parameter.grad is None) == key.startswith(("trunk.0.", "trunk.1.")), key
    assert _net().frozen == 0
    whole = _net("cnet", trunk="vgg11_bn", weights=str(tmp_path / "w.pt"))
    assert not any(parameter.requires_grad for parameter in whole.trunk.parameters())
    assert all(parameter.requires_grad for parameter in whole.crops.parameters())


def _saved(net: EACNet, file: Path) -> str:
    torch.save({"state_dict": {f"net.{key}": value for key, value in net.state_dict().items()}}, file)
    return str(file)


def test_variants_start_from_each_other(tmp_path: Path) -> None:
    torch.manual_seed(7)
    enhanced = EACNet(12, "enet", **TINY)
    path = _saved(enhanced, tmp_path / "enet.ckpt")
    trunk = [f"trunk.{number}" for number in range(5)]
    for variant, carried in {
        "enet": [*trunk, "whole", "heads.enet"],
        "eacnet": [*trunk, "whole"],
        "cnet": trunk[:4],
        "vgg": [*trunk, "whole"],
    }.items():
        net = _net(variant, weights=path)
        assert net.carried_over == carried
        theirs = enhanced.state_dict()
        for key, value in net.state_dict().items():
            same = key in theirs and torch.equal(value, theirs[key])
            assert same == any(key.startswith(f"{part}.") for part in carried), key


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = _saved(_net(outputs=8), tmp_path / "eight.ckpt")
    with pytest.raises(
        FauError, match=r"do not fit this EAC-Net: heads\.eacnet\.weight is \[8, 128\] and not \[12, 128"
    ):
        _net(weights=path)
    with pytest.raises(FauError, match=r"crops\.conv\.weight is .* and not "):
        _net(outputs=8, regions=(1, 2), weights=path)
    with pytest.raises(FauError, match=r"trunk\.0\.rest\.0\.weight is lacking"):
        _net(outputs=8, trunk="vgg13", weights=path)
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(FauError, match=r"trunk\.0\.first\.0\.weight is lacking"):
        _net(weights=str(tmp_path / "other.pt"))


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
        _net(**setting)


def test_wrong_input_is_said() -> None:
    net = _net()
    image, points = _faces()
    with pytest.raises(FauError, match="made for 32 px"):
        net(torch.zeros(1, 3, 64, 64), points)
    with pytest.raises(FauError, match=r"set data\.landmarks to 49, or variant to vgg"):
        net(image)
    with pytest.raises(FauError, match=re.escape("landmarks of shape (3, 49, 2), not (3, 68, 2)")):
        net(image, torch.zeros(3, 68, 2))
