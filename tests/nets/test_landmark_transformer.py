"""The landmark-patch transformer: patches show what they should, unknown parts have no say, drops act on their axis."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fau.crops.regions import cut_regions, region_boxes
from fau.errors import FauError
from fau.landmarks import REGIONS, convert
from fau.nets.encoder import Attention, Encoder
from fau.nets.landmark_transformer import LandmarkTransformer, LocalAttention
from fau.nets.patches import cut_patches, region_squares
from fau.synthetic.identity import make_identity
from fau.synthetic.render import Rendered, render
from fau.synthetic.view import plain_view


@pytest.fixture(scope="module")
def face() -> Rendered:
    rng = np.random.default_rng(3)
    return render(make_identity(rng), np.zeros(18, np.float32), plain_view(0), 128, rng)


def small(**changes: object) -> LandmarkTransformer:
    torch.manual_seed(0)
    made: type = LandmarkTransformer
    net: LandmarkTransformer = made(3, **({"input_size": 64, "width": 32, "layers": 2, "heads": 4} | changes))
    return net


def points_of(face: Rendered, landmark_set: str, size: int) -> torch.Tensor:
    points = convert(face.landmarks, "478", landmark_set)
    return torch.from_numpy((points + 0.5) * (size / 128) - 0.5).float()[None]


@pytest.mark.parametrize("landmark_set", ["478", "68", "49"])
def test_squares_and_patches_are_those_of_the_crops_own_tool(face: Rendered, landmark_set: str) -> None:
    points = convert(face.landmarks, "478", landmark_set)
    squares = region_squares(torch.from_numpy(points)[None], landmark_set)
    np.testing.assert_allclose(squares[0].numpy(), region_boxes(points, landmark_set), rtol=1e-5)
    image = torch.from_numpy(face.image).permute(2, 0, 1)[None].float()
    patches = cut_patches(image, squares, 32)[0].permute(0, 2, 3, 1).numpy()
    for name, patch in cut_regions(face.image, points, landmark_set, size=32).items():
        difference = np.abs(patches[REGIONS.index(name)] - patch)
        assert difference.mean() < 3, name  # of 255; the tool's shrinking and rounding differ


@given(
    x=st.floats(-20, 80), y=st.floats(-20, 80), side=st.floats(2, 60), samples=st.integers(1, 3), size=st.integers(1, 9)
)
@settings(deadline=None, max_examples=40)
def test_a_patch_of_a_ramp_is_the_ramp(x: float, y: float, side: float, samples: int, size: int) -> None:
    """Bilinear sampling is exact on what is linear, so every pixel's value is its own place."""
    place = torch.arange(64.0)
    image = torch.stack([place.expand(64, 64), place[:, None].expand(64, 64)])[None]
    patch = cut_patches(image, torch.tensor([[[x, y, side]]]), size, samples)[0, 0]
    steps = (torch.arange(size) + 0.5) / size - 0.5
    inside = ((steps.abs().max() + 0.5 / size) * side) < min(x, y, 63 - x, 63 - y)
    if inside:
        torch.testing.assert_close(patch[0], (x + steps * side).expand(size, size), atol=1e-3, rtol=0)
        torch.testing.assert_close(patch[1], (y + steps * side)[:, None].expand(size, size), atol=1e-3, rtol=0)
    assert torch.isfinite(patch).all()
    assert patch.min() >= 0
    assert patch.max() <= 63


def test_a_part_that_is_not_known_has_no_say(face: Rendered) -> None:
    net = small(filters=0).eval()
    image, points = torch.randn(1, 3, 64, 64), points_of(face, "68", 64)
    lost = points.clone()
    lost[0, 50] = torch.nan  # of the mouth
    output = net(image, lost)
    mouth = REGIONS.index("mouth")
    assert output.importance[0, mouth] == 0
    assert torch.isnan(output.squares[0, mouth]).all()
    assert torch.isfinite(output.logits).all()
    torch.testing.assert_close(output.importance.sum(), torch.tensor(1.0))
    other = image.clone()
    other[:, :, 44:, 20:44] = 5.0  # where the mouth is
    assert torch.equal(net(other, lost).logits, output.logits)
    assert not torch.equal(net(other, points).logits, net(image, points).logits)
    nothing = net(image, torch.full_like(points, torch.nan))
    assert torch.isfinite(nothing.logits).all()
    assert (nothing.importance == 0).all()


def test_filters_are_tokens_beside_the_parts(face: Rendered) -> None:
    image, points = torch.randn(2, 3, 64, 64), points_of(face, "68", 64).expand(2, -1, -1)
    output = small(filters=6).eval()(image, points)
    assert output.importance.shape == (2, len(REGIONS) + 6)
    torch.testing.assert_close(output.importance.sum(dim=1), torch.ones(2))
    nothing = small(filters=6).eval()(image, torch.full_like(points, torch.nan))
    assert not torch.equal(nothing.logits[0], nothing.logits[1])  # the filters still see the face


def test_rollout_of_uniform_attention() -> None:
    """With equal scores everywhere no token is before another."""
    encoder = Encoder(width=8, layers=3, heads=2, dropout=0.0, drop_head=0.0).eval()
    for layer in encoder.layers:
        torch.nn.init.zeros_(layer.attention.project.weight)  # type: ignore[union-attr, arg-type]
    _, share = encoder(torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool))
    torch.testing.assert_close(share, torch.full((2, 5), 0.2))


def test_a_dropped_head_is_silent_for_all_tokens_of_a_sample() -> None:
    torch.manual_seed(0)
    attention = Attention(width=8, heads=4, drop_head=0.999)
    torch.nn.init.eye_(attention.merge.weight)
    torch.nn.init.zeros_(attention.merge.bias)
    mixed, _ = attention(torch.randn(64, 5, 8), torch.ones(64, 5, dtype=torch.bool))
    silent = (mixed.view(64, 5, 4, 2) == 0).all(dim=3)  # by sample, token and head
    assert (silent.sum(dim=2) == 1).all()
    assert (silent == silent[:, :1]).all()  # the same head for every token, the class token included
    assert len(silent[:, 0].float().argmax(dim=1).unique()) == 4
    attention.eval()
    assert not (attention(torch.randn(64, 5, 8), torch.ones(64, 5, dtype=torch.bool))[0] == 0).any()


def test_local_attention_drops_one_branch_of_a_sample() -> None:
    torch.manual_seed(0)
    local = LocalAttention(16, drop=0.5)
    for branch, level in zip(local.branches, (-2.0, 2.0), strict=True):
        torch.nn.init.zeros_(branch[3].weight)  # type: ignore[index]
        torch.nn.init.constant_(branch[3].bias, level)  # type: ignore[index]
    weighed = local(torch.ones(200, 16, 3, 3))[:, 0, 0, 0]
    low, high = torch.sigmoid(torch.tensor([-2.0, 2.0]))
    assert ((weighed - low).abs().minimum((weighed - high).abs()) < 1e-6).all()
    assert 0.15 < ((weighed - low).abs() < 1e-6).float().mean() < 0.35  # a quarter: of the dropped half, half
    local.eval()
    torch.testing.assert_close(local(torch.ones(4, 16, 3, 3)), high.expand(4, 16, 3, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 5}, "heads that divide the width"),
        ({"filters": -1}, "filters and margin of 0 or more"),
        ({"dropout": 1.0}, "dropout from 0 to below 1"),
        ({"filters": 0, "local_attention": True}, "set filters above 0"),
        ({"input_size": 8}, "images of 16 px or more"),
    ],
)
def test_settings_that_cannot_work(changes: dict[str, object], message: str) -> None:
    with pytest.raises(FauError, match=message):
        small(**changes)


def test_what_it_is_given_must_fit() -> None:
    with pytest.raises(FauError, match="by landmarks"):
        small()(torch.randn(1, 3, 64, 64))
    with pytest.raises(FauError, match="made for 64 px"):
        small()(torch.randn(1, 3, 32, 32), torch.zeros(1, 68, 2))
