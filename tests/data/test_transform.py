from __future__ import annotations

import pytest
import torch

from fau.data.transform import BatchTransform
from fau.errors import FauError

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


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


def test_checkpoints_do_not_hold_the_statistics() -> None:
    assert BatchTransform(32, MEAN, STD).state_dict() == {}
