"""Shares and chance: what must hold for any map and region, and a network that is right about its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fau.explain.maps import Maps
from fau.explain.region import RADIUS, Regions, regions
from fau.explain.sanity import describe, most, shares, table
from fau.landmarks import interocular_distance

SIZE = 24
MASKS = arrays(np.bool_, (1, SIZE, SIZE)).filter(lambda mask: mask.any())
CELLS = arrays(np.float32, (1, 1, 3, 4), elements=st.floats(0, 1, width=32)).filter(lambda cells: cells.sum() > 1e-3)


def face(shift: tuple[float, float] = (0, 0)) -> torch.Tensor:
    """49 points (1, 49, 2): eyes 40 px apart, mouth corners at (35, 75) and (65, 75)."""
    points = np.full((1, 49, 2), 50.0, np.float32)
    points[0, 19:25], points[0, 25:31], points[0, 31:] = (30, 40), (70, 40), (50, 75)
    points[0, [19, 22]] = (20, 40), (40, 40)
    points[0, [25, 28]] = (60, 40), (80, 40)
    points[0, [31, 37]] = (35, 75), (65, 75)
    return torch.from_numpy(points + np.array(shift, np.float32))


@given(MASKS)
def test_an_even_map_has_the_share_of_chance(mask: np.ndarray) -> None:
    even = np.ones((1, SIZE, SIZE), np.float32)
    assert shares(even, mask)[0] == pytest.approx(mask.mean())


@given(CELLS, MASKS)
def test_shares_of_a_region_and_of_the_rest_are_one_and_none_exceeds_the_most(
    cells: np.ndarray, mask: np.ndarray
) -> None:
    density = Maps("attention", cells).density(SIZE)[:, 0]
    share = shares(density, mask)
    assert share[0] <= most(mask, 3, 4)[0] + 1e-5
    if not mask.all():
        assert share[0] + shares(density, ~mask)[0] == pytest.approx(1, abs=1e-5)


def test_the_best_cell_alone_has_the_most() -> None:
    mask = np.zeros((1, SIZE, SIZE), bool)
    mask[0, :6, :5] = True
    cells = np.zeros((1, 1, 3, 4), np.float32)
    cells[0, 0, 0, 0] = 1
    assert shares(Maps("attention", cells).density(SIZE)[:, 0], mask)[0] == pytest.approx(most(mask, 3, 4)[0])


def test_a_unit_has_discs_about_its_centres() -> None:
    made = regions(["AU12", "happiness"], face(), 100)
    assert made.names == ["AU12"] and made.of("happiness") is None
    mask = made.masks[0, 0]
    radius = RADIUS * float(interocular_distance(face().numpy(), "49")[0])
    assert radius == pytest.approx(0.3 * 40)
    assert mask.sum() == pytest.approx(2 * np.pi * radius**2, rel=0.03)
    assert mask[75, 35] and mask[75, 65] and not mask[75, 50] and not mask[35, 75]  # rows before columns
    assert mask[75, 35 - 11] and not mask[75, 35 - 13]


def test_regions_move_and_grow_with_the_face() -> None:
    still, moved = regions(["AU12"], face(), 100).masks, regions(["AU12"], face((10, -5)), 100).masks
    np.testing.assert_array_equal(moved[0, 0, :-5, 10:], still[0, 0, 5:, :-10])
    large = regions(["AU12"], (face() + 0.5) * 2 - 0.5, 200).masks
    assert large.mean() == pytest.approx(still.mean(), rel=0.03)


def test_faces_without_points_have_no_region() -> None:
    assert not regions(["AU12"], torch.full((2, 49, 2), torch.nan), 50).masks.any()
    assert not regions(["happiness"], torch.full((2, 49, 2), torch.nan), 50).masks.any()


def test_classes_are_measured_at_the_parts_of_the_face() -> None:
    made = regions(["happiness", "anger"], face(), 100)
    assert made.names == ["eyes", "brows", "mouth"]
    assert made.masks[0, 0, 40, 30] and not made.masks[0, 0, 75, 50]
    assert made.masks[0, 2, 75, 50] and not made.masks[0, 2, 40, 30]


def _looks() -> tuple[Maps, Regions]:
    """Six faces; the map of label 0 lies in its region on the left half, that of label 1 everywhere."""
    values = np.zeros((6, 2, SIZE, SIZE), np.float32)
    values[:, 0, :, : SIZE // 4] = 1
    values[:, 1] = 1
    masks = np.zeros((6, 2, SIZE, SIZE), bool)
    masks[:, 0, :, : SIZE // 2] = True
    masks[:, 1, :, SIZE // 2 :] = True
    return Maps("attention", values), Regions(["AU1", "AU12"], masks)


def test_a_label_that_looks_at_its_place_is_above_chance_and_above_the_others() -> None:
    maps, region = _looks()
    shown = np.ones((6, 2), bool)
    groups = np.array(["a", "a", "b", "b", "c", "c"])
    first, second = table(maps, region, ["AU1", "AU12"], [0, 1], shown, groups, SIZE)
    assert (first.faces, first.subjects) == (6, 3)
    assert first.share == pytest.approx(1) and first.chance == pytest.approx(0.5) and first.ratio == pytest.approx(2)
    assert (first.low, first.high) == pytest.approx((2, 2))  # subjects agree
    assert first.others == pytest.approx(0.5) and first.most == pytest.approx(1)
    assert second.ratio == pytest.approx(1) and second.others == pytest.approx(0)


def test_each_subject_counts_once_and_only_faces_that_show_the_label() -> None:
    maps, region = _looks()
    maps.values[0, 0] = np.roll(maps.values[0, 0], SIZE // 2, axis=1)  # face 0 looks elsewhere
    maps.values[5, 0] = 0  # face 5 has no map
    shown = np.ones((6, 2), bool)
    shown[1, 0] = False
    groups = np.array(["a", "a", "b", "b", "b", "c"])
    (row,) = table(maps, region, ["AU1", "AU12"], [0], shown, groups, SIZE)
    assert (row.faces, row.subjects) == (4, 2)
    assert row.share == pytest.approx(0.5)  # a: 0; b: 1, whatever the number of its faces
    assert row.low == 0 and row.high is not None and row.high > 2  # two subjects that differ: nothing is known


def test_one_map_for_all_labels_has_no_others_and_one_subject_no_interval() -> None:
    maps, region = _looks()
    single = Maps("attention", maps.values[:, :1])
    rows = table(single, region, ["AU1", "AU12"], [0, 1], np.ones((6, 2), bool), np.array(["a"] * 6), SIZE)
    assert [row.others for row in rows] == [None, None] and rows[0].low is None
    assert rows[1].share == pytest.approx(0)
    notes = " ".join(describe(single, rows, 6, 1)["notes"])
    assert "one map for all labels" in notes and "24 x 24 cells" in notes


def test_nothing_to_measure_is_no_number() -> None:
    maps, region = _looks()
    none = table(maps, region, ["AU1", "AU12"], [0], np.zeros((6, 2), bool), np.array(["a"] * 6), SIZE)
    assert none[0].faces == 0 and none[0].share is None and none[0].ratio is None
