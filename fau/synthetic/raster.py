"""Rasterising triangles with OpenCV: an id buffer by the painter's algorithm, then one texture look-up a pixel."""

from __future__ import annotations

from collections.abc import Sequence

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
    least: FloatArray,
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
        least: (T,) area over squared edges below which a triangle is a sliver and left out.
        size: Width and height of the picture in pixels.
    """
    i, j, k = triangles.T
    x, y = np.ascontiguousarray(xy.T)
    xi, xj, xk, yi, yj, yk = x[i], x[j], x[k], y[i], y[j], y[k]
    ux, uy, vx, vy = xj - xi, yj - yi, xk - xi, yk - yi
    # Counter-clockwise with y up; a pixel at a sliver's edge would look far beyond it.
    facing = ux * vy - uy * vx < -least * (ux * ux + uy * uy + vx * vx + vy * vy) - np.float32(1e-3)
    shown = (facing | two_sided) & switched_on
    edge = size - 0.5
    for a, b, c in ((xi, xj, xk), (yi, yj, yk)):
        shown &= np.maximum(np.maximum(a, b), c) > -0.5
        shown &= np.minimum(np.minimum(a, b), c) < edge
    order = np.flatnonzero(shown)
    i, j, k = i[order], j[order], k[order]
    key = (depth[i] + depth[j] + depth[k]) / 3 + bias[order]
    return order[np.argsort(key, kind="stable")]


def draw_ids(
    xy: FloatArray, triangles: IntArray, order: NDArray[np.intp], size: int, seams: Sequence[tuple[list[int], int]] = ()
) -> IntArray:
    """Return (size, size) triangle ids; pixels that nothing covers hold the number of triangles.

    Args:
        xy: (V, 2) pixel positions.
        triangles: (T, 3).
        order: Triangles to draw, the farthest first.
        size: Width and height of the picture in pixels.
        seams: Rings of vertices with the triangle id that shows where the rest leaves a hair's breadth open along them.
    """
    ids = np.full((size, size), len(triangles), np.int32)
    for ring, index in seams:
        cv2.polylines(ids, [np.round(xy[ring] * (1 << SHIFT)).astype(np.int32)], True, index, 2, cv2.LINE_8, SHIFT)
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
    i, j, k = triangles.T
    # A position is a complex number: one look-up moves both of its parts.
    pixel = np.ascontiguousarray(xy).view(np.complex64)[:, 0]
    place = np.ascontiguousarray(texel).view(np.complex64)[:, 0]
    a = pixel[i]
    u, v = pixel[j] - a, pixel[k] - a
    det = u.real * v.imag - u.imag * v.real
    det = np.where(np.abs(det) < 1e-3, np.float32(1e-3), det)
    du, dv = place[j] - place[i], place[k] - place[i]
    by_x = (du * v.imag - dv * u.imag) / det
    by_y = (dv * u.real - du * v.real) / det
    origin = place[i] - by_x * a.real - by_y * a.imag
    size = ids.shape[0]
    axis = np.arange(size, dtype=np.float32)
    planes = [
        np.append(p, np.complex64(0)).astype(np.complex64).take(ids).view(np.float32) for p in (by_x, by_y, origin)
    ]
    out = planes[0]
    out *= np.repeat(axis, 2)
    planes[1] *= axis[:, None]
    out += planes[1]
    out += planes[2]
    return out.reshape(size, size, 2)
