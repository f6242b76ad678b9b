"""A surgical mask over nose, mouth and chin."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.camera import Camera
from fau.synthetic.light import Light
from fau.synthetic.mesh import FloatArray, canonical
from fau.synthetic.occluders import Occluder
from fau.synthetic.pen import SHIFT, fixed, paint_of, rounded

# The mask's outline on the subject's right half, from the bridge of the nose to the chin, in model units; the third
# number is the height over the skin there (vertex in the fourth place).
_MASK_RIGHT: Final = (
    (0.0, 1.15, 0.5, 197),
    (-1.5, 0.75, 0.25, 114),
    (-3.2, 0.15, 0.2, 118),
    (-5.4, -0.5, 0.2, 123),
    (-6.7, -1.2, 0.3, 177),
    (-6.6, -4.6, 0.3, 58),
    (-5.3, -7.0, 0.4, 172),
    (-3.6, -9.0, 0.5, 150),
    (-1.7, -9.9, 0.5, 176),
    (0.0, -10.2, 0.5, 152),
)


def mask_outline(face: FloatArray, shape: FloatArray, size: float = 1.0) -> FloatArray:
    """Return the outline (n, 3) in model units of a mask that is worn over nose, mouth and chin.

    Args:
        face: (468, 3) deformed face; the mask's lower half moves with the jaw.
        shape: (468, 3) neutral face, which the mask fits.
        size: Factor.
    """
    right = []
    for x, y, over, vertex in _MASK_RIGHT:
        drop = face[vertex] - shape[vertex] if y < -4 else np.zeros(3, np.float32)
        fit = shape[vertex] - canonical().vertices[vertex]
        right.append(np.array([x, y, canonical().vertices[vertex, 2] + over]) + fit + drop)
    left = [p * (-1, 1, 1) for p in right[1:-1]][::-1]
    points = np.array([*right, *left])
    centre = points.mean(0)
    points[:, :2] = centre[:2] + (points[:, :2] - centre[:2]) * size
    return np.asarray(points, np.float32)


def draw_mask(
    image: NDArray[np.uint8],
    mask: Occluder,
    camera: Camera,
    face: FloatArray,
    shape: FloatArray,
    xy: FloatArray,
    level: FloatArray,
    light: Light,
) -> None:
    """Draw cords and cloth in place.

    Args:
        image: (size, size, 3), RGB.
        mask: Its form and colour.
        camera: Of the picture.
        face: (468, 3) deformed face, in model units.
        shape: (468, 3) neutral face, in model units.
        xy: (468, 2) the face in the picture, in pixels.
        level: (3,), the light as display factor.
        light: Whose shading the cloth has.
    """
    k = camera.scale
    outline = camera.look(mask_outline(face, shape, mask.size))
    cord = paint_of(0.8 * level)
    for corner, ear in ((4, 127), (5, 132), (14, 356), (13, 361)):
        ends = np.stack([outline[corner], xy[ear]])
        cv2.polylines(image, [fixed(ends)], False, cord, max(1, round(0.12 * k)), cv2.LINE_AA, SHIFT)
    x0, y0 = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(outline.max(0)).astype(int) + 3, image.shape[0])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    roi = image[y0:y1, x0:x1]
    cover = np.zeros(roi.shape[:2], np.uint8)
    cv2.fillPoly(cover, [fixed(rounded(outline - np.array([x0, y0], np.float32)))], 1, cv2.LINE_8, SHIFT)
    top, chin, right, left = (outline[i] for i in (0, 9, 4, 14))
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    down_axis = (chin - top) / max(float(((chin - top) ** 2).sum()), 1.0)
    down = (x - top[0]) * down_axis[0] + (y - top[1]) * down_axis[1]  # 0 at the bridge, 1 at the chin
    ridge_x = top[0] + down * (chin[0] - top[0])
    across = np.where(x < ridge_x, (x - ridge_x) / max(1.0, float(ridge_x.mean() - right[0])), 0.0)
    across = np.where(x >= ridge_x, (x - ridge_x) / max(1.0, float(left[0] - ridge_x.mean())), across)
    across = np.clip(across, -1.1, 1.1)
    tilt = np.stack([0.85 * across, 0.35 - 0.9 * (down - 0.2)], -1)  # the cloth's normal, right and up
    depth = np.sqrt(np.clip(1 - (tilt**2).sum(-1), 0.05, 1))
    lit = tilt[..., 0] * light.direction[0] + tilt[..., 1] * light.direction[1] + depth * light.direction[2]
    shade = 0.62 + 0.38 * np.clip(lit, 0, 1)
    for at in (0.36, 0.52, 0.68):
        sag = down - at - 0.04 * (1 - across**2)
        shade = shade - 0.16 * np.exp(-((sag / 0.014) ** 2)) + 0.05 * np.exp(-(((sag - 0.03) / 0.02) ** 2))
    hem = cv2.erode(cover, np.ones((3, 3), np.uint8), iterations=max(1, round(0.16 * k)))
    shade = np.where(hem > 0, shade, 0.90 * shade)
    cloth = np.clip(mask.colour * level * shade[..., None], 0, 1) * 255
    np.copyto(roi, cloth.astype(np.uint8), where=cover[..., None] > 0)
