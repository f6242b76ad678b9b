"""Things in front of the face: glasses, a hand, a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.camera import Camera
from fau.synthetic.light import Light, display_level, flat_level
from fau.synthetic.mesh import EYES, FloatArray, canonical

OccluderKind = Literal["glasses", "hand", "mask"]
KINDS: Final[tuple[OccluderKind, ...]] = ("glasses", "hand", "mask")
SHIFT = 4

# The mask's outline on the subject's right half, from the bridge of the nose to the chin, in model units; the third
# number is the height over the skin there (vertex in the fourth place).
_MASK_RIGHT: Final = (
    (0.0, 1.15, 0.5, 197), (-1.5, 0.75, 0.25, 114), (-3.2, 0.15, 0.2, 118), (-5.4, -0.5, 0.2, 123), (-6.7, -1.2, 0.3, 177),
    (-6.6, -4.6, 0.3, 58), (-5.3, -7.0, 0.4, 172), (-3.6, -9.0, 0.5, 150), (-1.7, -9.9, 0.5, 176), (0.0, -10.2, 0.5, 152),
)  # fmt: skip


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
    image: NDArray[np.uint8],
    occluder: Occluder,
    camera: Camera,
    face: FloatArray,
    shape: FloatArray,
    xy: FloatArray,
    skin: FloatArray,
    light: Light,
) -> None:
    """Draw an occluder over the picture in place.

    Args:
        image: (size, size, 3) display colour.
        occluder: What to draw.
        camera: The camera.
        face: (468, 3) deformed face in model units.
        shape: (468, 3) neutral face in model units.
        xy: (468 or more, 2) pixel positions of the face.
        skin: (3,) display colour of the subject's skin, for a hand.
        light: The light.
    """
    level = display_level(flat_level(light))
    if occluder.kind == "glasses":
        _glasses(image, occluder, camera, face, level)
    elif occluder.kind == "mask":
        _mask(image, occluder, camera, face, shape, xy, level, light)
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


def _mask(
    image: NDArray[np.uint8],
    mask: Occluder,
    camera: Camera,
    face: FloatArray,
    shape: FloatArray,
    xy: FloatArray,
    level: FloatArray,
    light: Light,
) -> None:
    k = camera.scale
    outline = camera.look(mask_outline(face, shape, mask.size))
    cord = _colour(0.8 * level)
    for corner, ear in ((4, 127), (5, 132), (14, 356), (13, 361)):
        ends = np.stack([outline[corner], xy[ear]])
        cv2.polylines(image, [_fixed(ends)], False, cord, max(1, round(0.12 * k)), cv2.LINE_AA, SHIFT)
    x0, y0 = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(outline.max(0)).astype(int) + 3, image.shape[0])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    roi = image[y0:y1, x0:x1]
    cover = np.zeros(roi.shape[:2], np.uint8)
    cv2.fillPoly(cover, [_fixed(_rounded(outline - np.array([x0, y0], np.float32)))], 1, cv2.LINE_8, SHIFT)
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


def _rounded(points: FloatArray) -> FloatArray:
    """Return a closed outline with its corners cut twice (Chaikin)."""
    for _ in range(2):
        following = np.roll(points, -1, 0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1).reshape(-1, 2)
    return points


def _hand(image: NDArray[np.uint8], hand: Occluder, camera: Camera, skin: FloatArray, level: FloatArray) -> None:
    k = camera.scale * 1.12 * hand.size  # nearer to the camera than the face
    centre = camera.look(np.array([[hand.at[0], hand.at[1], 6.5]], np.float32))[0]
    angle = np.deg2rad(hand.angle)
    along = np.array([np.cos(angle), -np.sin(angle)], np.float32)
    across = np.array([along[1], -along[0]], np.float32) * (1.0 if hand.at[0] < 0 else -1.0)

    def at(forward: float, aside: float) -> FloatArray:
        return np.asarray(centre + k * (forward * along + aside * across), np.float32)

    base = skin * np.array([1.07, 1.01, 0.99], np.float32) * level
    cover = np.zeros(image.shape[:2], np.uint8)
    layer = np.empty_like(image)
    layer[:] = np.clip(base, 0, 1) * 255 * 0.9

    def piece(points: list[FloatArray], width: float, bands: tuple[tuple[float, float], ...]) -> None:
        line = [_fixed(np.stack(points))]
        cv2.polylines(cover, line, False, 1, max(1, round(width * k)), cv2.LINE_8, SHIFT)
        for share, shade in bands:
            cv2.polylines(layer, line, False, _colour(base * shade), max(1, round(width * share * k)), cv2.LINE_8, SHIFT)

    palm = np.stack([at(-6.0, -2.3), at(-3.4, -3.4), at(-0.3, -3.3), at(0.2, 0), at(-0.3, 3.3), at(-3.4, 3.1), at(-6.0, 2.0)])
    arm = np.stack([at(-5.4, -2.3), at(-5.4, 2.1), at(-22, 3.2), at(-22, -3.4)])
    for shape, shade in ((arm, 0.86), (_rounded(palm), 0.93)):
        cv2.fillPoly(cover, [_fixed(shape)], 1, cv2.LINE_8, SHIFT)
        cv2.fillPoly(layer, [_fixed(shape)], _colour(base * shade), cv2.LINE_8, SHIFT)
    round_shade = ((1.0, 0.70), (0.84, 0.88), (0.55, 0.98))
    piece([at(-4.4, 2.4), at(-2.2, 4.0), at(-0.2, 4.6), at(0.9, 4.6)], 1.85, round_shade)  # thumb
    spread = 0.04 + 0.16 * (1 - hand.form)
    nails = []
    for i, length in enumerate((4.6, 5.9, 6.5, 5.9)):  # from the little finger to the index
        aside, fan = (i - 1.5) * 1.74, (i - 1.5) * spread
        reach = length * (1 - 0.12 * hand.form)
        tip = at(-0.7 + reach, aside + reach * fan)
        piece([at(-0.6, aside), at(-0.7 + 0.5 * reach, aside + 0.45 * reach * fan), tip], 1.75 if i else 1.5, round_shade)
        piece([at(-1.5, aside), at(-0.2, aside)], 1.5, ((1.0, 0.93),))  # the knuckle merges into the back of the hand
        for share in (0.10, 0.50):
            where = at(-0.7 + share * reach, aside + share * reach * fan)
            crease = [_fixed(np.stack([where - 0.45 * k * across, where + 0.45 * k * across]))]
            cv2.polylines(layer, crease, False, _colour(base * 0.80), max(1, round(0.14 * k)), cv2.LINE_8, SHIFT)
        nails.append(at(-0.75 + reach, aside + reach * fan))
    for nail in nails:
        axes = (max(8, round(0.50 * k * 16)), max(8, round(0.38 * k * 16)))
        where = (int(nail[0] * 16), int(nail[1] * 16))
        shine = _colour(base * np.array([1.10, 1.02, 1.02], np.float32))
        cv2.ellipse(layer, where, axes, float(-hand.angle), 0, 360, shine, -1, cv2.LINE_8, SHIFT)
    layer = cv2.GaussianBlur(layer, (0, 0), max(0.6, 0.16 * k))
    cv2.copyTo(layer, cover, image)
