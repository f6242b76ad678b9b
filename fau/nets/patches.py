"""Patches about a face's parts, cut on the device, for a whole batch in one operation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fau.landmarks import REGION_POINTS


def region_squares(points: Tensor, landmark_set: str, margin: float = 0.25) -> Tensor:
    """Return the square about each of ``fau.landmarks.REGIONS``: the eyes, the brows, the mouth.

    Args:
        points: (B, K, 2), x and y in pixels, centres at whole numbers.
        landmark_set: ``49``, ``68`` or ``478``, which says what each point is.
        margin: Added on each side, as a share of the larger side of the box around the region's points.

    Returns:
        (B, 5, 3): x and y of the centre and the side, in pixels; NaN where a point of the region is not known.
    """
    squares = []
    for indices in REGION_POINTS[landmark_set]:
        part = points[:, list(indices)]
        low, high = part.amin(dim=1), part.amax(dim=1)  # both pass NaN on
        side = (1 + 2 * margin) * (high - low).amax(dim=1, keepdim=True)
        squares.append(torch.cat([(low + high) / 2, side], dim=1))
    return torch.stack(squares, dim=1)


def cut_patches(image: Tensor, squares: Tensor, size: int, samples: int = 1) -> Tensor:
    """Cut upright squares out of images and bring them to one size.

    Args:
        image: (B, C, H, W).
        squares: (B, R, 3), as ``region_squares`` gives them.
        size: Side of a patch in pixels.
        samples: Bilinear samples along each side of a patch's pixel, of which it is the mean; more than 1 where
            patches are much smaller than their squares, so that nothing aliases.

    Returns:
        (B, R, C, size, size); 0 outside the image and in patches whose square is not known.
    """
    batch, regions = squares.shape[:2]
    fine = size * samples
    squares = squares.float()
    known = torch.isfinite(squares).all(dim=2)
    squares = torch.where(known.unsqueeze(2), squares, 0.0)
    steps = (torch.arange(fine, device=image.device, dtype=torch.float32) + 0.5) / fine - 0.5  # shares of the side
    x = squares[:, :, 0:1] + steps * squares[:, :, 2:]
    y = squares[:, :, 1:2] + steps * squares[:, :, 2:]
    # grid_sample's unit: -1 and 1 are the outer edges of the border pixels
    x = (2 * x + 1) / image.shape[3] - 1
    y = (2 * y + 1) / image.shape[2] - 1
    grid = torch.stack(
        [x.unsqueeze(2).expand(-1, -1, fine, -1), y.unsqueeze(3).expand(-1, -1, -1, fine)], dim=4
    ).flatten(1, 2)
    cut = functional.grid_sample(image.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    if samples > 1:
        cut = functional.avg_pool2d(cut, samples)  # samples divides a patch: none is mixed with another
    patches = cut.reshape(batch, image.shape[1], regions, size, size).transpose(1, 2)
    return patches * known.view(batch, regions, 1, 1, 1)
