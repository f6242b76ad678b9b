"""The action unit table, our own, and how a face moves under it.

A unit is bumps of the skin, a lid motion, a lip motion and a turn of the jaw, each given at intensity 5 and scaled
linearly. Lids and lips move relative to the subject's own lid gap and lip height: 43 closes every eye, and no lid
crosses another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from fau.labels import LABEL_SETS, MAX_INTENSITY
from fau.synthetic.fields import UNIT, Bump, displacement, jaw_weight, keep_lips_together, lip_rows
from fau.synthetic.mesh import EYES, LOWER_LIP_INNER, MOUTH_CORNERS, UPPER_LIP_INNER, FloatArray, canonical

AUS: Final = LABEL_SETS["synthetic18"]
JAW_AXIS: Final = (0.5, -2.0)  # y, z of the axis through the jaw joints, in model units
LEAST_LID_GAP: Final = 0.04  # model units between the lids' edges of a closed eye


@dataclass(frozen=True)
class Lids:
    """Lid motion in fractions of the lid gap; positive closes.

    Attributes:
        upper: Travel of the upper lid downwards.
        lower: Travel of the lower lid upwards.
        fold: Share of the upper lid's travel that the crease above it follows.
    """

    upper: float
    lower: float
    fold: float = 0.35


@dataclass(frozen=True)
class Lips:
    """Lip motion.

    Attributes:
        thin: Fraction of the way that the lips' outer edge moves towards the mouth line.
        back: Motion backwards, per cent of the face width.
        narrow: Motion of the corners inwards, per cent of the face width.
    """

    thin: float
    back: float = 0.0
    narrow: float = 0.0


@dataclass(frozen=True)
class ActionUnit:
    """One unit at intensity 5.

    Attributes:
        bumps: Motion of the skin, per cent of the face width.
        lids: Motion of the lids.
        lips: Thinning of the lips.
        jaw: Opening of the jaw in degrees.
        sealed: The bumps leave closed lips closed.
    """

    bumps: tuple[Bump, ...] = ()
    lids: Lids = Lids(0, 0, 0)
    lips: Lips = Lips(0)
    jaw: float = 0.0
    sealed: bool = True


TABLE: Final[dict[int, ActionUnit]] = {
    1: ActionUnit(
        (
            Bump((107, 55, 66), (0.2, 6.0, 0.6), 7.4, "brow"),
            Bump((108, 69), (0, 2.9, 0), 10, "brow"),
        ),
        Lids(0.11, 0.04),  # the lid does not follow the brow
    ),
    2: ActionUnit(
        (
            Bump((70, 63, 46), (0.3, 6.0, 0), 8, "brow"),
            Bump((105,), (0, 2.9, 0), 6.5, "brow"),
            Bump((68,), (0, 2.3, 0), 9.7, "brow"),
        ),
        Lids(0.03, 0),
    ),
    4: ActionUnit(
        (
            Bump((107, 55), (-2.4, -5.7, 0.9), 6.5, "brow_low"),
            Bump((105, 66), (-1.4, -5.5, 0.3), 7.7, "brow_low"),
            Bump((70, 63), (-0.6, -4.3, 0), 7.7, "brow_low"),
            Bump((9,), (0, -1.6, 0.6), 5.8, "brow"),
        ),
        Lids(0.12, 0.08),
    ),
    5: ActionUnit(lids=Lids(-0.72, -0.20, 0.70)),
    6: ActionUnit(
        (
            Bump((50, 118, 117), (0.3, 2.9, 2.7), 7.4, "below_eye"),
            Bump((205,), (0, 1.4, 1.0), 7.7, "below_eye"),
            Bump((33, 130), (-0.3, -0.6, 0), 5.2),
        ),
        Lids(0.10, 0.30),
    ),
    7: ActionUnit(lids=Lids(0.28, 0.40, 0.3)),
    9: ActionUnit(
        (
            Bump((98, 64, 129), (1.4, 5.8, 0.9), 4.8, "above_mouth"),
            Bump((197, 6), (0, 1.2, 1.0), 5.2, "above_mouth"),
            Bump((122, 193), (0, 0.8, 0.8), 4.5),
            Bump((37, 39, 40), (0, 4.8, 0.8), 6.2, "above_mouth"),
            Bump((118, 101, 205), (-0.6, 1.8, 1.4), 6.5, "below_eye"),
            Bump((107, 55), (-1.6, -3.0, 0.6), 6.5, "brow_low"),
        ),
        Lids(0.16, 0.30),
    ),
    10: ActionUnit(
        (
            Bump((37, 39, 40, 185), (0, 4.8, 0.6), 6.5, "above_mouth"),
            Bump((167, 165), (0, 2.9, 0), 7.1, "above_mouth"),
            Bump((98, 203), (0.3, 1.9, 0.3), 5.8, "above_mouth"),
        ),
        sealed=False,
    ),
    12: ActionUnit(
        (
            Bump((61,), (4.6, 5.2, -2.2), 6.0),
            Bump((205, 207), (1.6, 3.4, 2.2), 7.7),
            Bump((40, 185), (1.4, 2.0, -0.5), 4.8),
            Bump((91, 146), (1.6, 2.4, -0.5), 4.8),
        ),
        lips=Lips(0.12),
    ),
    14: ActionUnit(
        (
            Bump((61,), (3.2, 0.1, -3.2), 3.9),
            Bump((57, 186), (0.6, 0, -1.6), 4.5),
        ),
        lips=Lips(0.30, 0.5),
    ),
    15: ActionUnit(
        (
            Bump((61,), (2.6, -5.4, -1.0), 5.8),
            Bump((43, 57, 212), (1.0, -3.0, 0), 5.4),
            Bump((40, 185), (0.4, -1.0, 0), 4.5),
            Bump((91, 146), (0.6, -1.6, 0), 4.5),
        )
    ),
    17: ActionUnit(
        (
            Bump((17, 18), (0, 4.6, 1.5), 5.8, "jaw"),
            Bump((84, 91), (0, 3.1, 0.9), 5.2, "jaw"),
            Bump((199, 200), (0, 2.7, 1.5), 5.8, "jaw"),
            Bump((37, 0), (0, 2.3, 0.8), 5.2, "above_mouth"),
            Bump((61,), (0, -0.9, 0), 3.9, "above_mouth"),
        )
    ),
    20: ActionUnit(
        (
            Bump((61,), (4.3, -0.9, -2.3), 5.8),
            Bump((91, 146), (1.6, -0.4, -0.6), 4.5),
            Bump((40,), (1.3, 0, -0.3), 3.9),
            Bump((212,), (1.9, -0.6, 0), 6.5),
        )
    ),
    23: ActionUnit(lips=Lips(0.62, 0.6, 1.3)),
    24: ActionUnit((Bump((17,), (0, 0.6, -0.3), 4.5, "lower_lip"),), lips=Lips(0.90, 2.0, 0.2)),
    25: ActionUnit(
        (
            Bump((13, 82), (0, 1.8, 0.3), 7.1, "upper_lip"),
            Bump((14, 88, 318), (0, -3.4, 0), 11, "lower_lip", sides=False),
            Bump((199,), (0, -1.1, 0), 7.7, "chin"),
        ),
        sealed=False,
    ),
    26: ActionUnit(jaw=21.0, sealed=False),
    43: ActionUnit(lids=Lids(1.0, 0.10, 0.45)),
}


@dataclass(frozen=True)
class Motion:
    """The table as arrays in the order of ``AUS``, at intensity 5.

    Attributes:
        skin: (18, 468, 3) displacements in model units.
        lids: (18, 3) travel of the upper lid, of the lower lid and of the crease, in lid gaps.
        lips: (18, 3) thinning (fraction), backward and inward motion (model units).
        jaw: (18,) opening in radians.
    """

    skin: FloatArray
    lids: FloatArray
    lips: FloatArray
    jaw: FloatArray


@cache
def motion() -> Motion:
    """Return the table as arrays, computed once a process."""
    units = [TABLE[au] for au in AUS]
    skin = []
    for unit in units:
        field = displacement(unit.bumps)
        skin.append(keep_lips_together(field) if unit.sealed else field)
    lids = [(u.lids.upper, u.lids.lower, u.lids.upper * u.lids.fold) for u in units]
    lips = [(u.lips.thin, u.lips.back * UNIT, u.lips.narrow * UNIT) for u in units]
    return Motion(
        np.stack(skin),
        np.array(lids, np.float32),
        np.array(lips, np.float32),
        np.deg2rad([u.jaw for u in units]).astype(np.float32),
    )


def individual_skin(gain: FloatArray) -> FloatArray:
    """Return the table's skin motion for one subject.

    Args:
        gain: (18, 2) factors of the right and the left side.

    Returns:
        (18, 468, 3) displacements at intensity 5, in model units.
    """
    t = np.clip(canonical().vertices[:, 0] / 1.5 * 0.5 + 0.5, 0, 1)  # 1.5 units about the midline blend the sides
    factor = gain[:, :1] * (1 - t)[None] + gain[:, 1:] * t[None]
    return np.asarray(motion().skin * factor[:, :, None], np.float32)


def deform(shape: FloatArray, skin: FloatArray, intensities: FloatArray) -> FloatArray:
    """Return a subject's face under action units.

    Args:
        shape: (468, 3) neutral face in model units.
        skin: (18, 468, 3) the subject's skin motion at intensity 5.
        intensities: (18,) in 0..5, in the order of ``synthetic18``.

    Returns:
        (468, 3) vertices in model units.
    """
    level = np.asarray(intensities, np.float32) / MAX_INTENSITY
    table = motion()
    active = np.flatnonzero(level)
    points = shape.copy()
    for i in active:
        points += level[i] * skin[i]
    thin, back, narrow = (table.lips * level[:, None]).sum(0)
    if thin or back or narrow:
        _move_lips(points, shape, float(min(thin, 0.9)), float(back), float(narrow))
    jaw = float((table.jaw * level).sum())
    if jaw:
        _open_jaw(points, jaw)
    _move_lids(points, shape, (table.lids * level[:, None]).sum(0))
    _part_lips(points)
    return points


def _move_lips(points: FloatArray, shape: FloatArray, thin: float, back: float, narrow: float) -> None:
    upper, lower = lip_rows()
    rows = np.flatnonzero(upper + lower)
    line = shape[[13, 14], 1].mean()
    height = shape[rows, 1] - line
    inner = np.isin(rows, UPPER_LIP_INNER + LOWER_LIP_INNER)
    points[rows, 1] -= np.where(inner, 0, thin * height * np.exp(-((height / 1.7) ** 2))).astype(np.float32)
    points[rows, 2] -= back * np.exp(-((height / 0.9) ** 2))
    points[rows, 0] -= narrow * shape[rows, 0] / 2.5
    corners = list(MOUTH_CORNERS)
    points[corners, 0] -= narrow * np.sign(shape[corners, 0])
    points[corners, 2] -= 0.5 * back


def _open_jaw(points: FloatArray, angle: float) -> None:
    weight = jaw_weight()
    y, z = points[:, 1] - JAW_AXIS[0], points[:, 2] - JAW_AXIS[1]
    cos, sin = np.cos(angle * weight), np.sin(angle * weight)
    points[:, 1] = cos * y - sin * z + JAW_AXIS[0]
    points[:, 2] = sin * y + cos * z + JAW_AXIS[1]
    points[:, 0] *= 1 - 0.13 * angle * weight  # an open mouth pulls the cheeks in
    points[lip_rows()[0] > 0, 1] += 0.34 * angle
    points[list(MOUTH_CORNERS), 0] *= 1 - 0.30 * angle


def _move_lids(points: FloatArray, shape: FloatArray, travel: FloatArray) -> None:
    upper_travel, lower_travel, fold_travel = (float(v) for v in travel)
    total = upper_travel + lower_travel
    if total > 1:  # the lids meet where their speeds say
        upper_travel, lower_travel = upper_travel / total, lower_travel / total
        fold_travel /= total
    for eye in EYES:
        upper, lower, fold, pouch = list(eye.upper), list(eye.lower), list(eye.fold), list(eye.pouch)
        gap = shape[lower] - shape[upper]
        points[upper] += upper_travel * gap
        points[fold] += fold_travel * gap
        points[lower] -= lower_travel * gap
        points[pouch] -= 0.6 * lower_travel * gap
        crossed = points[upper, 1] - points[lower, 1] < LEAST_LID_GAP
        high, low = eye_rows(upper, lower, crossed)
        points[high, 1] = points[low, 1] + LEAST_LID_GAP
        points[high, 2] = np.maximum(points[high, 2], points[low, 2])


def eye_rows(upper: list[int], lower: list[int], chosen: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the chosen pairs of two rows of vertices."""
    return [u for u, c in zip(upper, chosen, strict=True) if c], [v for v, c in zip(lower, chosen, strict=True) if c]


def _part_lips(points: FloatArray) -> None:
    upper, lower = list(UPPER_LIP_INNER[1:-1]), list(LOWER_LIP_INNER[1:-1])
    middle = 0.5 * (points[upper, 1] + points[lower, 1])
    half = np.maximum(0.5 * (points[upper, 1] - points[lower, 1]), 0.01)
    points[upper, 1] = middle + half
    points[lower, 1] = middle - half
