"""Brushes for the master texture: masks of polygons, strokes and spots in atlas coordinates, and smooth noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from fau.synthetic.atlas import MASTER, atlas_shape
from fau.synthetic.mesh import FloatArray

Points = Sequence[Any] | np.ndarray
SHIFT = 4


def fixed_point(points: Points, scale: float = MASTER) -> np.ndarray:
    """Return atlas coordinates as the fixed-point texels that OpenCV's drawing takes."""
    return np.round(np.asarray(points, np.float64) * scale * (1 << SHIFT)).astype(np.int32)


def blank() -> FloatArray:
    """Return an empty mask of the master atlas."""
    return np.zeros(atlas_shape(MASTER), np.float32)


def blur(mask: FloatArray, sigma: float) -> FloatArray:
    """Return a Gaussian blur; ``sigma`` in units of the face's square."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma * MASTER), np.float32)


def polygon(points: Points, sigma: float = 0.0) -> FloatArray:
    """Return the mask of a filled polygon, its edge softened by ``sigma`` in units of the face's square."""
    mask = blank()
    cv2.fillPoly(mask, [fixed_point(points)], 1.0, cv2.LINE_8, SHIFT)
    return blur(mask, sigma) if sigma else mask


def strokes(lines: Iterable[Points], width: float, sigma: float) -> FloatArray:
    """Return the mask of polylines, ``width`` and ``sigma`` in units of the face's square."""
    mask = blank()
    for line in lines:
        cv2.polylines(mask, [fixed_point(line)], False, 1.0, max(1, round(width * MASTER)), cv2.LINE_8, SHIFT)
    return blur(mask, sigma)


def spot(centre: tuple[float, float], radii: tuple[float, float], sigma: float) -> FloatArray:
    """Return the mask of a soft ellipse; all in units of the face's square."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return polygon(np.stack([centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], 1), sigma)


def arc(start: Points, end: Points, sag: float) -> FloatArray:
    """Return 12 points of a parabola from ``start`` to ``end`` that bulges by ``sag`` of its length."""
    p, q = np.asarray(start, np.float64), np.asarray(end, np.float64)
    t = np.linspace(0, 1, 12)[:, None]
    across = np.array([-(q - p)[1], (q - p)[0]])
    return np.asarray(p + (q - p) * t + across * sag * 4 * t * (1 - t), np.float32)


def both(lines: Iterable[Points]) -> list[FloatArray]:
    """Return lines of the face chart and their mirror images."""
    out: list[FloatArray] = []
    for line in lines:
        points = np.asarray(line, np.float32)
        out += [points, np.stack([1 - points[:, 0], points[:, 1]], 1)]
    return out


def noise(rng: np.random.Generator, cells: float, shape: tuple[int, int] | None = None) -> FloatArray:
    """Return smooth unit noise over the master atlas.

    Args:
        rng: Source.
        cells: Knots along the face's square: 2 is a gradient, ``MASTER`` is white noise.
        shape: Rows and columns in texels, the master atlas' by default.
    """
    rows, columns = shape or atlas_shape(MASTER)
    knots = (max(2, round(rows * cells / MASTER)), max(2, round(columns * cells / MASTER)))
    coarse = rng.standard_normal(knots, dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC), np.float32)


def mix(image: FloatArray, colour: FloatArray, mask: FloatArray) -> None:
    """Blend a colour (3,) or picture over ``image`` in place, by ``mask`` in 0..1."""
    image += (colour - image) * np.clip(mask, 0, 1)[..., None]


def tint(image: FloatArray, factor: FloatArray | Sequence[float], mask: FloatArray) -> None:
    """Multiply ``image`` in place by a colour factor where ``mask`` is 1."""
    image *= 1 + (np.asarray(factor, np.float32) - 1) * np.clip(mask, 0, 1)[..., None]
