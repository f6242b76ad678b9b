"""Alignment: from landmarks or a box to the matrix that cuts the crop, and the cut itself.

A matrix (2, 3) takes a position in the picture to one in the crop; both count pixels with centres at integers, so the
first pixel reaches from -0.5 to 0.5. docs/alignment.md gives the recipes with their sources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.crops.detect import Box
from fau.errors import FauError
from fau.landmarks import bounding_box, check_points, convert, eye_centres, mouth_centre

ALIGNMENTS: Final = ("canonical", "jaa", "box", "resize")
DEFAULT_SIZE: Final = {"canonical": 112, "jaa": 200, "box": 112, "resize": 112}
BORDERS: Final = {"grey": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}

# Right eye, left eye and mouth in the five-point face template of 112 x 112; the mouth is the mean of its two corners.
TEMPLATE: Final = np.array([[38.29, 51.70], [73.53, 51.50], [56.14, 92.285]])
TEMPLATE_SIZE: Final = 112
JAA_ENLARGE: Final = 2.9
BOX_MARGIN: Final = 0.25
_GREY: Final = (128, 128, 128)
_HALVE_BELOW: Final = 0.3  # scale; these two keep fine noise within 3 of 255 of the exact mean over areas
_ONE_SAMPLE_FROM: Final = 0.8
_IDENTITY: Final = np.eye(2, 3)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """A recipe that places the crop in a picture.

    Attributes:
        name: ``canonical``: iris centres and the mouth's centre to fixed places, by the similarity that misses them
            least. ``jaa``: JAA-Net's, eyes level, 2.9 times the box of eyes, nose and mouth corners. ``box``: the
            square about the face's box with a margin, upright. ``resize``: the whole picture in its proportions.
        size: Height and width of the crop in pixels.
        margin: Of ``box`` alone: what is added on each side, as a share of the box's larger side; None takes 0.25.
    """

    name: str
    size: int
    margin: float | None = None

    def __post_init__(self) -> None:
        if self.name not in ALIGNMENTS:
            raise FauError(f"alignment '{self.name}' is unknown; choose one of {', '.join(ALIGNMENTS)}")
        if self.size < 2:
            raise FauError(f"crops of {self.size} px cannot be made; give a size of at least 2")
        if self.margin is not None and self.name != "box":
            raise FauError(f"the alignment '{self.name}' has no margin; only 'box' has one")
        if self.margin is not None and not -0.5 < self.margin <= 10:
            raise FauError(f"margin = {self.margin} is no share of the face's box; give a value from 0 to 10")

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe with its parameters as plain JSON values."""
        parameters: dict[str, dict[str, Any]] = {
            "canonical": {"template": (TEMPLATE * (self.size / TEMPLATE_SIZE)).round(6).tolist()},
            "jaa": {"enlarge": JAA_ENLARGE},
            "box": {"margin": self._margin},
            "resize": {},
        }
        return {"name": self.name, "size": self.size, **parameters[self.name], "border": "grey"}

    @property
    def _margin(self) -> float:
        return BOX_MARGIN if self.margin is None else self.margin

    def matrix(
        self, points: NDArray[np.float32] | None, landmark_set: str, box: Box | None, shape: tuple[int, ...]
    ) -> Matrix | None:
        """Return the matrix from the picture to the crop, float64 (2, 3); None where the face has no place in it.

        Args:
            points: Shape (K, 2), pixels of the picture; a missing point is NaN. None where there are none.
            landmark_set: Of the points: ``"49"``, ``"68"`` or ``"478"``; any word where there are none.
            box: The face's box. Only ``box`` looks at it, and takes the points' box where there is none.
            shape: Height and width of the picture, more values are ignored.

        Raises:
            FauError: If the points are not of that set.
        """
        if points is not None:
            check_points(points, landmark_set)
        if self.name == "canonical":
            return None if points is None else self._canonical(points, landmark_set)
        if self.name == "jaa":
            return None if points is None else self._jaa(points, landmark_set)
        if self.name == "box":
            if box is None and points is not None:
                box = bounding_box(points)
            return None if box is None else self._box(box)
        height, width = shape[:2]
        return self._square((0.0, 0.0, float(width), float(height)))

    def _canonical(self, points: NDArray[np.float32], landmark_set: str) -> Matrix | None:
        three = np.empty((3, 2))
        three[:2] = eye_centres(points, landmark_set)
        three[2] = mouth_centre(points, landmark_set)
        matrix = similarity(three, TEMPLATE * (self.size / TEMPLATE_SIZE))
        return matrix if np.isfinite(matrix).all() else None

    def _jaa(self, points: NDArray[np.float32], landmark_set: str) -> Matrix | None:
        face = convert(points, landmark_set, "49").astype(np.float64)
        right, left = face[19:25].mean(0), face[25:31].mean(0)
        (dx, dy) = (left - right).tolist()
        length = math.hypot(dx, dy)
        if not length > 0:  # NaN too
            return None
        turn = np.array([[dx, dy], [-dy, dx]]) / length
        turned = np.stack([right, left, face[13], face[31], face[37]]) @ turn.T
        low, high = turned.min(0), turned.max(0)
        if not np.isfinite(low).all():
            return None
        # The outermost pixels' centres lie on the box's edges, hence size - 1.
        scale = (self.size - 1) / (JAA_ENLARGE * float((high - low).max()))
        shift = (self.size - 1) / 2 - scale * (low + high) / 2
        return np.column_stack([scale * turn, shift])

    def _box(self, box: Box) -> Matrix | None:
        x, y, width, height = box
        grown = self._margin * max(width, height)
        if not (width > 0 and height > 0):
            return None
        return self._square((x - grown, y - grown, width + 2 * grown, height + 2 * grown))

    def _square(self, box: Box) -> Matrix:
        """Return the matrix that centres a box in the crop and fills its height or width, whichever comes first."""
        x, y, width, height = box
        scale = self.size / max(width, height)
        middle = (self.size - 1) / 2
        return np.array(
            [
                [scale, 0.0, middle - scale * (x + (width - 1) / 2)],
                [0.0, scale, middle - scale * (y + (height - 1) / 2)],
            ]
        )


def similarity(source: NDArray[np.floating[Any]], target: NDArray[np.floating[Any]]) -> Matrix:
    """Return the similarity (scale, rotation, shift) that takes points to others with the least squared error.

    In the plane Umeyama's solution (1991) without reflection has a closed form: with positions as complex numbers
    about their means, target = a source with a = sum(conj(source) target) / sum(|source|^2). A pair of points with a
    NaN is left out.

    Args:
        source: Shape (..., K, 2).
        target: Shape (K, 2) or (..., K, 2).

    Returns:
        Shape (..., 2, 3), float64; NaN where fewer than two pairs are there, or all source points are one.
    """
    there = np.isfinite(source).all(-1) & np.isfinite(target).all(-1)
    if not there.all():
        source = np.where(there[..., None], source, 0.0)
        target = np.where(there[..., None], target, 0.0)
    count = there.sum(-1)
    z = source[..., 0] + 1j * source[..., 1]
    w = target[..., 0] + 1j * target[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        z_mean, w_mean = z.sum(-1) / count, w.sum(-1) / count
        z_off = (z - z_mean[..., None]) * there
        w_off = (w - w_mean[..., None]) * there
        a = (z_off.conj() * w_off).sum(-1) / (z_off.real**2 + z_off.imag**2).sum(-1)
        b = w_mean - a * z_mean
    out = np.empty((*a.shape, 2, 3))
    out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = a.real, -a.imag, b.real
    out[..., 1, 0], out[..., 1, 1], out[..., 1, 2] = a.imag, a.real, b.imag
    out[~np.isfinite(out).all((-2, -1))] = np.nan
    return out


def warp(image: NDArray[np.uint8], matrix: Matrix, size: int, border: str = "grey") -> NDArray[np.uint8]:
    """Cut a crop out of a picture.

    Enlarging interpolates linearly. Shrinking averages areas, so that it does not alias: the picture is halved as
    often as needed, and each crop pixel is the mean of two by two samples of that.

    Args:
        image: uint8 (H, W, 3).
        matrix: Shape (2, 3), picture to crop; a similarity.
        size: Height and width of the crop in pixels.
        border: What lies outside the picture: ``grey`` (128) or ``replicate``, its outermost pixels.

    Returns:
        uint8 (size, size, 3).

    Raises:
        FauError: If the border is unknown.
    """
    if border not in BORDERS:
        raise FauError(f"the border '{border}' is unknown; choose one of {', '.join(BORDERS)}")
    if image.shape[:2] == (size, size) and np.array_equal(matrix, _IDENTITY):
        return image.copy()
    scale = math.sqrt(abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]))
    halvings = max(0, math.ceil(math.log2(_HALVE_BELOW / scale)))
    image, matrix = _reduce(image, matrix, size, halvings)
    samples = 1 if scale * 2**halvings >= _ONE_SAMPLE_FROM else 2
    if samples > 1:
        matrix = samples * matrix
        matrix[:, 2] += (samples - 1) / 2
    crop = cv2.warpAffine(
        image,
        matrix,
        (samples * size, samples * size),
        flags=cv2.INTER_LINEAR,
        borderMode=BORDERS[border],
        borderValue=_GREY,
    )
    if samples > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


def _reduce(image: NDArray[np.uint8], matrix: Matrix, size: int, halvings: int) -> tuple[NDArray[np.uint8], Matrix]:
    """Return the part of a picture that a crop shows, halved some times, and the matrix from there.

    Where the part ends at the picture's edge, the edge is repeated once: there the border would show through in
    pixels of the crop that lie in the picture.
    """
    height, width = image.shape[:2]
    back = np.linalg.inv(matrix[:, :2])
    corners = (np.array([[-0.5, -0.5], [size, -0.5], [-0.5, size], [size, size]]) - matrix[:, 2]) @ back.T
    block = 2**halvings
    (x0, y0), (x1, y1) = np.floor(corners.min(0)) - 1, np.ceil(corners.max(0)) + 2
    left, right = _span(x0, x1, width, block)
    top, bottom = _span(y0, y1, height, block)
    inner = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    part = image[inner]
    edges = max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width)
    if any(edges):
        part = np.asarray(cv2.copyMakeBorder(part, *edges, borderType=cv2.BORDER_REPLICATE), np.uint8)
    for _ in range(halvings):
        halved = (part.shape[1] // 2, part.shape[0] // 2)
        part = np.asarray(cv2.resize(part, halved, interpolation=cv2.INTER_AREA), np.uint8)
    # A position in the part times block plus this is the one in the picture.
    shift = np.array([left, top]) + (block - 1) / 2
    return part, np.column_stack([block * matrix[:, :2], matrix[:, :2] @ shift + matrix[:, 2]])


def _span(low: float, high: float, length: int, block: int) -> tuple[int, int]:
    """Return where the part begins and ends on an axis: whole blocks, at least one pixel beyond the picture's edge."""
    begin = int(min(max(low, -1), length - 1))
    end = int(max(min(high, length + 1), begin + 1))
    return begin, end + -(end - begin) % block


def move(points: NDArray[np.float32], matrix: Matrix) -> NDArray[np.float32]:
    """Take points of the picture, shape (..., K, 2), to the crop; a NaN stays NaN."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)
