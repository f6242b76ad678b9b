"""Eyeballs in the lid openings, the lids' edges and lashes, and the iris landmarks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.camera import Camera
from fau.synthetic.identity import Identity
from fau.synthetic.light import Light, flat_level
from fau.synthetic.mesh import EYES, TAG_RIGHT_EYE, EyeRing, FloatArray, IntArray, smoothstep

EYEBALL = 1.2  # radius, model units (a centimetre each): 24 mm across
IRIS = 0.60  # radius
PUPIL = 0.36  # of the iris' radius
SET_BACK = 0.88  # of the eyeball's centre behind the lid corners


def _eyeball(shape: FloatArray, eye: EyeRing) -> FloatArray:
    corners = shape[list(eye.corners)].mean(0)
    return corners + np.array([0, 0.06, -SET_BACK], np.float32)


def _gaze_vector(gaze: tuple[float, float]) -> FloatArray:
    """Return the direction (3,) of a gaze in degrees (to the picture's right, up), in head axes."""
    right, up = np.deg2rad(gaze)
    return np.array([np.sin(right) * np.cos(up), np.sin(up), np.cos(right) * np.cos(up)], np.float32)


def iris_points(shape: FloatArray, gaze: tuple[float, float]) -> FloatArray:
    """Return the ten iris points (10, 3) in model units: for either eye its centre, then picture-right, top, left, bottom."""
    forward = _gaze_vector(gaze)
    side = np.cross(np.array([0, 1, 0], np.float32), forward)
    side /= np.sqrt((side * side).sum())
    up = np.cross(forward, side)
    points = []
    for eye in EYES:
        centre = _eyeball(shape, eye) + EYEBALL * forward
        points += [centre, centre + IRIS * side, centre + IRIS * up, centre - IRIS * side, centre - IRIS * up]
    return np.stack(points).astype(np.float32)


def draw_eyes(
    image: NDArray[np.uint8],
    tags: IntArray,
    identity: Identity,
    camera: Camera,
    xy: FloatArray,
    irises: FloatArray,
    gaze: tuple[float, float],
    light: Light,
) -> None:
    """Draw eyeballs, lid edges and lashes in place.

    Args:
        image: (size, size, 3) display colour.
        tags: (size, size) what each pixel shows.
        identity: The subject.
        camera: The camera.
        xy: (468 or more, 2) pixel positions of the face.
        irises: (10, 2) pixel positions of ``iris_points``.
        gaze: Degrees.
        light: The light.
    """
    forward = camera.turn @ _gaze_vector(gaze)
    level = np.sqrt(np.clip(0.9 * flat_level(light), 0.02, 1.5))
    for index, eye in enumerate(EYES):
        ring = xy[list(eye.ring)]
        margin = 0.35 * camera.scale + 2
        x0, y0 = np.maximum(np.floor(ring.min(0) - margin).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(ring.max(0) + margin).astype(int), image.shape[0])
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        roi = image[y0:y1, x0:x1]
        rows, columns = np.nonzero(tags[y0:y1, x0:x1] == TAG_RIGHT_EYE + index)
        if len(rows):
            px, py = (columns + x0).astype(np.float32), (rows + y0).astype(np.float32)
            roi[rows, columns] = _eyeball_colour(px, py, identity, camera, xy, eye, irises[5 * index], forward, level, light)
        _draw_lid_edges(roi, np.array([x0, y0], np.float32), identity, camera, xy, eye)


def _eyeball_colour(
    px: FloatArray,
    py: FloatArray,
    identity: Identity,
    camera: Camera,
    xy: FloatArray,
    eye: EyeRing,
    iris: FloatArray,
    forward: FloatArray,
    level: FloatArray,
    light: Light,
) -> NDArray[np.uint8]:
    k = camera.scale
    dx, dy = (px - iris[0]) / (k * IRIS), -(py - iris[1]) / (k * IRIS)
    foreshortened = (dx * forward[0] + dy * forward[1]) ** 2 / max(float(forward[2]) ** 2, 0.05)
    d = np.sqrt(dx * dx + dy * dy + foreshortened)
    outer, inner = xy[eye.corners[0]], xy[eye.corners[1]]
    width = float(np.hypot(*(inner - outer))) + 1e-3
    along = ((px - outer[0]) * (inner[0] - outer[0]) + (py - outer[1]) * (inner[1] - outer[1])) / width**2
    top = _edge(xy, eye, eye.upper, px)
    bottom = _edge(xy, eye, eye.lower, px)
    depth = np.clip((py - top) / (0.34 * k), 0, 1)
    rise = np.clip((bottom - py) / (0.16 * k), 0, 1)

    colour = np.empty((len(px), 3), np.float32)
    colour[:] = (0.90, 0.885, 0.88)
    side = np.abs(2 * along - 1)
    colour *= 1 - (side**2)[:, None] * np.array([0.18, 0.34, 0.33], np.float32)
    caruncle = smoothstep(along, 0.87, 0.96)[:, None]
    colour += (np.array([0.74, 0.46, 0.43], np.float32) - colour) * caruncle * 0.9

    angle = (np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * 63.99
    rays = identity.iris_rays[angle.astype(np.int32)]
    # Light crosses the eye and brightens the iris opposite to the lamp.
    glow = 1 + 0.45 * np.clip(-(dx * light.direction[0] + dy * light.direction[1]), -0.4, 1)
    shade = (0.72 + 0.55 * smoothstep(d, 0.30, 0.75)) * rays * glow - 0.62 * smoothstep(d, 0.78, 1.0)
    iris_colour = identity.look.iris * np.clip(shade, 0.12, 2)[:, None]
    cover = 1 - smoothstep(d, 0.93, 1.08)
    colour += (iris_colour - colour) * cover[:, None]
    colour *= smoothstep(d, PUPIL - 0.06, PUPIL + 0.07)[:, None] * 0.96 + 0.04
    colour *= (0.46 + 0.54 * depth ** 0.8)[:, None] * (0.86 + 0.14 * rise)[:, None]
    colour *= level
    wet = (1 - rise) * 0.16 * (along < 0.85)
    colour += wet[:, None] * np.array([0.9, 0.62, 0.58], np.float32) * level
    hx = iris[0] + (0.42 * light.direction[0] + 0.10 * forward[0]) * IRIS * k
    hy = iris[1] - (0.42 * light.direction[1] + 0.10 * forward[1]) * IRIS * k
    sharp = ((px - hx) ** 2 + (py - hy) ** 2) / (2 * (0.085 * k) ** 2)
    soft = ((px - 2 * iris[0] + hx) ** 2 + (py - 2 * iris[1] + hy) ** 2) / (2 * (0.14 * k) ** 2)
    colour += (0.95 * np.exp(-sharp) + 0.12 * np.exp(-soft))[:, None] * depth[:, None]
    return (np.clip(colour, 0, 1) * 255).astype(np.uint8)


def _edge(xy: FloatArray, eye: EyeRing, row: tuple[int, ...], px: FloatArray) -> FloatArray:
    """Return the height in pixels of a lid's edge above the columns ``px``."""
    points = xy[[eye.corners[0], *row, eye.corners[1]]]
    order = np.argsort(points[:, 0], kind="stable")
    return np.interp(px, points[order, 0], points[order, 1]).astype(np.float32)


def _draw_lid_edges(
    roi: NDArray[np.uint8], origin: FloatArray, identity: Identity, camera: Camera, xy: FloatArray, eye: EyeRing
) -> None:
    k = camera.scale
    outer, inner = eye.corners
    upper = xy[[outer, *eye.upper, inner]] - origin
    lower = xy[[outer, *eye.lower, inner]] - origin
    strength = identity.look.lashes
    mask = np.zeros(roi.shape[:2], np.float32)

    def line(points: FloatArray, value: float, width: float) -> None:
        fixed = np.round(points * 16).astype(np.int32)
        cv2.polylines(mask, [fixed], False, value, max(1, round(width)), cv2.LINE_8, 4)

    line(lower[:6], 0.30 * strength, 0.05 * k)
    away = upper[0] - upper[4]
    away /= np.sqrt((away * away).sum()) + 1e-6
    wing = upper[0] + away * 0.18 * k + np.array([0, -0.10 * k], np.float32)
    line(upper[:-1], 0.85 * strength, 0.13 * k)
    line(np.stack([upper[1], upper[0], wing]), 0.55 * strength, 0.09 * k)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.05 * k))
    dark = np.minimum(identity.look.skin * 0.22, 0.10) * 255
    blended = roi + (dark - roi) * np.minimum(mask, 0.92)[..., None]
    roi[:] = blended.astype(np.uint8)
