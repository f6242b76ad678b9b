from __future__ import annotations

import numpy as np
import pytest
import torch

from fau.data.transform import BatchTransform
from fau.errors import FauError

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def _dot(size: int, x: float, y: float, sigma: float = 3.0) -> torch.Tensor:
    """A picture of one round blot, uint8 (1, size, size, 3)."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    blot = 250 * torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return blot.round().to(torch.uint8)[None, :, :, None].expand(1, size, size, 3).contiguous()


def _found(planes: torch.Tensor) -> np.ndarray:
    """The centre of what is bright in (1, 3, H, W), x and y."""
    weight = planes[0, 0].double()
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in weight.shape), indexing="ij")
    return torch.stack([(weight * columns).sum(), (weight * rows).sum()]).div(weight.sum()).numpy()


def test_values_are_normalised_and_laid_out_channels_last() -> None:
    image = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    out = BatchTransform(32, MEAN, STD)(image)
    assert out.dtype == torch.float32
    assert out.shape == (4, 3, 32, 32)
    assert out.is_contiguous(memory_format=torch.channels_last)
    for c in range(3):
        torch.testing.assert_close(out[:, c], (image[..., c] / 255 - MEAN[c]) / STD[c])


def test_larger_crops_are_reduced_without_aliasing() -> None:
    stripes = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    stripes[:, :, ::2] = 255
    out = BatchTransform(32, (0, 0, 0), (1, 1, 1))(stripes)
    assert out.shape == (1, 3, 32, 32)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert (out[..., 4:-4] - 0.5).abs().max() < 0.15


def test_smaller_crops_need_leave() -> None:
    image = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    with pytest.raises(FauError, match="crops of 32 px are smaller than the network's input of 64 px"):
        BatchTransform(64, MEAN, STD)(image)
    assert BatchTransform(64, MEAN, STD, allow_upsample=True)(image).shape == (1, 3, 64, 64)
    with pytest.raises(FauError, match=r"smaller than model\.resize, which is 40 px; use a crop set of 40 px or more"):
        BatchTransform(32, MEAN, STD, resize=40).check(32)
    with pytest.raises(FauError, match=r"model\.resize 24 is below the network's input of 32 px"):
        BatchTransform(32, MEAN, STD, resize=24)


def test_checkpoints_do_not_hold_the_statistics() -> None:
    assert BatchTransform(32, MEAN, STD).state_dict() == {}


@pytest.mark.parametrize("given", [True, False])
def test_crops_of_the_right_size_are_cut_and_not_resized(given: bool) -> None:
    """JAA-Net's 176 out of 200, in small: every pixel is one of the crop's own, from the centre without a window."""
    image = torch.randint(0, 256, (3, 50, 50, 3), dtype=torch.uint8)
    window = torch.tensor([[0.0, 0.999], [0.5, 0.2], [0.99, 0.0]]) if given else None
    corners = [(0, 6), (3, 1), (6, 0)] if given else [(3, 3)] * 3  # of 0..6
    out = BatchTransform(44, (0, 0, 0), (1 / 255,) * 3, resize=50)(image, window)
    for sample, (x, y) in enumerate(corners):
        wanted = image[sample, y : y + 44, x : x + 44].permute(2, 0, 1)
        assert torch.equal(out[sample].round().to(torch.uint8), wanted)
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("size", "resize"), [(96, None), (50, 50), (100, 50), (80, 50), (44, None)])
@pytest.mark.parametrize("given", [True, False])
def test_landmarks_lie_where_the_pixels_go(size: int, resize: int | None, given: bool) -> None:
    transform = BatchTransform(44, (0, 0, 0), (1, 1, 1), resize=resize)
    window = torch.tensor([[0.93, 0.11]]) if given else None
    x, y = 0.55 * size, 0.42 * size
    out = transform(_dot(size, x, y, 0.05 * size), window)
    moved = transform.points(torch.tensor([[[x, y]]]), size, window)
    np.testing.assert_allclose(_found(out), moved[0, 0].numpy(), atol=0.05)


def test_landmarks_move_by_whole_pixels_where_nothing_is_resized() -> None:
    points = torch.rand(2, 49, 2) * 200
    moved = BatchTransform(176, MEAN, STD, resize=200).points(points, 200)
    assert torch.equal(moved, points - 12)  # the authors' offset
    assert torch.equal(BatchTransform(200, MEAN, STD).points(points, 200), points)


def test_windows_reach_every_place_and_no_further() -> None:
    """The last value below 1 that float32 has gives the last place."""
    transform = BatchTransform(224, MEAN, STD, resize=256)
    edges = torch.tensor([[0.0, 1 - 2**-24], [1 / 33, 32 / 33]])
    assert transform._corner(edges, 2).tolist() == [[0, 32], [1, 32]]
