"""What the drawers of occluders share: fixed-point corners, colours, rounded outlines."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fau.synthetic.mesh import FloatArray

SHIFT: Final = 4  # binary digits of a corner's fraction of a pixel


def fixed(points: FloatArray) -> NDArray[np.int32]:
    """Return pixel positions as the fixed-point integers that OpenCV's drawing takes."""
    return np.round(points * (1 << SHIFT)).astype(np.int32)


def paint_of(value: FloatArray) -> tuple[float, ...]:
    """Return a display colour in 0..1 as OpenCV's scalar."""
    return tuple(float(v) for v in np.clip(value, 0, 1) * 255)


def rounded(points: FloatArray) -> FloatArray:
    """Return a closed outline with its corners cut twice (Chaikin)."""
    for _ in range(2):
        following = np.roll(points, -1, 0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1).reshape(-1, 2)
    return points
