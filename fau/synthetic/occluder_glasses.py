"""Glasses in front of the face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.camera import Camera
from fau.synthetic.mesh import EYES, FloatArray
from fau.synthetic.occluders import Occluder
from fau.synthetic.pen import SHIFT, fixed, paint_of


def draw_glasses(
    image: NDArray[np.uint8], glasses: Occluder, camera: Camera, face: FloatArray, level: FloatArray
) -> None:
    """Draw rims, bridge, temples and lenses in place.

    Args:
        image: (size, size, 3), RGB.
        glasses: Their form and colour.
        camera: Of the picture.
        face: (468, 3) deformed face, in model units.
        level: (3,), the light as display factor.
    """
    k = camera.scale
    colour = paint_of(glasses.colour * level)
    width = max(1, round((0.12 + 0.22 * float(glasses.colour.mean() < 0.2) * glasses.form) * k))
    angle = np.linspace(0, 2 * np.pi, 33)
    power = 2.0 + 2.5 * (1 - glasses.form)  # a superellipse from round to square
    cos, sin = np.cos(angle), np.sin(angle)
    across = np.sign(cos) * np.abs(cos) ** (2 / power) * 2.35 * glasses.size
    up = np.sign(sin) * np.abs(sin) ** (2 / power) * (1.5 + 0.5 * glasses.form) * glasses.size
    bridge_z = float(face[6, 2]) + 0.35
    sides = []
    for eye in EYES:
        middle = face[list(eye.corners)].mean(0)
        side = float(np.sign(middle[0]))
        x = middle[0] * 1.02 + across
        z = bridge_z - 0.20 * np.clip(np.abs(x) - 1, 0, None)  # lenses bow around the face
        rim = np.stack([x, middle[1] - 0.15 + up, z], 1).astype(np.float32)
        sides.append((side, middle, rim, camera.look(rim)))
    for _, _, _, points in sides:
        x0, y0 = np.maximum(np.floor(points.min(0)).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(points.max(0)).astype(int) + 1, image.shape[0])
        if glasses.tint > 0.02 and x1 > x0 and y1 > y0:
            roi = image[y0:y1, x0:x1]
            over = roi.copy()
            cv2.fillPoly(over, [fixed(points - np.array([x0, y0], np.float32))], (215, 225, 235), cv2.LINE_8, SHIFT)
            cv2.addWeighted(over, glasses.tint, roi, 1 - glasses.tint, 0, roi)
    for side, middle, rim, points in sides:
        cv2.polylines(image, [fixed(points)], True, colour, width, cv2.LINE_AA, SHIFT)
        hinge = rim[np.argmax(rim[:, 0] * side)]
        temple = np.stack([hinge, np.array([side * 7.9, middle[1] + 0.1, -2.6])]).astype(np.float32)
        if camera.place(temple)[1, 0] * side > camera.place(face[[234 if side < 0 else 454]])[0, 0] * side - 0.8:
            cv2.polylines(image, [fixed(camera.look(temple))], False, colour, width, cv2.LINE_AA, SHIFT)
    right, left = sides[0][2], sides[1][2]
    inner = np.stack(
        [right[np.argmax(right[:, 0])], [0, right[0, 1] + 0.45, bridge_z + 0.15], left[np.argmin(left[:, 0])]]
    )
    cv2.polylines(image, [fixed(camera.look(inner.astype(np.float32)))], False, colour, width, cv2.LINE_AA, SHIFT)
