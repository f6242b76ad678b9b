"""Rasterising a triangle mesh with OpenCV: an id buffer by the painter's algorithm, then one texture look-up a pixel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.mesh import FloatArray, IntArray

SHIFT = 4  # binary digits of a corner's fraction of a pixel


def visible_order(
    xy: FloatArray,
    depth: FloatArray,
    triangles: IntArray,
    two_sided: NDArray[np.bool_],
    switched_on: NDArray[np.bool_],
    bias: FloatArray,
    size: int,
) -> NDArray[np.intp]:
    """Return the triangles to draw, the farthest first.

    Args:
        xy: (V, 2) pixel positions, y down.
        depth: (V,) distance towards the viewer; larger is nearer.
        triangles: (T, 3).
        two_sided: (T,) drawn whichever way it faces.
        switched_on: (T,) drawn at all.
        bias: (T,) added to the depth for sorting.
        size: Width and height of the picture in pixels.
    """
    corners = xy[triangles]
    u = corners[:, 1] - corners[:, 0]
    v = corners[:, 2] - corners[:, 0]
    facing = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] < -1e-3  # counter-clockwise with y up
    low, high = corners.min(1), corners.max(1)
    inside = (high > -0.5).all(1) & (low < size - 0.5).all(1)
    order = np.flatnonzero((facing | two_sided) & switched_on & inside)
    key = depth[triangles[order]].sum(1) / 3 + bias[order]
    return order[np.argsort(key, kind="stable")]


def draw_ids(xy: FloatArray, triangles: IntArray, order: NDArray[np.intp], size: int) -> IntArray:
    """Return (size, size) triangle ids; pixels that nothing covers hold the number of triangles."""
    ids = np.full((size, size), len(triangles), np.int32)
    fixed = np.round(xy * (1 << SHIFT)).astype(np.int32)[triangles[order]]
    fill = cv2.fillConvexPoly
    for index, corners in zip(order.tolist(), fixed, strict=True):
        fill(ids, corners, index, 8, SHIFT)
    return ids


def texture_positions(ids: IntArray, xy: FloatArray, texel: FloatArray, triangles: IntArray) -> FloatArray:
    """Return the atlas position (x, y) of each pixel, (size, size, 2); where nothing is drawn, 0.

    Args:
        ids: Triangle ids of ``draw_ids``.
        xy: (V, 2) pixel positions.
        texel: (V, 2) atlas positions in texels.
        triangles: (T, 3).
    """
    a, b, c = xy[triangles[:, 0]], xy[triangles[:, 1]], xy[triangles[:, 2]]
    u, v = b - a, c - a
    det = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    det = np.where(np.abs(det) < 1e-3, np.float32(1e-3), det)[:, None]
    corners = texel[triangles]
    du, dv = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    by_x = (du * v[:, 1:2] - dv * u[:, 1:2]) / det
    by_y = (dv * u[:, 0:1] - du * v[:, 0:1]) / det
    origin = corners[:, 0] - by_x * a[:, 0:1] - by_y * a[:, 1:2]
    plane = np.zeros((len(triangles) + 1, 6), np.float32)
    plane[:-1, 0:2], plane[:-1, 2:4], plane[:-1, 4:6] = by_x, by_y, origin
    size = ids.shape[0]
    g = plane.take(ids.ravel(), axis=0).reshape(size, size, 6)
    axis = np.arange(size, dtype=np.float32)
    out = g[:, :, 0:2] * axis[None, :, None]
    out += g[:, :, 2:4] * axis[:, None, None]
    out += g[:, :, 4:6]
    return out
