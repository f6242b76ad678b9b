"""The canonical face mesh, its named vertex groups and its openings.

The mesh is MediaPipe's canonical face model (Apache-2.0, see NOTICE): 468 vertices, 898 triangles, one texture chart.
Axes: x to the subject's left (right in a frontal picture), y up, z towards the viewer. One unit is about a centimetre:
the face is ``FACE_WIDTH`` units wide. Names say "right" for the subject's right, at negative x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

FACE_WIDTH: Final = 15.49  # model units between the widest vertices, 127 and 356

# Rings and rows of the published topology, from the subject's right to the left or from the outer corner inwards.
OVAL: Final = (
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
)
UPPER_LIP_OUTER: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LOWER_LIP_OUTER: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
UPPER_LIP_INNER: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP_INNER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
MOUTH_CORNERS: Final = (61, 291, 78, 308)


@dataclass(frozen=True)
class EyeRing:
    """Vertices around one eye, each row from the outer corner inwards.

    Attributes:
        corners: Outer and inner corner.
        upper: Edge of the upper lid.
        lower: Edge of the lower lid, above one another with ``upper``.
        fold: The row above ``upper``: the lid's crease.
        pouch: The row below ``lower``.
        brow_upper: Upper edge of the brow.
        brow_lower: Lower edge of the brow.
    """

    corners: tuple[int, int]
    upper: tuple[int, ...]
    lower: tuple[int, ...]
    fold: tuple[int, ...]
    pouch: tuple[int, ...]
    brow_upper: tuple[int, ...]
    brow_lower: tuple[int, ...]

    @property
    def ring(self) -> tuple[int, ...]:
        """The opening's outline, closed implicitly."""
        return (self.corners[0], *self.upper, self.corners[1], *self.lower[::-1])


RIGHT_EYE: Final = EyeRing(
    corners=(33, 133),
    upper=(246, 161, 160, 159, 158, 157, 173),
    lower=(7, 163, 144, 145, 153, 154, 155),
    fold=(247, 30, 29, 27, 28, 56, 190),
    pouch=(25, 110, 24, 23, 22, 26, 112),
    brow_upper=(70, 63, 105, 66, 107),
    brow_lower=(46, 53, 52, 65, 55),
)
LEFT_EYE: Final = EyeRing(
    corners=(263, 362),
    upper=(466, 388, 387, 386, 385, 384, 398),
    lower=(249, 390, 373, 374, 380, 381, 382),
    fold=(467, 260, 259, 257, 258, 286, 414),
    pouch=(255, 339, 254, 253, 252, 256, 341),
    brow_upper=(300, 293, 334, 296, 336),
    brow_lower=(276, 283, 282, 295, 285),
)
EYES: Final = (RIGHT_EYE, LEFT_EYE)

# What a triangle shows. The canonical mesh has no holes: triangles inside the eye and inner lip rings are openings.
TAG_SURFACE: Final = 0
TAG_RIGHT_EYE: Final = 1
TAG_LEFT_EYE: Final = 2
TAG_MOUTH: Final = 3


@dataclass(frozen=True)
class CanonicalMesh:
    """The canonical mesh as read.

    Attributes:
        vertices: (468, 3) in model units.
        uv: (468, 2) texture coordinates in 0..1, v downwards.
        triangles: (898, 3), counter-clockwise seen from outside.
        tags: (898,) ``TAG_*`` of each triangle.
        mirror: (468,) index of the vertex on the other side.
    """

    vertices: FloatArray
    uv: FloatArray
    triangles: IntArray
    tags: IntArray
    mirror: IntArray


@cache
def canonical() -> CanonicalMesh:
    """Read the embedded mesh once and orient and tag its triangles."""
    with (files("fau") / "assets" / "canonical_face.npz").open("rb") as file, np.load(file) as stored:
        vertices = stored["vertices"].astype(np.float32)
        uv = stored["uv"].astype(np.float32)
        triangles = stored["triangles"].astype(np.int32)
    if np.median(signed_area(vertices[triangles][:, :, :2])) < 0:
        triangles = np.ascontiguousarray(triangles[:, [0, 2, 1]])
    tags = np.zeros(len(triangles), np.int32)
    mouth = UPPER_LIP_INNER + LOWER_LIP_INNER
    for tag, ring in ((TAG_RIGHT_EYE, RIGHT_EYE.ring), (TAG_LEFT_EYE, LEFT_EYE.ring), (TAG_MOUTH, mouth)):
        tags[np.isin(triangles, ring).all(1)] = tag
    mirrored = vertices * np.array([-1, 1, 1], np.float32)
    distance = ((mirrored[:, None] - vertices[None]) ** 2).sum(2)
    return CanonicalMesh(vertices, uv, triangles, tags, distance.argmin(1).astype(np.int32))


def signed_area(corners: FloatArray) -> FloatArray:
    """Return twice the signed area of triangles, (n, 3, 2) -> (n,); positive is counter-clockwise with y up."""
    u = corners[:, 1] - corners[:, 0]
    v = corners[:, 2] - corners[:, 0]
    return np.asarray(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], np.float32)


def smoothstep(x: NDArray[np.floating], low: float, high: float) -> FloatArray:
    """Return the cubic step from 0 at ``low`` to 1 at ``high`` of each element."""
    t = np.clip((np.asarray(x, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
