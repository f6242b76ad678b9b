"""How much of the sky and of the key light each vertex sees: precomputed on the average head.

The share of unobstructed directions, cosine-weighted, shades the ambient light; the visibility of single directions, as
nine spherical harmonics, shades the key light: the nose's shadow, the brow's over the eye, the jaw's on the neck. Run
this module (``python -m fau.synthetic.occlusion``) to make the embedded file anew after a change of topology or of the
average head; it takes about ten seconds.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from fau.synthetic.head import AROUND, CURTAIN, EAR, TORSO, HeadStyle, rest_parts, topology
from fau.synthetic.mesh import LOWER_LIP_OUTER, UPPER_LIP_OUTER, FloatArray, canonical
from fau.synthetic.shape import neutral_shape

FILE: Final = "head_occlusion.npz"
DIRECTIONS: Final = 160
START: Final = 0.30  # model units along the normal at which a ray starts, so that it leaves its own surface
SCALE: Final = 60.0  # of the stored bytes


def harmonics(direction: FloatArray) -> FloatArray:
    """Return the nine real spherical harmonics up to degree two, without their constants, of directions (..., 3)."""
    x, y, z = direction[..., 0], direction[..., 1], direction[..., 2]
    return np.stack([np.ones_like(x), x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1], -1)


@cache
def _stored() -> FloatArray:
    with (files("fau") / "assets" / FILE).open("rb") as file, np.load(file) as stored:
        return np.asarray(stored["occlusion"].astype(np.float32) / SCALE)


def visibility(direction: FloatArray) -> FloatArray:
    """Return what each vertex sees.

    Args:
        direction: (3,) unit vector towards the key light in the head's axes.

    Returns:
        (V, 2): share of the sky, and of the key light, in 0..1.
    """
    stored = _stored()
    out = np.empty((len(stored), 2), np.float32)
    out[:, 0] = stored[:, 0]
    basis = harmonics(direction.astype(np.float32))
    key = stored[:, 1] * basis[0]
    for i in range(1, 9):
        key += stored[:, 1 + i] * basis[i]
    out[:, 1] = np.clip(key, 0.12, 1)
    return out


def _sphere(count: int) -> FloatArray:
    """Return evenly spread unit vectors (count, 3) on a golden spiral."""
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    angle = np.pi * (1 + 5**0.5) * i
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], 1)


def _average_head() -> FloatArray:
    shape = neutral_shape()
    style = HeadStyle(volume=np.full(AROUND, 0.5, np.float32), hairline=np.full(AROUND, 0.3, np.float32))
    return np.concatenate([shape, rest_parts(shape, style)])


def bake() -> np.ndarray:
    """Trace rays from each vertex of the average head; returns (V, 10) bytes, ``SCALE`` is 1."""
    top = topology()
    vertices = _average_head().astype(np.float64)
    solid = (top.part != CURTAIN) & (top.tags == 0)
    corners = vertices[top.triangles[solid]]
    facets = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    weld = top.weld
    for k in range(3):
        np.add.at(normals, weld[top.triangles[solid][:, k]], facets)
    normals = normals[weld]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    origin = vertices + START * normals
    directions = _sphere(DIRECTIONS)
    clear = np.empty((len(vertices), DIRECTIONS))
    for j, direction in enumerate(directions):
        clear[:, j] = ~_blocked(origin, corners, direction)
    cosine = np.clip(normals @ directions.T, 0, None)
    sky = (clear * cosine).sum(1) / np.maximum(cosine.sum(1), 1e-6)
    front = 0.02 + cosine  # fit where it matters: directions that light the vertex
    basis = harmonics(directions)
    fit = np.empty((len(vertices), 9))
    for i in range(len(vertices)):
        w = front[i][:, None]
        fit[i] = np.linalg.solve((basis * w).T @ basis + 0.4 * np.eye(9), (basis * w).T @ clear[i])
    # Parted lips and lids would shade themselves: their edges see what the skin around them sees.
    uv = canonical().uv
    rim = np.array([*UPPER_LIP_OUTER, *LOWER_LIP_OUTER[-2:0:-1]])
    hull = (uv[rim] * 1000).astype(np.float32)
    inside = [i for i, p in enumerate(uv) if cv2.pointPolygonTest(hull, (p * 1000).tolist(), False) > 0]
    for i in [*inside, 61, 291]:
        near = rim[np.abs(uv[rim] - uv[i]).sum(1).argsort()[:5]]
        near = near[(near != 61) & (near != 291)]
        fit[i], sky[i] = fit[near].mean(0), max(0.7, sky[near].mean())
    ear = top.vertex_part == EAR
    sky[ear] = np.maximum(sky[ear], 0.35)
    out = np.concatenate([sky[:, None], fit], 1)
    hanging = top.vertex_part == CURTAIN
    out[hanging] = [0.8, 0.85, *np.zeros(8)]
    low = top.vertex_part == TORSO
    out[low, 0] = np.maximum(out[low, 0], 0.2)
    return np.clip(np.round(out * SCALE), -127, 127).astype(np.int8)


def _blocked(origin: np.ndarray, corners: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return which rays (n,) meet a triangle on their way."""
    helper = np.array([0.0, 0, 1]) if abs(direction[2]) < 0.9 else np.array([1.0, 0, 0])
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    frame = np.stack([right, np.cross(direction, right), direction], 1)
    p, q = origin @ frame, corners @ frame
    a, u, v = q[:, 0], q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
    det = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    det = np.where(np.abs(det) < 1e-9, 1e-9, det)
    dx, dy = p[:, None, 0] - a[None, :, 0], p[:, None, 1] - a[None, :, 1]
    beta = (dx * v[:, 1] - dy * v[:, 0]) / det
    gamma = (dy * u[:, 0] - dx * u[:, 1]) / det
    height = a[:, 2] + beta * u[:, 2] + gamma * v[:, 2]
    hit = (beta >= 0) & (gamma >= 0) & (beta + gamma <= 1) & (height > p[:, None, 2])
    return np.asarray(hit.any(1))


if __name__ == "__main__":
    target = Path(__file__).resolve().parents[1] / "assets" / FILE
    np.savez_compressed(target, occlusion=bake())
