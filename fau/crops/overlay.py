"""Landmarks drawn over a picture, to see whether they sit where they should."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def draw_landmarks(
    image: NDArray[np.uint8],
    points: NDArray[np.float32],
    colour: tuple[int, int, int] = (60, 255, 60),
    radius: float = 1.0,
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """Return a copy of a picture with a dot on each landmark.

    Args:
        image: uint8 (H, W, 3), RGB.
        points: Shape (K, 2), pixels with centres at integers; those with a NaN are left out.
        colour: Of the dots, RGB.
        radius: Of the dots, in pixels of the result.
        zoom: How many times larger the result is.

    Returns:
        uint8 (zoom H, zoom W, 3).
    """
    out = np.ascontiguousarray(image.repeat(zoom, 0).repeat(zoom, 1))
    fraction = 4  # bits behind the point, by which OpenCV places a dot more finely than by pixels
    there = points[np.isfinite(points).all(-1)].astype(np.float64)
    for x, y in np.round(((there + 0.5) * zoom - 0.5) * 2**fraction).astype(int).tolist():
        cv2.circle(out, (x, y), round(radius * 2**fraction), colour, cv2.FILLED, cv2.LINE_AA, fraction)
    return out
