"""Which of a picture's faces is the subject's, and when it is none: the stated policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from fau.crops.detect import Box, Face
from fau.errors import FauError

Policy = Literal["nearest", "largest"]

NO_FACE: Final = "no face"
TINY: Final = "tiny face"
CUT: Final = "face cut by the picture's edge"


@dataclass(frozen=True)
class Choice:
    """The face of a picture, or why there is none.

    Attributes:
        face: The face; None where there is a fault.
        fault: ``NO_FACE``, ``TINY`` or ``CUT``; empty where there is a face.
        several: Whether the picture shows more than one face, whatever was chosen.
    """

    face: Face | None
    fault: str
    several: bool


def choose(
    faces: Sequence[Face],
    shape: tuple[int, ...],
    policy: Policy = "nearest",
    near: Box | None = None,
    previous: Box | None = None,
    min_size: float = 24.0,
    max_outside: float = 0.4,
) -> Choice:
    """Choose a picture's face.

    Faces that are tiny or cut by the picture's edge are left out first; where that leaves none, the fault is that of
    the face which would have been chosen. Then, by the policy

    - ``nearest``: with ``near``, the face that overlaps that box most; none that overlaps it means no face, since
      whoever gave the box meant another person. Else, with ``previous``, the face that overlaps it most, where any
      does. Else the largest.
    - ``largest``: the one whose box has the largest area.

    Of equals the first in the order of faces is taken.

    Args:
        faces: All faces found.
        shape: Height and width of the picture, more values are ignored.
        policy: See above.
        near: The box that the corpus gives for this picture.
        previous: The box of the face chosen in the sequence's frame before.
        min_size: Least width and height of a face's box in pixels.
        max_outside: Greatest share of a face's points outside the picture, 0 to 1.

    Raises:
        FauError: If the policy is unknown.
    """
    if policy not in get_args(Policy):
        raise FauError(f"the policy '{policy}' is unknown; choose one of {', '.join(get_args(Policy))}")
    several = len(faces) > 1
    faults = [_fault(face, shape, min_size, max_outside) for face in faces]
    usable = [face for face, fault in zip(faces, faults, strict=True) if not fault]
    chosen = _pick(usable or faces, policy, near, previous)
    if chosen is None:
        return Choice(None, NO_FACE, several)
    if not usable:
        return Choice(None, next(fault for face, fault in zip(faces, faults, strict=True) if face is chosen), several)
    return Choice(chosen, "", several)


def _fault(face: Face, shape: tuple[int, ...], min_size: float, max_outside: float) -> str:
    if min(face.box[2:]) < min_size:
        return TINY
    x, y = face.points[:, 0], face.points[:, 1]
    inside = (x >= -0.5) & (x <= shape[1] - 0.5) & (y >= -0.5) & (y <= shape[0] - 0.5)
    return CUT if 1 - np.count_nonzero(inside) / len(inside) > max_outside else ""


def _pick(faces: Sequence[Face], policy: Policy, near: Box | None, previous: Box | None) -> Face | None:
    if not faces:
        return None
    if policy == "nearest":
        for box in (near, previous):
            if box is None:
                continue
            overlap, place = max((_overlap(face.box, box), -i) for i, face in enumerate(faces))
            if overlap > 0:
                return faces[-place]
            if box is near:
                return None
    return max(faces, key=lambda face: face.box[2] * face.box[3])


def _overlap(a: Box, b: Box) -> float:
    """Return the area that two boxes share by the area that they cover together."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)
