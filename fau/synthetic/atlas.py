"""The texture atlas: its texels, where vertices lie in it, and fixed maps from vertices to texels."""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
import scipy.ndimage
import scipy.sparse

from fau.synthetic.head import ATLAS_HEIGHT, ATLAS_WIDTH, CHARTS, topology
from fau.synthetic.mesh import FloatArray

MASTER: Final = 256  # texels along the face's square in which a subject's texture is drawn
LIGHT: Final = 64  # texels along the face's square of the light map


def atlas_shape(density: int) -> tuple[int, int]:
    """Return rows and columns of an atlas with ``density`` texels along the face's square."""
    return round(ATLAS_HEIGHT * density), round(ATLAS_WIDTH * density)


def chart_slices(part: int, density: int) -> tuple[slice, slice]:
    """Return the rows and columns of a part's chart."""
    u0, v0, u1, v1 = (round(c * density) for c in CHARTS[part])
    return slice(v0, v1), slice(u0, u1)


@cache
def vertex_to_texel(density: int = LIGHT) -> scipy.sparse.csr_array:
    """Return the sparse map (texels, V) that interpolates vertex values over the atlas.

    Texels outside the mesh take the value of the nearest one inside, so that bilinear look-ups near a chart's border
    see no foreign value.
    """
    top = topology()
    rows, columns = atlas_shape(density)
    owner = np.full((rows, columns), -1, np.int32)
    position = top.uv * density - np.float32(0.5)  # texel centres lie at integers
    fixed = np.round(position[top.triangles] * 16).astype(np.int32)
    for i, corners in enumerate(fixed):
        cv2.fillConvexPoly(owner, corners, i, 8, 4)
    nearest = scipy.ndimage.distance_transform_edt(owner < 0, return_distances=False, return_indices=True)
    filled = owner[nearest[0], nearest[1]]
    corners = top.triangles[filled]
    a, b, c = (position[corners[..., k]] for k in range(3))
    q = np.stack([nearest[1], nearest[0]], -1).astype(np.float32)

    def cross(u: FloatArray, v: FloatArray) -> FloatArray:
        return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

    area = cross(b - a, c - a)
    area = np.where(np.abs(area) < 1e-6, 1e-6, area)
    beta, gamma = cross(q - a, c - a) / area, cross(b - a, q - a) / area
    weights = np.clip(np.stack([1 - beta - gamma, beta, gamma], -1), 0, 1)
    weights /= weights.sum(-1, keepdims=True)
    index = np.repeat(np.arange(rows * columns), 3)
    return scipy.sparse.csr_array(
        (weights.ravel().astype(np.float32), (index, corners.ravel())), shape=(rows * columns, len(top.uv))
    )


@cache
def normal_sum() -> scipy.sparse.csr_array:
    """Return the sparse map (V, T) that adds triangle normals into vertex normals, across welded seams."""
    top = topology()
    used = np.flatnonzero(top.tags == 0)
    owner = top.weld[top.triangles[used]]
    face_of = np.repeat(used, 3)
    shared = scipy.sparse.csr_array(
        (np.ones(owner.size, np.float32), (owner.ravel(), face_of)), shape=(len(top.uv), len(top.triangles))
    )
    return scipy.sparse.csr_array(shared[top.weld])
