"""The inside of the mouth: cavity, teeth, tongue, and the line between closed lips."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.action_units import JAW_AXIS
from fau.synthetic.camera import Camera
from fau.synthetic.light import Light, display_level, flat_level
from fau.synthetic.mesh import LOWER_LIP_INNER, TAG_MOUTH, UPPER_LIP_INNER, FloatArray, IntArray, smoothstep

LIP_LINE = np.array([0.40, 0.20, 0.19], np.float32)  # colour between closed lips, as a share of the skin's


def _turned(points: FloatArray, angle: float) -> FloatArray:
    """Return points (n, 3) turned with the jaw by ``angle`` radians."""
    y, z = points[:, 1] - JAW_AXIS[0], points[:, 2] - JAW_AXIS[1]
    out = points.copy()
    out[:, 1] = np.cos(angle) * y - np.sin(angle) * z + JAW_AXIS[0]
    out[:, 2] = np.sin(angle) * y + np.cos(angle) * z + JAW_AXIS[1]
    return out


def draw_mouth(
    image: NDArray[np.uint8],
    tags: IntArray,
    camera: Camera,
    shape: FloatArray,
    xy: FloatArray,
    jaw: float,
    skin: FloatArray,
    light: Light,
) -> None:
    """Draw the mouth's inside and the lip line in place.

    Args:
        image: (size, size, 3) display colour.
        tags: (size, size) what each pixel shows.
        camera: The camera.
        shape: (468, 3) neutral face.
        xy: (468 or more, 2) pixel positions of the face.
        jaw: Opening of the jaw in radians.
        skin: (3,) base colour of the skin.
        light: The light.
    """
    k = camera.scale
    ring = xy[list(UPPER_LIP_INNER + LOWER_LIP_INNER)]
    margin = 0.3 * k + 2
    x0, y0 = np.maximum(np.floor(ring.min(0) - margin).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(ring.max(0) + margin).astype(int), image.shape[0])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    roi = image[y0:y1, x0:x1]
    rows, columns = np.nonzero(tags[y0:y1, x0:x1] == TAG_MOUTH)
    if len(rows):
        px, py = (columns + x0).astype(np.float32), (rows + y0).astype(np.float32)
        level = display_level(0.72 * flat_level(light))
        roi[rows, columns] = _inside(px, py, camera, shape, xy, jaw, skin, level)
    _lip_line(roi, np.array([x0, y0], np.float32), xy, k, skin)


def _inside(
    px: FloatArray,
    py: FloatArray,
    camera: Camera,
    shape: FloatArray,
    xy: FloatArray,
    jaw: float,
    skin: FloatArray,
    level: FloatArray,
) -> NDArray[np.uint8]:
    k = camera.scale
    line = float(shape[[13, 14], 1].mean())
    front = float(shape[[13, 14], 2].mean()) - 0.75
    upper = camera.look(np.array([[0, line + 0.75, front], [0, line - 0.12, front]], np.float32))
    lower = camera.look(
        _turned(np.array([[0, line - 0.42, front - 0.25], [0, line - 1.2, front - 0.3]], np.float32), jaw)
    )
    middle = float(upper[:, 0].mean())
    across = (px - middle) / (k * 2.0)
    tilt = (xy[308, 1] - xy[78, 1]) / (xy[308, 0] - xy[78, 0] + 1e-3)
    height = py - tilt * (px - middle)
    colour = np.empty((len(px), 3), np.float32)
    colour[:] = (0.23, 0.075, 0.075)
    tongue = np.exp(-((across * 1.7) ** 2)) * smoothstep(
        height, float(lower[0, 1]) - 0.75 * k, float(lower[0, 1]) + 0.25 * k
    )
    colour += (np.array([0.60, 0.28, 0.28], np.float32) - colour) * (0.85 * tongue)[:, None]
    phase = across * 2.0 / 0.82  # central incisors are 8 to 9 mm wide
    seam = 1 - 0.16 * np.exp(-(((phase - np.round(phase)) / 0.07) ** 2))
    tooth = (
        np.array([0.93, 0.905, 0.85], np.float32) * (seam * (1 - 0.42 * np.clip(np.abs(across), 0, 1) ** 1.6))[:, None]
    )
    scallop = 0.05 * k * np.abs(np.sin(np.pi * phase)) - 0.10 * k * across**2
    lows = 1 - smoothstep(np.abs(across), 0.75, 1.0)
    cover = (
        smoothstep(height + 0.04 * k * (1 - lows), float(lower[0, 1]) - 0.05 * k, float(lower[0, 1]) + 0.05 * k) * lows
    )
    colour += (0.88 * tooth - colour) * cover[:, None]
    cover = (1 - smoothstep(height - scallop, float(upper[1, 1]) - 0.04 * k, float(upper[1, 1]) + 0.04 * k)) * (
        1 - smoothstep(np.abs(across), 0.82, 1.05)
    )
    colour += (tooth - colour) * cover[:, None]
    gum = (1 - smoothstep(height, float(upper[0, 1]) - 0.10 * k, float(upper[0, 1]) + 0.06 * k)) * cover
    colour += (np.array([0.72, 0.42, 0.41], np.float32) - colour) * gum[:, None]
    top = np.interp(px, xy[list(UPPER_LIP_INNER), 0], xy[list(UPPER_LIP_INNER), 1])
    bottom = np.interp(px, xy[list(LOWER_LIP_INNER), 0], xy[list(LOWER_LIP_INNER), 1])
    colour *= (0.45 + 0.55 * np.clip((py - top) / (0.30 * k), 0, 1))[:, None].astype(np.float32)
    colour *= (0.75 + 0.25 * np.clip((bottom - py) / (0.25 * k), 0, 1))[:, None].astype(np.float32)
    ends = 0.35 + 0.65 * np.clip((1.15 - np.abs(across)) / 0.45, 0, 1)
    shut = 1 - np.clip((bottom - top) / (0.14 * k), 0, 1)  # no teeth shine through closed lips
    colour *= ends[:, None]
    colour += (skin * LIP_LINE * 1.3 - colour) * shut[:, None].astype(np.float32)
    return np.asarray(np.clip(colour * level, 0, 1) * 255, np.uint8)


def _lip_line(roi: NDArray[np.uint8], origin: FloatArray, xy: FloatArray, k: float, skin: FloatArray) -> None:
    upper, lower = xy[list(UPPER_LIP_INNER)], xy[list(LOWER_LIP_INNER)]
    apart = float(np.abs(upper[:, 1] - lower[:, 1]).mean()) / k
    closed = float(np.clip(1 - apart / 0.14, 0, 1))
    mask: FloatArray = np.zeros(roi.shape[:2], np.float32)
    if closed > 0:
        fixed = np.round((0.5 * (upper + lower) - origin) * 16).astype(np.int32)
        cv2.polylines(mask, [fixed], False, 0.75 * closed, max(1, round(0.085 * k)), cv2.LINE_8, 4)
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.045 * k)), np.float32)
    for corner in (78, 308):
        at = np.round((xy[corner] - origin) * 16).astype(int)
        cv2.circle(mask, at.tolist(), max(8, round(0.07 * k * 16)), 0.6, -1, cv2.LINE_8, 4)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.4, 0.03 * k)), np.float32)
    dark = skin * LIP_LINE * 255
    roi[:] = (roi + (dark - roi) * np.minimum(mask, 0.85)[..., None]).astype(np.uint8)
