"""Eyeballs in the lid openings, the lids' edges and lashes, and the iris landmarks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.camera import Camera
from fau.synthetic.identity import Identity
from fau.synthetic.light import Light, display_level, flat_level
from fau.synthetic.mesh import EYES, TAG_RIGHT_EYE, EyeRing, FloatArray, IntArray, smoothstep

EYEBALL = 1.2  # radius, model units (a centimetre each): 24 mm across
IRIS = 0.60  # radius
PUPIL = 0.36  # of the iris' radius
SET_BACK = 0.88  # of the eyeball's centre behind the lid corners
SCLERA = (0.90, 0.885, 0.88)
SCLERA_EDGE = (0.18, 0.34, 0.33)  # how much darker and redder it gets towards the corners
CARUNCLE = (0.74, 0.46, 0.43)
WET = (0.9, 0.62, 0.58)  # the lower lid's edge


def _eyeball(shape: FloatArray, eye: EyeRing) -> FloatArray:
    corners = shape[list(eye.corners)].mean(0)
    return np.asarray(corners + np.array([0, 0.06, -SET_BACK], np.float32))


def _gaze_vector(gaze: tuple[float, float]) -> FloatArray:
    """Return the direction (3,) of a gaze in degrees (to the picture's right, up), in head axes."""
    right, up = np.deg2rad(gaze)
    return np.array([np.sin(right) * np.cos(up), np.sin(up), np.cos(right) * np.cos(up)], np.float32)


def iris_points(shape: FloatArray, gaze: tuple[float, float]) -> FloatArray:
    """Return iris points (10, 3) in model units: of either eye the centre, then picture-right, top, left, bottom."""
    forward = _gaze_vector(gaze)
    x, y, z = forward
    side = np.array([z, 0, -x], np.float32) / np.hypot(x, z)
    up = np.array([y * side[2], z * side[0] - x * side[2], -y * side[0]], np.float32)
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
    level = display_level(0.78 * flat_level(light))
    k = camera.scale
    boxes, found = [], []
    for index, eye in enumerate(EYES):
        ring = xy[list(eye.ring)]
        margin = 0.35 * k + 2
        x0, y0 = np.maximum(np.floor(ring.min(0) - margin).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(ring.max(0) + margin).astype(int), image.shape[0])
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        boxes.append((eye, image[y0:y1, x0:x1], np.array([x0, y0], np.float32)))
        rows, columns = np.nonzero(tags[y0:y1, x0:x1] == TAG_RIGHT_EYE + index)
        if len(rows):
            found.append(_inside_lids(rows + y0, columns + x0, xy, eye, irises[5 * index], k))
    if found:  # both eyes in one go: they are small, and every array operation has its price
        rows, columns = (np.concatenate([f[i] for f in found]) for i in (0, 1))
        image[rows, columns] = _eyeball_colour(
            np.concatenate([f[2] for f in found], 1), identity, k, forward, level, light
        )
    for eye, roi, origin in boxes:
        _draw_lid_edges(roi, origin, identity, camera, xy, eye)


def _inside_lids(
    rows: NDArray[np.intp], columns: NDArray[np.intp], xy: FloatArray, eye: EyeRing, iris: FloatArray, k: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
    """Return pixels of one eye and where they lie (5, n).

    The five: right of and above the iris' centre in iris radii; along the opening, 0 at the outer corner to 1 at the
    inner; below the upper lid and above the lower one, model units.
    """
    px, py = columns.astype(np.float32), rows.astype(np.float32)
    outer, inner = xy[eye.corners[0]], xy[eye.corners[1]]
    axis = (inner - outer) / (float(((inner - outer) ** 2).sum()) + 1e-3)
    where = np.empty((5, len(px)), np.float32)
    where[0], where[1] = (px - iris[0]) / (k * IRIS), (iris[1] - py) / (k * IRIS)
    where[2] = (px - outer[0]) * axis[0] + (py - outer[1]) * axis[1]
    where[3] = (py - _edge(xy, eye, eye.upper, px)) / k
    where[4] = (_edge(xy, eye, eye.lower, px) - py) / k
    return rows, columns, where


def _eyeball_colour(
    where: FloatArray, identity: Identity, k: float, forward: FloatArray, level: FloatArray, light: Light
) -> NDArray[np.uint8]:
    """Return the colour (n, 3) of eyeball pixels; ``where`` as of ``_inside_lids``."""
    dx, dy, along, below, above = where
    foreshortened = (dx * forward[0] + dy * forward[1]) ** 2 / max(float(forward[2]) ** 2, 0.05)
    d = np.sqrt(dx * dx + dy * dy + foreshortened)
    depth = np.clip(below / 0.34, 0, 1)
    rise = np.clip(above / 0.16, 0, 1)
    angle = (np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * 63.99
    rays = identity.iris_rays[angle.astype(np.int32)]
    # Light crosses the eye and brightens the iris opposite to the lamp.
    glow = 1 + 0.45 * np.clip(-(dx * light.direction[0] + dy * light.direction[1]), -0.4, 1)
    shade = np.clip((0.72 + 0.55 * smoothstep(d, 0.30, 0.75)) * rays * glow - 0.62 * smoothstep(d, 0.78, 1.0), 0.12, 2)
    cover = 1 - smoothstep(d, 0.93, 1.08)
    pupil = smoothstep(d, PUPIL - 0.06, PUPIL + 0.07) * 0.96 + 0.04
    caruncle = 0.9 * smoothstep(along, 0.87, 0.96)
    side = (2 * along - 1) ** 2
    shadow = pupil * (0.46 + 0.54 * depth**0.8) * (0.86 + 0.14 * rise)
    wet = (1 - rise) * 0.16 * (along < 0.85)
    hx = 0.42 * light.direction[0] + 0.10 * forward[0]
    hy = 0.42 * light.direction[1] + 0.10 * forward[1]
    spread = -0.5 * (IRIS / 0.085) ** 2
    shine = 0.95 * np.exp(spread * ((dx - hx) ** 2 + (dy - hy) ** 2))
    shine += 0.12 * np.exp(0.37 * spread * ((dx + hx) ** 2 + (dy + hy) ** 2))
    shine *= depth * min(1.0, 0.35 + 0.65 * float(light.key[1]))
    colour = np.empty((len(dx), 3), np.uint8)
    for c in range(3):
        plane = SCLERA[c] * (1 - SCLERA_EDGE[c] * side)
        plane += (CARUNCLE[c] - plane) * caruncle
        plane += (identity.look.iris[c] * shade - plane) * cover
        plane = (plane * shadow + wet * WET[c]) * level[c] + shine
        colour[:, c] = np.clip(plane, 0, 1) * 255
    return colour


def _edge(xy: FloatArray, eye: EyeRing, row: tuple[int, ...], px: FloatArray) -> FloatArray:
    """Return the height in pixels of a lid's edge above the columns ``px``."""
    points = xy[[eye.corners[0], *row, eye.corners[1]]]
    order = np.argsort(points[:, 0], kind="stable")
    return np.asarray(np.interp(px, points[order, 0], points[order, 1]), np.float32)


def _draw_lid_edges(
    roi: NDArray[np.uint8], origin: FloatArray, identity: Identity, camera: Camera, xy: FloatArray, eye: EyeRing
) -> None:
    k = camera.scale
    outer, inner = eye.corners
    upper = xy[[outer, *eye.upper, inner]] - origin
    lower = xy[[outer, *eye.lower, inner]] - origin
    strength = identity.look.lashes
    mask: FloatArray = np.zeros(roi.shape[:2], np.float32)

    def line(points: FloatArray, value: float, width: float) -> None:
        fixed = np.round(points * 16).astype(np.int32)
        cv2.polylines(mask, [fixed], False, value, max(1, round(width)), cv2.LINE_8, 4)

    line(lower[:6], 0.30 * strength, 0.05 * k)
    away = upper[0] - upper[4]
    away /= np.sqrt((away * away).sum()) + 1e-6
    wing = upper[0] + away * 0.18 * k + np.array([0, -0.10 * k], np.float32)
    line(upper[:-1], 0.85 * strength, 0.13 * k)
    line(np.stack([upper[1], upper[0], wing]), 0.55 * strength, 0.09 * k)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.05 * k)), np.float32)
    dark = np.minimum(identity.look.skin * 0.22, 0.10) * 255
    blended = roi + (dark - roi) * np.minimum(mask, 0.92)[..., None]
    roi[:] = blended.astype(np.uint8)
