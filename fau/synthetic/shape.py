"""Face shapes: the neutral face, and a population of faces around it.

The canonical mesh has parted lips, small eyes and high brows. The neutral face brings it near the proportions that
anthropometry reports for adults at rest (such as Farkas, 1994): lips closed, lid opening about a third of the eye's
width, lower face about as high as the middle one, mouth about one and a half times as wide as the nose.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from fau.synthetic.fields import UNIT, Bump, displacement, lip_rows, random_field
from fau.synthetic.mesh import EYES, LOWER_LIP_INNER, UPPER_LIP_INNER, FloatArray, canonical


def _close_lips(points: FloatArray) -> FloatArray:
    """Return a face whose inner lips meet; the rows between inner and outer edge follow."""
    source = canonical().vertices
    shift = np.zeros_like(points)
    for row, partner, region in zip(
        (UPPER_LIP_INNER, LOWER_LIP_INNER), (LOWER_LIP_INNER, UPPER_LIP_INNER), lip_rows(), strict=True
    ):
        inner, other = list(row[1:-1]), list(partner[1:-1])
        to_line = 0.5 * (points[other] - points[inner])
        followers = np.setdiff1d(np.flatnonzero(region), inner)
        squared = ((source[followers][:, None] - source[inner][None]) ** 2).sum(2)
        weight = np.exp(-squared / (2 * 0.35**2))  # model units: about half a lip's height
        total = weight.sum(1)
        share = np.where(total > 1e-3, np.minimum(1, weight.max(1)) / np.maximum(total, 1e-3), 0)
        shift[followers] += np.einsum("fi,id->fd", weight * share[:, None], to_line).astype(np.float32)
        shift[inner] += to_line
    return seal_lips(points + shift)


def seal_lips(points: FloatArray) -> FloatArray:
    """Return a face whose paired inner lip vertices touch, one hundredth of a unit off the line."""
    out = points.copy()
    upper, lower = list(UPPER_LIP_INNER[1:-1]), list(LOWER_LIP_INNER[1:-1])
    middle = 0.5 * (points[upper] + points[lower])
    up = np.array([0, 0.012, 0], np.float32)
    out[upper], out[lower] = middle + up, middle - up
    return out


def open_lids(points: FloatArray, upper: float, lower: float, fold: float) -> FloatArray:
    """Return a face whose lids are farther apart by these fractions of their gap; negative closes.

    Args:
        points: (468, 3), in model units.
        upper: Fraction by which upper lids rise.
        lower: Fraction by which lower lids sink.
        fold: Fraction of the upper lids' way that their folds go along.
    """
    out = points.copy()
    for eye in EYES:
        gap = points[list(eye.upper)] - points[list(eye.lower)]
        out[list(eye.upper)] += upper * gap
        out[list(eye.fold)] += fold * upper * gap
        out[list(eye.lower)] -= lower * gap
        out[list(eye.pouch)] -= 0.6 * lower * gap
    return out


@cache
def neutral_shape() -> FloatArray:
    """Return the neutral average face, (468, 3)."""
    points = open_lids(_close_lips(canonical().vertices.copy()), 0.34, 0.06, 0.45)
    bumps = (
        Bump((105, 107), (0, -2.2, 0), 10.3, "brow"),  # brows rest lower
        Bump((61,), (1.0, 0, 0), 6.5),
        Bump((152,), (0, 3.5, 0), 14.2),  # a shorter chin
        Bump((234,), (-1.6, 0, 0), 19.4),
        Bump((1,), (0, 0.8, 1.6), 6.5),
        Bump((33,), (0.65, 0, 0), 3.9),
        Bump((98,), (0.8, 0, 0), 4.5, "above_mouth"),
    )
    return seal_lips(points + displacement(bumps))


def sample_shape(rng: np.random.Generator, feminine: bool) -> FloatArray:
    """Draw a neutral face.

    Args:
        rng: Source.
        feminine: Shifts the means: narrower jaw, fuller lips, higher brows, smaller nose, or the reverse.

    Returns:
        (468, 3) vertices in model units.
    """
    lean = 1.0 if feminine else -1.0

    def n(spread: float, mean: float = 0.0) -> float:
        return float(np.clip(rng.standard_normal(), -2.2, 2.2)) * spread / UNIT + mean * lean / UNIT

    bumps = [
        Bump((172, 136), (n(0.40, -0.17), n(0.22, 0.05), 0), 14.2),  # jaw angle
        Bump((152,), (0, n(0.42, 0.10), n(0.22, -0.05)), 11.6),  # chin
        Bump((176, 148), (n(0.25, -0.18), 0, 0), 9),  # chin width
        Bump((50,), (n(0.18), n(0.14), n(0.22, 0.04)), 11.6),  # cheekbone
        Bump((205,), (n(0.18), 0, n(0.18)), 10),  # cheek
        Bump((98,), (n(0.15, -0.05), 0, n(0.10)), 5.2, "above_mouth"),  # nose width
        Bump((1,), (0, n(0.20, 0.05), n(0.26, -0.06)), 5.2),  # nose tip
        Bump((195,), (0, 0, n(0.20)), 4.5),  # nose bridge
        Bump((6,), (0, 0, n(0.22)), 5.8),  # nose root
        Bump((105,), (0, n(0.15, 0.07), n(0.12, -0.06)), 9),  # brow
        Bump((70,), (n(0.10), n(0.15, 0.05), 0), 7.1),  # outer brow
        Bump((159, 145), (n(0.14), n(0.11), 0), 11),  # eye position
        Bump((33,), (n(0.05), n(0.09), 0), 3.2),  # outer eye corner
        Bump((61,), (n(0.18, -0.04), n(0.07), 0), 6.5),  # mouth width
        Bump((13,), (0, n(0.16), n(0.10)), 11.6),  # mouth height
        Bump((10,), (0, n(0.38), n(0.25)), 16),  # forehead
        Bump((127,), (n(0.22), 0, 0), 16),  # temples
        Bump((37, 0), (0, n(0.10, 0.05), n(0.08, 0.05)), 3.6, "upper_lip"),
        Bump((17, 84), (0, n(0.12, -0.05), n(0.08, 0.05)), 3.9, "lower_lip"),
        # slight asymmetry
        Bump((61,), (0, n(0.03), 0), 7.7, sides=False),
        Bump((300,), (0, n(0.05), 0), 9, sides=False),
        Bump((33,), (0, n(0.04), 0), 5, sides=False),
        Bump((4,), (n(0.03), 0, 0), 9, sides=False),
    ]
    points = neutral_shape() + displacement(bumps) + random_field(rng, 0.045, 1.6, 26)
    lids = float(np.clip(rng.normal(0.0 + 0.02 * lean, 0.075), -0.18, 0.16))
    points = open_lids(points.astype(np.float32), lids, float(rng.normal(0, 0.04)), 0.35)
    points *= np.exp(rng.normal(0, (0.040, 0.040, 0.035))).astype(np.float32)
    return seal_lips(points.astype(np.float32))
