"""EAC-Net's crops and their layers, one by one."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from fau.nets.eacnet_parts import CropNet, crop_cells, response_norm, take_cells


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
