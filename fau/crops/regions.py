"""Eyes, brows and mouth, cut out of crops as patches: text 001's input of a transformer, or something to look at.

points = CropSet.open(path).landmarks([0])[0]
patches = cut_regions(crop, points, "478", size=32)     # {"right_eye": (32, 32, 3), ...}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fau.crops.align import warp
from fau.errors import FauError
from fau.landmarks import REGION_POINTS, REGIONS, check_points


def region_boxes(points: NDArray[np.float32], landmark_set: str, margin: float = 0.25) -> NDArray[np.float64]:
    """Return the square about each region.

    Args:
        points: Shape (..., K, 2), pixels of the crop.
        landmark_set: ``"49"``, ``"68"`` or ``"478"``.
        margin: Added on each side, as a share of the larger side of the box around the region's points.

    Returns:
        Shape (..., 5, 3) in the order of ``REGIONS``: x and y of the centre and the side, pixels; NaN where a point
        of the region is missing.

    Raises:
        FauError: If the points are not of that set.
    """
    check_points(points, landmark_set)
    out = np.empty((*points.shape[:-2], len(REGIONS), 3))
    for i, indices in enumerate(REGION_POINTS[landmark_set]):
        part = points[..., indices, :].astype(np.float64)
        low, high = part.min(-2), part.max(-2)
        out[..., i, :2] = (low + high) / 2
        out[..., i, 2] = (1 + 2 * margin) * (high - low).max(-1)
    return out


def cut_regions(
    crops: NDArray[np.uint8], points: NDArray[np.float32], landmark_set: str, size: int = 32, margin: float = 0.25
) -> dict[str, NDArray[np.uint8]]:
    """Cut the patches of eyes, brows and mouth, upright squares brought to one size.

    Args:
        crops: One crop, (H, W, 3), or several, (N, H, W, 3); uint8.
        points: Its landmarks, (K, 2), or theirs, (N, K, 2).
        landmark_set: ``"49"``, ``"68"`` or ``"478"``.
        size: Height and width of a patch in pixels.
        margin: Added on each side, as a share of the region's larger side.

    Returns:
        By the names in ``REGIONS``: uint8 (size, size, 3), with N in front for several crops. What lies outside the
        crop is grey; so is all of a patch whose points are missing.

    Raises:
        FauError: If shapes do not fit together.
    """
    if crops.ndim not in (3, 4) or crops.shape[:-3] != points.shape[:-2]:
        raise FauError(
            f"crops {crops.shape} and landmarks {points.shape} do not belong together: (N,) H, W, 3 and K, 2"
        )
    squares = region_boxes(points, landmark_set, margin)
    out = {name: np.full((*crops.shape[:-3], size, size, 3), 128, np.uint8) for name in REGIONS}
    for n in np.ndindex(*crops.shape[:-3]):
        for i, name in enumerate(REGIONS):
            x, y, side = squares[(*n, i)].tolist()
            if side > 0:  # not NaN
                scale = size / side
                middle = (size - 1) / 2
                matrix = np.array([[scale, 0, middle - scale * x], [0, scale, middle - scale * y]])
                out[name][n] = warp(crops[n], matrix, size)
    return out
