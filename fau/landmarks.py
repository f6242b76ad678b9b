"""Landmark sets, the maps between them and their mirror permutations.

Three sets are in use: the 478 points of MediaPipe's Face Landmarker (468 of the canonical face mesh, then ten of the
irises), the 68 points of iBUG 300-W, and the 49 of JAA-Net and BP4D (68 without the jaw and the inner mouth corners).
A fourth, the 66 of DISFA (68 without the inner mouth corners), is only read. "Right" is the subject's right, which is
the left of the picture. Points are (..., K, 2) arrays, x before y, in pixels with centres at integers; a missing
point is NaN.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError

FAILURE: Final = 0.1  # of the eyes' distance: a face whose points are further off in the mean is a failure

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

_66_OF_68: Final = np.array([*range(60), 61, 62, 63, 65, 66, 67])

LANDMARK_COUNTS: Final[dict[str, int]] = {"49": 49, "68": 68, "478": 478}

# Outer and inner corner of the right eye, then of the left.
_EYE_CORNERS: Final = {
    "478": np.array([[33, 133], [263, 362]]),
    "68": np.array([[36, 39], [45, 42]]),
    "49": np.array([[19, 22], [28, 25]]),
}
_IRISES: Final = (468, 473)
# Both mouth corners; the middles of the upper and the lower lip's inner edge.
_MOUTH: Final = {
    "478": np.array([[61, 291], [13, 14]]),
    "68": np.array([[48, 54], [62, 66]]),
    "49": np.array([[31, 37], [44, 47]]),
}

# The parts of a face that text 001 cuts out: MediaPipe's own connections of each; of the 68, and less 17 of the 49, the
# points that bear its name.
REGIONS: Final = ("right_eye", "left_eye", "right_brow", "left_brow", "mouth")
_REGIONS_OF_478: Final = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
    (46, 53, 52, 65, 55, 70, 63, 105, 66, 107),
    (276, 283, 282, 295, 285, 300, 293, 334, 296, 336),
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
)
_REGIONS_OF_68: Final = (
    tuple(range(36, 42)),
    tuple(range(42, 48)),
    tuple(range(17, 22)),
    tuple(range(22, 27)),
    tuple(range(48, 60)),
)
# By landmark set, the indices of each region's points in the order of ``REGIONS``.
REGION_POINTS: Final[dict[str, tuple[tuple[int, ...], ...]]] = {
    "478": _REGIONS_OF_478,
    "68": _REGIONS_OF_68,
    "49": tuple(tuple(i - 17 for i in indices) for indices in _REGIONS_OF_68),
}


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


def from_66(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spread DISFA's 66 points, shape (..., 66, 2), over the 68 of iBUG; the inner mouth corners 60 and 64 are NaN."""
    out = np.full((*points.shape[:-2], 68, 2), np.nan, points.dtype)
    out[..., _66_OF_68, :] = points
    return out


def convert(points: NDArray[np.float32], source: str, target: str) -> NDArray[np.float32]:
    """Map points from one set to a smaller one, or to itself.

    Args:
        points: Shape (..., K, 2) of the set ``source``.
        source: ``"478"``, ``"68"``, ``"66"`` or ``"49"``.
        target: ``"478"``, ``"68"`` or ``"49"``.

    Raises:
        FauError: If there is no map, or the points are not of ``source``.
    """
    check_points(points, source)
    if source == "66":
        points, source = from_66(points), "68"
    if source == target:
        return points
    if source == "478" and target in ("68", "49"):
        points, source = to_68(points), "68"
    if source == target:
        return points
    if (source, target) != ("68", "49"):
        raise FauError(f"there is no map from {source} landmarks to {target}; maps run 478 -> 68 -> 49 and 66 -> 68")
    return to_49(points)


def believed(points: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return landmarks with NaN for those that cannot be: not finite, or further outside of the crop than it is wide.

    No face has such points, but damaged files do, and one of them would decide where a face's others are thought to be.

    Args:
        points: (..., K, 2), in pixels of the crops.
        size: Height and width of the crops.
    """
    possible = ((points > -size) & (points < 2 * size)).all(axis=-1, keepdims=True)
    return np.where(possible, points, np.float32(np.nan))


def check_points(points: NDArray[np.float32], landmark_set: str) -> None:
    """Verify that an array holds points of a landmark set.

    Raises:
        FauError: If the set is unknown or the shape is another.
    """
    counts = LANDMARK_COUNTS | {"66": 66}
    if landmark_set not in counts:
        raise FauError(f"landmark set '{landmark_set}' is unknown; choose one of {', '.join(counts)}")
    count = counts[landmark_set]
    # Without irises MediaPipe's set has 468 points, which all functions take for 478 as well.
    fits = (
        points.ndim >= 2 and points.shape[-1] == 2 and points.shape[-2] in ({count, 468} if count == 478 else {count})
    )
    if not fits:
        raise FauError(f"landmarks of the set '{landmark_set}' have shape (..., {count}, 2), not {points.shape}")


def eye_centres(points: NDArray[np.float32], landmark_set: str) -> NDArray[np.float32]:
    """Return the centres of the right and of the left eye, shape (..., 2, 2).

    The centre of the iris where the set has irises and they are there; else the middle between the eye's corners.
    NaN where a corner is missing.

    Args:
        points: Shape (..., K, 2).
        landmark_set: ``"49"``, ``"68"`` or ``"478"``.

    Raises:
        FauError: If the points are not of that set.
    """
    check_points(points, landmark_set)
    if landmark_set == "478" and points.shape[-2] == 478:
        irises = points[..., _IRISES, :]
        if np.isfinite(irises).all():
            return irises
        return np.where(np.isfinite(irises).all(-1, keepdims=True), irises, _corner_centres(points, landmark_set))
    return _corner_centres(points, landmark_set)


def _corner_centres(points: NDArray[np.float32], landmark_set: str) -> NDArray[np.float32]:
    corners = points[..., _EYE_CORNERS[landmark_set], :]
    return np.asarray(0.5 * (corners[..., 0, :] + corners[..., 1, :]), points.dtype)


def mouth_centre(points: NDArray[np.float32], landmark_set: str) -> NDArray[np.float32]:
    """Return the centre of the mouth, shape (..., 2).

    The mean of its corners and of the middles of both lips' inner edges: in MediaPipe's numbers 61, 291, 13 and 14. A
    pair of them (corners; lips) of which one is missing is left out; NaN where both are.

    Args:
        points: Shape (..., K, 2).
        landmark_set: ``"49"``, ``"68"`` or ``"478"``.

    Raises:
        FauError: If the points are not of that set.
    """
    check_points(points, landmark_set)
    four = points[..., _MOUTH[landmark_set], :]
    pairs = 0.5 * (four[..., 0, :] + four[..., 1, :])  # corners, lips
    corners, lips = pairs[..., 0, :], pairs[..., 1, :]
    mean = 0.5 * (corners + lips)
    if not np.isfinite(mean).all():
        other = np.where(np.isfinite(corners).all(-1, keepdims=True), corners, lips)
        mean = np.where(np.isfinite(mean).all(-1, keepdims=True), mean, other)
    return np.asarray(mean, points.dtype)


def interocular_distance(points: NDArray[np.float32], landmark_set: str) -> NDArray[np.float32]:
    """Return the distance between the eye centres, shape (...), in the unit of the points.

    It is the unit in which landmark errors are usually given, and JAA-Net's "biocular" when squared. 300-W divides by
    the distance of the outer eye corners instead, which is about 1.4 times as long.

    Args:
        points: Shape (..., K, 2).
        landmark_set: ``"49"``, ``"68"`` or ``"478"``.

    Raises:
        FauError: If the points are not of that set.
    """
    centres = eye_centres(points, landmark_set)
    difference = centres[..., 1, :] - centres[..., 0, :]
    return np.asarray(np.hypot(difference[..., 0], difference[..., 1]), points.dtype)


def bounding_box(points: NDArray[np.float32]) -> tuple[float, float, float, float] | None:
    """Return the box of the pixels that points lie in.

    Args:
        points: Shape (K, 2), pixels with centres at integers; those with a NaN are left out.

    Returns:
        x, y, width, height: for whole numbers the pixels from x to x + width - 1. None where there is no point.
    """
    there = points[np.isfinite(points).all(-1)]
    if not len(there):
        return None
    (x0, y0), (x1, y1) = there.min(0).tolist(), there.max(0).tolist()
    return x0, y0, x1 - x0 + 1, y1 - y0 + 1


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
