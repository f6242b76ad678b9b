"""The subject's hand before the face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.camera import Camera
from fau.synthetic.mesh import FloatArray
from fau.synthetic.occluders import Occluder
from fau.synthetic.pen import SHIFT, fixed, paint_of, rounded


def draw_hand(image: NDArray[np.uint8], hand: Occluder, camera: Camera, skin: FloatArray, level: FloatArray) -> None:
    """Draw a hand in its owner's skin (3,) in place.

    Args:
        image: (size, size, 3), RGB.
        hand: Its pose.
        camera: Of the picture.
        skin: (3,), its owner's colour.
        level: (3,), the light as display factor.
    """
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
        line = [fixed(np.stack(points))]
        cv2.polylines(cover, line, False, 1, max(1, round(width * k)), cv2.LINE_8, SHIFT)
        for share, shade in bands:
            cv2.polylines(
                layer, line, False, paint_of(base * shade), max(1, round(width * share * k)), cv2.LINE_8, SHIFT
            )

    palm = np.stack(
        [at(-6.0, -2.3), at(-3.4, -3.4), at(-0.3, -3.3), at(0.2, 0), at(-0.3, 3.3), at(-3.4, 3.1), at(-6.0, 2.0)]
    )
    arm = np.stack([at(-5.4, -2.3), at(-5.4, 2.1), at(-22, 3.2), at(-22, -3.4)])
    for shape, shade in ((arm, 0.86), (rounded(palm), 0.93)):
        cv2.fillPoly(cover, [fixed(shape)], 1, cv2.LINE_8, SHIFT)
        cv2.fillPoly(layer, [fixed(shape)], paint_of(base * shade), cv2.LINE_8, SHIFT)
    round_shade = ((1.0, 0.70), (0.84, 0.88), (0.55, 0.98))
    piece([at(-4.4, 2.4), at(-2.2, 4.0), at(-0.2, 4.6), at(0.9, 4.6)], 1.85, round_shade)  # thumb
    spread = 0.04 + 0.16 * (1 - hand.form)
    nails = []
    for i, length in enumerate((4.6, 5.9, 6.5, 5.9)):  # from the little finger to the index
        aside, fan = (i - 1.5) * 1.74, (i - 1.5) * spread
        reach = length * (1 - 0.12 * hand.form)
        tip = at(-0.7 + reach, aside + reach * fan)
        piece(
            [at(-0.6, aside), at(-0.7 + 0.5 * reach, aside + 0.45 * reach * fan), tip], 1.75 if i else 1.5, round_shade
        )
        piece([at(-1.5, aside), at(-0.2, aside)], 1.5, ((1.0, 0.93),))  # the knuckle merges into the back of the hand
        for share in (0.10, 0.50):
            where = at(-0.7 + share * reach, aside + share * reach * fan)
            crease = [fixed(np.stack([where - 0.45 * k * across, where + 0.45 * k * across]))]
            cv2.polylines(layer, crease, False, paint_of(base * 0.80), max(1, round(0.14 * k)), cv2.LINE_8, SHIFT)
        nails.append(at(-0.75 + reach, aside + reach * fan))
    for nail in nails:
        axes = (max(8, round(0.50 * k * 16)), max(8, round(0.38 * k * 16)))
        middle = (int(nail[0] * 16), int(nail[1] * 16))
        shine = paint_of(base * np.array([1.10, 1.02, 1.02], np.float32))
        cv2.ellipse(layer, middle, axes, float(-hand.angle), 0, 360, shine, -1, cv2.LINE_8, SHIFT)
    soft = cv2.GaussianBlur(layer, (0, 0), max(0.6, 0.16 * k))
    cv2.copyTo(soft, cover, image)
