"""Folds that action units raise in the skin: where they lie in the face chart, and how they catch the light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic import paint
from fau.synthetic.action_units import AUS
from fau.synthetic.atlas import MASTER, atlas_shape
from fau.synthetic.mesh import FloatArray, canonical

FOREHEAD: Final = (0.165, 0.195, 0.225)  # heights of its lines in the face chart
DARKEST: Final = 0.46  # share of light that the deepest fold takes


@dataclass(frozen=True)
class Crease:
    """Lines of one unit that are drawn with one brush.

    Attributes:
        lines: Polylines in the face chart, on the subject's right or across the midline.
        width: Of the brush, in units of the face's square.
        sigma: Of the blur.
        depth: At intensity 5; 1 is a deep fold.
        mirrored: Also drawn on the left.
    """

    lines: tuple[NDArray[np.floating], ...]
    width: float
    sigma: float
    depth: float
    mirrored: bool = True


@dataclass(frozen=True)
class Pit:
    """A dimple on either side: distance from the midline and height, radii, blur in the face chart, depth at 5."""

    aside: float
    height: float
    radii: tuple[float, float]
    sigma: float
    depth: float


@dataclass(frozen=True)
class Fold:
    """The folds of one unit, within the rows and columns where they lie.

    Attributes:
        unit: Index of the action unit in ``synthetic18``.
        rows: Rows of the atlas.
        columns: Columns of the atlas.
        maps: (rows, columns, 3): depth of the fold, and its slopes to the right and down.
    """

    unit: int
    rows: slice
    columns: slice
    maps: FloatArray


def _table() -> dict[int, tuple[Crease | Pit, ...]]:
    """Return the folds of each unit that has any."""
    uv = canonical().uv
    arc = paint.arc
    ala, corner = uv[129], uv[61]
    waves = [np.stack([np.linspace(0.37, 0.63, 20), v + 0.012 * np.cos(np.linspace(-3, 3, 20))], 1) for v in FOREHEAD]
    flanks = [np.stack([np.linspace(0.17, 0.37, 15), v + 0.02 * np.linspace(1, 0, 15)], 1) for v in FOREHEAD]
    crow = (
        arc((0.264, 0.372), (0.200, 0.340), 0.1),
        arc((0.264, 0.383), (0.192, 0.385), 0.08),
        arc((0.268, 0.394), (0.205, 0.425), 0.1),
    )
    bridge = (
        arc((0.457, 0.352), (0.500, 0.340), -0.1),
        arc((0.450, 0.392), (0.486, 0.372), 0),
        arc((0.445, 0.424), (0.480, 0.402), 0),
    )
    pursed = (
        arc((0.425, 0.662), (0.432, 0.676), 0),
        arc((0.450, 0.655), (0.454, 0.672), 0),
        arc((0.475, 0.652), (0.477, 0.670), 0),
    )
    return {
        1: (Crease(tuple(waves), 0.007, 0.008, 1.3, mirrored=False),),
        2: (Crease(tuple(flanks), 0.007, 0.008, 1.3),),
        4: (
            Crease((arc((0.476, 0.24), (0.482, 0.31), 0.1),), 0.009, 0.006, 1.3),
            Crease((arc((0.47, 0.328), (0.53, 0.328), 0.1),), 0.006, 0.005, 0.7, mirrored=False),
        ),
        6: (
            Crease(crow, 0.006, 0.006, 1.2),
            Crease((arc((0.285, 0.424), (0.405, 0.434), -0.16),), 0.008, 0.008, 1.1),
        ),
        7: (Crease((arc((0.29, 0.413), (0.41, 0.418), -0.18),), 0.006, 0.005, 0.7),),
        9: (
            Crease(bridge, 0.006, 0.006, 1.8),
            Crease((arc(ala + [0.004, -0.035], ala + [-0.030, 0.055], -0.22),), 0.011, 0.008, 1.5),
        ),
        10: (Crease((arc(ala + [-0.004, -0.018], corner + [-0.022, -0.045], 0.08),), 0.009, 0.010, 1.3),),
        12: (Crease((arc(ala + [-0.010, -0.005], corner + [-0.040, -0.018], 0.12),), 0.009, 0.011, 1.3),),
        14: (
            Crease((arc(corner + [-0.016, -0.028], corner + [-0.020, 0.026], -0.25),), 0.010, 0.006, 1.3),
            Pit(0.150, 0.690, (0.010, 0.018), 0.009, 0.7),
        ),
        15: (Crease((arc(corner + [-0.006, 0.010], corner + [-0.034, 0.060], 0.1),), 0.009, 0.006, 1.2),),
        17: (Crease((arc((0.44, 0.800), (0.56, 0.800), 0.22),), 0.009, 0.007, 1.0, mirrored=False),),
        20: (Crease((arc(corner + [-0.022, -0.025], corner + [-0.026, 0.055], 0.2),), 0.008, 0.007, 0.8),),
        23: (
            Crease(pursed, 0.005, 0.004, 0.8),
            Crease((arc((0.43, 0.758), (0.57, 0.758), 0.10),), 0.008, 0.006, 0.8, mirrored=False),
        ),
        24: (
            Crease((arc((0.405, 0.664), (0.595, 0.664), -0.10),), 0.008, 0.006, 1.0, mirrored=False),
            Crease((arc((0.42, 0.752), (0.58, 0.752), 0.12),), 0.009, 0.006, 1.0, mirrored=False),
            Pit(0.140, 0.700, (0.012, 0.012), 0.008, 0.7),
        ),
    }


def _drawn() -> dict[int, FloatArray]:
    """Draw each unit's folds on the master atlas; 1 is a deep fold."""
    out = {}
    for au, marks in _table().items():
        mask = paint.blank()
        for mark in marks:
            if isinstance(mark, Pit):
                for side in (-1, 1):
                    mask += mark.depth * paint.spot((0.5 + side * mark.aside, mark.height), mark.radii, mark.sigma)
            else:
                lines = paint.both(mark.lines) if mark.mirrored else mark.lines
                mask += mark.depth * paint.strokes(lines, mark.width, mark.sigma)
        out[au] = mask
    chin = paint.polygon([(0.45, 0.83), (0.55, 0.83), (0.54, 0.885), (0.46, 0.885)])
    out[17] += 0.5 * paint.blur(chin * _dimples(), 0.006)
    return out


def _dimples() -> FloatArray:
    """Return the pattern of a puckered chin, the same for everyone."""
    return np.clip(paint.noise(np.random.default_rng(5), 70), 0, 2)


@cache
def folds(density: int) -> tuple[Fold, ...]:
    """Return the folds of all units that have any, on an atlas of ``density`` texels along the face's square."""
    rows, columns = atlas_shape(density)
    out = []
    for au, mask in _drawn().items():
        small = mask if density == MASTER else cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA)
        slopes = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
        maps = np.stack([small, *slopes], -1).astype(np.float32)
        maps[..., 1:] *= np.float32(0.22 * density / 128)
        y, x = np.nonzero(np.abs(maps).max(-1) > 0.02)
        r, c = slice(int(y.min()), int(y.max()) + 1), slice(int(x.min()), int(x.max()) + 1)
        out.append(Fold(AUS.index(au), r, c, np.ascontiguousarray(maps[r, c])))
    return tuple(out)


def shade_folds(light: FloatArray, density: int, intensities: FloatArray, gain: float, direction: FloatArray) -> None:
    """Darken and light the folds of active units on a light map, in place.

    Args:
        light: (rows, columns, 3) light on the atlas.
        density: Texels along the face's square.
        intensities: (18,) in 0..5.
        gain: The subject's tendency to wrinkle.
        direction: (3,) unit vector towards the key light.
    """
    for fold in folds(density):
        strength = float(intensities[fold.unit]) / 5 * gain
        if strength <= 0:
            continue
        depth = strength * fold.maps[..., 0]
        slope = fold.maps[..., 1] * (strength * direction[0]) - fold.maps[..., 2] * (strength * direction[1])
        factor = 1 - DARKEST * np.minimum(depth, 1) + np.clip(0.8 * slope, -0.22, 0.28)
        light[fold.rows, fold.columns] *= factor[..., None]
