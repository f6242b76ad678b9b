"""Displacement fields over the face mesh: bumps, and the regions that limit them.

All lengths are in per cent of the face width, all vectors are (outward, up, forward) on the subject's right side and
mirrored to the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from fau.synthetic.mesh import (
    EYES,
    FACE_WIDTH,
    LOWER_LIP_INNER,
    MOUTH_CORNERS,
    UPPER_LIP_INNER,
    FloatArray,
    canonical,
    smoothstep,
)

UNIT: Final = FACE_WIDTH / 100  # one per cent of the face width in model units


@dataclass(frozen=True)
class Bump:
    """A Gaussian displacement about the mean of some vertices, on both sides of the face.

    Attributes:
        anchors: Vertex ids on the subject's right side or on the midline.
        vector: Displacement (outward, up, forward) at the centre.
        sigma: Spread.
        region: Name of the region of ``region()`` that limits it.
        sides: Also draw it mirrored. A bump on the midline is drawn once in any case.
    """

    anchors: tuple[int, ...]
    vector: tuple[float, float, float]
    sigma: float
    region: str = "all"
    sides: bool = True


@cache
def lip_rows() -> tuple[FloatArray, FloatArray]:
    """Return masks (468,) of the vertices of the upper and of the lower lip region, corners in neither."""
    x, y, z = canonical().vertices.T
    near = (np.abs(x) < 3.0) & (y > -6.0) & (y < -2.9) & (z > 3.6)
    near[list(MOUTH_CORNERS)] = False
    return (near & (y > -4.30)).astype(np.float32), (near & (y <= -4.30)).astype(np.float32)


@cache
def jaw_weight() -> FloatArray:
    """Return how far each vertex (468,) moves with the lower jaw, 0..1."""
    upper, lower = lip_rows()
    x, y, _ = canonical().vertices.T
    spread = 0.15 + 1.6 * smoothstep(np.abs(x), 2.2, 5.0)
    t = np.clip((y - (-4.32 - spread)) / (0.02 + 2 * spread), 0, 1)
    weight = 1 - t * t * (3 - 2 * t)
    weight[upper > 0] = 0
    weight[lower > 0] = 1
    weight[list(MOUTH_CORNERS)] = 0.45
    weight *= 1 - 0.75 * smoothstep(np.abs(x), 5.5, 7.5) * smoothstep(y, -7, -3)
    return np.asarray(weight, np.float32)


@cache
def region(name: str) -> FloatArray:
    """Return the weight (468,) in 0..1 of a named region.

    Args:
        name: ``all``; ``above_mouth`` and ``below_mouth``: all but the other side of the mouth line; ``upper_lip``,
            ``lower_lip``, ``jaw``, ``chin`` (the jaw without its lip); ``brow``: lids follow a little, nothing below;
            ``brow_low``: the same, and the skin between brow and lid follows a little more; ``below_eye``: not the
            upper lid.

    Raises:
        KeyError: If there is no such region.
    """
    x, y, _ = canonical().vertices.T
    upper, lower = lip_rows()
    weight = np.ones(len(x), np.float32)
    if name in ("brow", "brow_low"):
        for eye in EYES:
            weight[list(eye.upper)] = 0.12
            weight[list(eye.fold)] = 0.35
            weight[list(eye.lower + eye.corners)] = 0
        weight[y < 2.5] *= 0.3
        weight[y < 1] = 0
        return np.maximum(weight, 0.15 * (y > 2.3)).astype(np.float32) if name == "brow_low" else weight
    if name == "below_eye":
        for eye in EYES:
            weight[list(eye.upper + eye.fold)] = 0
        weight[y > 3.0] = 0
        return weight
    if name == "above_mouth":
        weight -= lower
        weight[(y < -4.4) & (np.abs(x) < 2.5)] = 0
        return weight
    if name == "below_mouth":
        weight -= upper
        weight[(y > -4.2) & (np.abs(x) < 2.5)] = 0
        return weight
    chin = np.clip(1.3 * jaw_weight(), 0, 1)
    named = {"all": weight, "upper_lip": upper, "lower_lip": lower, "jaw": chin, "chin": chin * (1 - lower)}
    return np.asarray(named[name], np.float32)


def displacement(bumps: tuple[Bump, ...] | list[Bump]) -> FloatArray:
    """Return the sum of bumps as a displacement (468, 3) in model units."""
    vertices = canonical().vertices
    out = np.zeros_like(vertices)
    for bump in bumps:
        centre = vertices[list(bump.anchors)].mean(0)
        midline = abs(float(centre[0])) < 1e-3
        weight_of_region = region(bump.region)
        for side in (1.0, -1.0) if bump.sides and not midline else (1.0,):
            at = centre * np.array([side, 1, 1], np.float32)
            weight = np.exp(-((vertices - at) ** 2).sum(1) / (2 * (bump.sigma * UNIT) ** 2)) * weight_of_region
            outward = 0.0 if midline else float(np.sign(at[0]))
            vector = np.array([bump.vector[0] * outward, bump.vector[1], bump.vector[2]], np.float32) * UNIT
            out += weight[:, None] * vector
    return out


def keep_lips_together(field: FloatArray) -> FloatArray:
    """Return a displacement in which paired vertices of the two inner lips move alike."""
    out = field.copy()
    upper, lower = list(UPPER_LIP_INNER[1:-1]), list(LOWER_LIP_INNER[1:-1])
    mean = 0.5 * (out[upper] + out[lower])
    out[upper] = mean
    out[lower] = mean
    return out


def random_field(rng: np.random.Generator, amplitude: float, sigma: float, count: int) -> FloatArray:
    """Return a smooth random mirror-symmetric displacement (468, 3).

    Args:
        rng: Source of centres and vectors.
        amplitude: Standard deviation of each bump's components, in model units.
        sigma: Spread of each bump, in model units.
        count: Number of bumps.
    """
    mesh = canonical()
    centres = mesh.vertices[rng.choice(len(mesh.vertices), count, replace=False)]
    vectors = (rng.standard_normal((count, 3)) * amplitude).astype(np.float32)
    flip = np.array([-1, 1, 1], np.float32)
    out = np.zeros_like(mesh.vertices)
    for sign in (np.ones(3, np.float32), flip):
        squared = ((mesh.vertices[:, None] - (centres * sign)[None]) ** 2).sum(2)
        out += np.einsum("vc,cd->vd", np.exp(-squared / (2 * sigma**2)), vectors * sign)
    return out
