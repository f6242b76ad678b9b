"""Landmark sets, the maps between them and their mirror permutations.

Three sets are in use: the 478 points of MediaPipe's Face Landmarker (468 of the canonical face mesh, then ten of the
irises), the 68 points of iBUG 300-W, and the 49 of JAA-Net and BP4D (68 without the jaw and the inner mouth corners).
"Right" is the subject's right, which is the left of the picture.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

# 478 -> 68 after the public table of PeizhiYan/Mediapipe_2_Dlib_Landmarks: a pair means the mean of two points.
_FROM_478: Final[tuple[int | tuple[int, int], ...]] = (
    *(127, 234, 93, (132, 58), (58, 172), 136, 150, 176, 152, 400, 379, 365, (397, 288), 361, 323, 454, 356),
    *(70, 63, 105, 66, 107),
    *(336, 296, 334, 293, 300),
    *((168, 6), (197, 195), 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144),
    *(362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
_FIRST: Final = np.array([p if isinstance(p, int) else p[0] for p in _FROM_478])
_SECOND: Final = np.array([p if isinstance(p, int) else p[1] for p in _FROM_478])

# 49 = 17..59 of the 68, then the inner lip without its corners 60 and 64.
_49_OF_68: Final = np.array([*range(17, 60), 61, 62, 63, 65, 66, 67])

LANDMARK_COUNTS: Final[dict[str, int]] = {"49": 49, "68": 68, "478": 478}


def to_68(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map MediaPipe points to the 68 of iBUG.

    Both markups are approximations of each other; they do not share points.

    Args:
        points: Shape (..., 468 or 478, 2), any unit.

    Returns:
        Shape (..., 68, 2) in the same unit; a NaN stays NaN.
    """
    mean = 0.5 * (points[..., _FIRST, :] + points[..., _SECOND, :])
    return np.asarray(mean, dtype=points.dtype)


def to_49(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map the 68 points of iBUG, shape (..., 68, 2), to the 49 of JAA-Net, shape (..., 49, 2)."""
    return points[..., _49_OF_68, :]


def _mirror_68() -> NDArray[np.int64]:
    pairs = [(i, 16 - i) for i in range(8)]  # jaw
    pairs += [(17 + i, 26 - i) for i in range(5)]  # brows
    pairs += [(31, 35), (32, 34)]  # nose base
    pairs += [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]  # eyes
    pairs += [(48, 54), (49, 53), (50, 52), (55, 59), (56, 58)]  # outer lip
    pairs += [(60, 64), (61, 63), (65, 67)]  # inner lip
    order = np.arange(68)
    for a, b in pairs:
        order[a], order[b] = b, a
    return order


def _mirror_478() -> NDArray[np.int64]:
    with (files("fau") / "assets" / "canonical_face.npz").open("rb") as file, np.load(file) as mesh:
        vertices = mesh["vertices"].astype(np.float64)
    mirrored = vertices * np.array([-1.0, 1.0, 1.0])
    distance = ((mirrored[:, None] - vertices[None]) ** 2).sum(2)
    # An iris is its centre and a ring of four; mirrored, the ring's two horizontal points change places.
    irises = [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]
    return np.concatenate([distance.argmin(1), np.array(irises)])


MIRROR_68: Final = _mirror_68()
_INDEX_IN_49: Final = {int(j): i for i, j in enumerate(_49_OF_68)}
MIRROR_49: Final = np.array([_INDEX_IN_49[int(MIRROR_68[j])] for j in _49_OF_68])


def mirror(landmark_set: str) -> NDArray[np.int64]:
    """Return the permutation that a horizontal flip applies to a landmark set.

    A flipped crop of width w has ``flipped[i] = (w - 1 - x, y)`` of ``points[mirror[i]]``; the permutation is its own
    inverse.

    Args:
        landmark_set: ``"49"``, ``"68"`` or ``"478"``.

    Raises:
        KeyError: For another name.
    """
    if landmark_set == "478":
        return _mirror_478()
    return {"49": MIRROR_49, "68": MIRROR_68}[landmark_set]
