"""EAC-Net's places and maps, drawn by hand."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from eacnet_cases import BP4D, backward, faces, map_by_hand, maps_of, net_of

from fau.labels import LABEL_SETS
from fau.landmarks import MIRROR_49, from_66, to_49
from fau.nets.au_maps import EAC_RULES_49, Centres
from fau.nets.eacnet import FRAME, REGIONS

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
    net = net_of(outputs=len(aus))
    assert net.use_aus(aus) == without
    net = net_of(outputs=len(aus), regions=(*REGIONS, 9), aus=aus)
    assert net.use_aus(aus) == [au for au in without if au != 9]


@pytest.mark.parametrize(("slope", "window"), [(0.095, 5), (0.07, 7)])
def test_maps_are_drawn_around_the_places(slope: float, window: int) -> None:
    image, points = faces()
    points = points.clamp(4, 27)
    points[:, 22, 0], points[:, 25, 0] = 12.0, 18.0
    net = net_of(slope=slope, window=window, aus=BP4D).eval()
    maps = maps_of(net, image, points)
    assert maps.shape == (3, 12, FRAME, FRAME)
    centres = net.centres(points)
    for face, (output, au) in product(range(3), enumerate(BP4D)):
        at = [EAC_RULES_49[region] for region in REGIONS].index(EAC_RULES_49[au])
        expected = map_by_hand([tuple(point) for point in centres[face, at].tolist()], 32, slope, window)
        torch.testing.assert_close(maps[face, output].double(), expected, rtol=1e-6, atol=1e-6)
    corner = maps[0, 0].max()
    assert corner == 1
    assert maps[maps > 0].min() >= 1 - slope * 2 * window - 1e-6


def test_an_au_without_a_region_is_seen_by_the_whole_map() -> None:
    image, points = faces()
    net = net_of(outputs=2, aus=(1, 9), regions=(1, 12)).eval()
    maps = maps_of(net, image, points)
    both = maps_of(net_of(outputs=2, aus=(1, 12), regions=(1, 12)).eval(), image, points)
    assert torch.equal(maps[:, 0], both[:, 0])
    assert torch.equal(maps[:, 1], both.amax(dim=1))


@pytest.mark.parametrize("fault", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
def test_places_that_are_not_known_or_far_outside_draw_nothing(fault: float) -> None:
    image, points = faces()
    points[1] = fault
    for variant in ("enet", "cnet", "eacnet"):
        net = net_of(variant).eval()
        maps = maps_of(net, image, points)
        assert (maps[1] == 0).all()
        assert (maps[[0, 2]].amax(dim=(2, 3)) == 1).all()
        logits = net.train()(image, points).logits
        assert torch.isfinite(logits).all()
        backward(logits)
        assert all(torch.isfinite(value.grad).all() for value in net.parameters() if value.grad is not None)


@pytest.mark.parametrize("outside", [0, 1, 2, 5, 20])
def test_a_place_beyond_the_border_keeps_what_lies_within(outside: int) -> None:
    """2 px are 6 cells, and the window reaches 5."""
    net = net_of(outputs=1, regions=(12,), aus=(12,)).eval()
    image, points = faces(1)
    left, right = (-outside - 0.5, 16.0), (16.0, 31.5 + outside)
    points[0, 31], points[0, 37] = torch.tensor(left), torch.tensor(right)
    made = maps_of(net, image, points)[0, 0].double()
    torch.testing.assert_close(made, map_by_hand([left, right], 32, 0.095, 5), rtol=1e-6, atol=1e-6)
    assert (made[:, 0].max() > 0) == (outside < 2)


def test_a_place_near_the_border_keeps_what_lies_within() -> None:
    """Where the authors' loop stops at the first column outside, so that the region vanishes."""
    net = net_of(outputs=1, regions=(12,), aus=(12,)).eval()
    image, points = faces(1)
    points[0, 31], points[0, 37] = torch.tensor([0.0, 16.0]), torch.tensor([31.0, 31.0])
    maps = maps_of(net, image, points)
    expected = map_by_hand([(0.0, 16.0), (31.0, 31.0)], 32, 0.095, 5)
    torch.testing.assert_close(maps[0, 0].double(), expected, rtol=1e-6, atol=1e-6)
    assert maps[0, 0, :, 0].max() == pytest.approx(1 - 0.095)  # the middle of the first of 32 pixels is in cell 1
