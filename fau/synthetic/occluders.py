"""Things in front of the face: glasses, a hand, a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.camera import Camera
from fau.synthetic.light import Light, flat_level
from fau.synthetic.mesh import EYES, FloatArray, canonical

OccluderKind = Literal["glasses", "hand", "mask"]
KINDS: Final[tuple[OccluderKind, ...]] = ("glasses", "hand", "mask")
SHIFT = 4

# The mask's outline on the subject's right half, from the bridge of the nose to the chin.
_MASK_RIGHT: Final = (195, 3, 198, 49, 101, 118, 117, 123, 137, 177, 215, 172, 136, 150, 149, 176, 148, 152)


@dataclass(frozen=True)
class Occluder:
    """One occluder, the same over a sequence.

    Attributes:
        kind: Which.
        colour: (3,) display colour of frame or cloth; a hand has its owner's skin.
        size: Factor.
        form: 0..1: roundness of lenses, how closed the fingers are.
        at: (2,) where a hand lies, model units from the face's centre (x to the picture's right, y up).
        angle: Degrees: direction in which a hand's fingers point, 90 is up.
        tint: Opacity of lenses.
    """

    kind: OccluderKind
    colour: FloatArray
    size: float
    form: float
    at: tuple[float, float] = (0.0, 0.0)
    angle: float = 90.0
    tint: float = 0.0


def sample_occluder(rng: np.random.Generator, kind: OccluderKind | None = None) -> Occluder:
    """Draw an occluder of a kind, or of any.

    Args:
        rng: Source.
        kind: One of ``KINDS``; ``None`` draws it.
    """
    chosen = kind if kind is not None else KINDS[int(rng.integers(len(KINDS)))]
    if chosen == "glasses":
        dark = rng.random() < 0.65
        colour = np.full(3, rng.uniform(0.03, 0.14)) if dark else rng.uniform(0.25, 0.75) * np.array([1.0, 0.8, 0.6])
        tint = float(rng.uniform(0.0, 0.10))
        return Occluder("glasses", colour.astype(np.float32), float(rng.uniform(0.88, 1.15)), float(rng.random()), tint=tint)
    if chosen == "mask":
        base = np.array([(0.62, 0.76, 0.86), (0.90, 0.91, 0.92), (0.12, 0.12, 0.14), (0.80, 0.84, 0.82)], np.float32)
        colour = base[rng.integers(4)] * rng.uniform(0.92, 1.05)
        return Occluder("mask", np.clip(colour, 0, 1).astype(np.float32), float(rng.uniform(0.97, 1.06)), float(rng.random()))
    side = float(rng.choice((-1.0, 1.0)))
    places = (
        (side * rng.uniform(3.6, 5.2), rng.uniform(-4.5, -1.0), 90 - side * rng.uniform(-15, 20)),  # on a cheek
        (side * rng.uniform(0.5, 2.5), rng.uniform(-8.0, -6.2), 90 + side * rng.uniform(20, 70)),  # at the chin
        (side * rng.uniform(1.0, 2.6), rng.uniform(-5.4, -4.0), 90 + side * rng.uniform(40, 80)),  # over the mouth
    )
    x, y, angle = places[int(rng.choice(3, p=(0.4, 0.4, 0.2)))]
    return Occluder("hand", np.ones(3, np.float32), float(rng.uniform(0.85, 1.1)), float(rng.random()), (x, y), float(angle))


def draw_occluder(
    image: NDArray[np.uint8], occluder: Occluder, camera: Camera, face: FloatArray, xy: FloatArray, skin: FloatArray, light: Light
) -> None:
    """Draw an occluder over the picture in place.

    Args:
        image: (size, size, 3) display colour.
        occluder: What to draw.
        camera: The camera.
        face: (468, 3) deformed face in model units.
        xy: (468 or more, 2) pixel positions of the face.
        skin: (3,) display colour of the subject's skin, for a hand.
        light: The light.
    """
    level = np.sqrt(np.clip(flat_level(light), 0.03, 1.5))
    if occluder.kind == "glasses":
        _glasses(image, occluder, camera, face, level)
    elif occluder.kind == "mask":
        _mask(image, occluder, camera, xy, level, light)
    else:
        _hand(image, occluder, camera, skin, level)


def _fixed(points: FloatArray) -> NDArray[np.int32]:
    return np.round(points * (1 << SHIFT)).astype(np.int32)


def _colour(value: FloatArray) -> tuple[float, ...]:
    return tuple(float(v) for v in np.clip(value, 0, 1) * 255)


def _glasses(image: NDArray[np.uint8], glasses: Occluder, camera: Camera, face: FloatArray, level: FloatArray) -> None:
    k = camera.scale
    colour = _colour(glasses.colour * level)
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
            cv2.fillPoly(over, [_fixed(points - np.array([x0, y0], np.float32))], (215, 225, 235), cv2.LINE_8, SHIFT)
            cv2.addWeighted(over, glasses.tint, roi, 1 - glasses.tint, 0, roi)
    for side, middle, rim, points in sides:
        cv2.polylines(image, [_fixed(points)], True, colour, width, cv2.LINE_AA, SHIFT)
        hinge = rim[np.argmax(rim[:, 0] * side)]
        temple = np.stack([hinge, np.array([side * 7.9, middle[1] + 0.1, -2.6])]).astype(np.float32)
        if camera.place(temple)[1, 0] * side > camera.place(face[[234 if side < 0 else 454]])[0, 0] * side - 0.8:
            cv2.polylines(image, [_fixed(camera.look(temple))], False, colour, width, cv2.LINE_AA, SHIFT)
    right, left = sides[0][2], sides[1][2]
    inner = np.stack([right[np.argmax(right[:, 0])], [0, right[0, 1] + 0.45, bridge_z + 0.15], left[np.argmin(left[:, 0])]])
    cv2.polylines(image, [_fixed(camera.look(inner.astype(np.float32)))], False, colour, width, cv2.LINE_AA, SHIFT)


def mask_outline(xy: FloatArray, size: float = 1.0) -> FloatArray:
    """Return the outline (n, 2) in pixels of a mask that is worn over nose, mouth and chin."""
    mirror = canonical().mirror
    left = [int(mirror[i]) for i in _MASK_RIGHT[1:-1]][::-1]
    points = xy[[*_MASK_RIGHT, *left]].copy()
    centre = xy[[1, 152]].mean(0)
    return np.asarray(centre + (points - centre) * size, np.float32)


def _mask(
    image: NDArray[np.uint8], mask: Occluder, camera: Camera, xy: FloatArray, level: FloatArray, light: Light
) -> None:
    k = camera.scale
    outline = mask_outline(xy, mask.size)
    side = outline[len(_MASK_RIGHT) - 1] - outline[0]
    side /= np.sqrt((side * side).sum()) + 1e-6
    cord = _colour(0.8 * level)
    for cheek, ear in ((137, 127), (177, 132), (366, 356), (401, 361)):
        cv2.polylines(image, [_fixed(xy[[cheek, ear]])], False, cord, max(1, round(0.12 * k)), cv2.LINE_AA, SHIFT)
    x0, y0 = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(outline.max(0)).astype(int) + 3, image.shape[0])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    roi = image[y0:y1, x0:x1]
    cover = np.zeros(roi.shape[:2], np.uint8)
    origin = np.array([x0, y0], np.float32)
    smooth = outline - origin
    smooth = 0.25 * np.roll(smooth, 1, 0) + 0.5 * smooth + 0.25 * np.roll(smooth, -1, 0)
    cv2.fillPoly(cover, [_fixed(smooth)], 255, cv2.LINE_8, SHIFT)
    y, x = np.mgrid[0 : roi.shape[0], 0 : roi.shape[1]].astype(np.float32)
    nose = xy[1] - origin
    across = ((x - nose[0]) * -side[1] + (y - nose[1]) * side[0]) / (5.2 * k)  # -1..1 over the mask
    down = ((x - nose[0]) * side[0] + (y - nose[1]) * side[1]) / (8.0 * k)
    bulge = 1.05 - 0.38 * np.clip(np.abs(across), 0, 1.2) ** 2 - 0.20 * np.clip(down, -0.3, 1.2)
    bulge += -0.22 * across * float(light.direction[0]) * (1 if side[1] > 0 else -1) * -1
    pleats = np.zeros_like(x)
    for at in (0.22, 0.45, 0.68):
        sag = down - at - 0.06 * (1 - across**2)
        pleats += np.exp(-((sag / 0.022) ** 2)) * -0.16 + np.exp(-(((sag - 0.04) / 0.03) ** 2)) * 0.06
    shade = np.clip(bulge + pleats * (0.5 + 0.5 * mask.form), 0.25, 1.3)
    cloth = np.clip(mask.colour * level * shade[..., None], 0, 1) * 255
    cv2.copyTo(cloth.astype(np.uint8), cover, roi)


def _hand(image: NDArray[np.uint8], hand: Occluder, camera: Camera, skin: FloatArray, level: FloatArray) -> None:
    k = camera.scale * 1.12 * hand.size  # nearer to the camera than the face
    centre = camera.look(np.array([[hand.at[0], hand.at[1], 6.5]], np.float32))[0]
    angle = np.deg2rad(hand.angle)
    along = np.array([np.cos(angle), -np.sin(angle)], np.float32)
    across = np.array([along[1], -along[0]], np.float32) * (1.0 if hand.at[0] < 0 else -1.0)

    def at(forward: float, aside: float) -> FloatArray:
        return np.asarray(centre + k * (forward * along + aside * across), np.float32)

    base = skin * np.array([1.02, 0.94, 0.92], np.float32)
    spread = 0.05 + 0.22 * (1 - hand.form)
    # Arm and back of the hand, then fingers from the little one to the index, then the thumb.
    pieces = [([at(-16, -0.6), at(-5.5, -0.2)], 5.0), ([at(-5.5, 0.0), at(-2.6, 0.0)], 6.4), ([at(-3.2, 0), at(-0.9, 0)], 7.2)]
    lengths = (4.7, 6.0, 6.6, 6.0)
    for i, length in enumerate(lengths):
        aside = (i - 1.5) * 1.72
        fan = (i - 1.5) * spread
        bend = 1 - 0.10 * hand.form
        knuckle = at(-0.7, aside)
        joint = at(-0.7 + 0.52 * length, aside + 0.52 * length * fan)
        tip = at(-0.7 + length * bend, aside + length * fan)
        pieces.append(([knuckle, joint, tip], 1.75 if i else 1.5))
    pieces.append(([at(-4.2, 2.8), at(-2.0, 4.4), at(0.2, 4.9)], 1.9))
    for points, width in pieces:
        line = [_fixed(np.stack(points))]
        for share, shade in ((1.0, 0.60), (0.86, 0.82), (0.62, 0.95), (0.34, 1.03)):
            cv2.polylines(image, line, False, _colour(base * level * shade), max(1, round(width * share * k)), cv2.LINE_AA, SHIFT)
    for i, length in enumerate(lengths):
        fan = (i - 1.5) * spread
        aside = (i - 1.5) * 1.72
        bend = 1 - 0.10 * hand.form
        for share, mark in ((0.52, 0.80), (0.5, 0.86)):
            where = at(-0.7 + share * length, aside + share * length * fan)
            half = 0.5 * k * across
            cv2.polylines(image, [_fixed(np.stack([where - half, where + half]))], False, _colour(base * level * mark), max(1, round(0.10 * k)), cv2.LINE_AA, SHIFT)
        nail = at(-0.7 + (length - 0.15) * bend, aside + length * fan)
        axes = (max(1, round(0.52 * k)), max(1, round(0.40 * k)))
        at_pixel = (int(nail[0] * 16), int(nail[1] * 16))
        cv2.ellipse(image, at_pixel, (axes[0] * 16, axes[1] * 16), float(-hand.angle), 0, 360, _colour(base * level * np.array([1.08, 0.98, 0.97])), -1, cv2.LINE_AA, SHIFT)
