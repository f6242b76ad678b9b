"""The skin of the face chart: complexion, lips, brows, creases at rest, beard."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from fau.synthetic import paint
from fau.synthetic.appearance import Appearance
from fau.synthetic.atlas import MASTER
from fau.synthetic.mesh import EYES, LOWER_LIP_OUTER, OVAL, UPPER_LIP_OUTER, FloatArray, canonical

EYE_AT = ((0.346, 0.378), (0.654, 0.378))  # eye centres in the face chart


@cache
def _masks() -> dict[str, FloatArray]:
    """Return masks that are the same for every subject, drawn once a process."""
    uv = canonical().uv
    lips = np.concatenate([uv[list(UPPER_LIP_OUTER)], uv[list(LOWER_LIP_OUTER)][::-1]])
    folds = [uv[list(eye.fold)] - [0, 0.004] for eye in EYES]
    nostrils = sum(paint.spot((0.5 + s * 0.030, 0.5985), (0.0105, 0.0040), 0.0040) for s in (-1, 1))
    alae = paint.strokes(paint.both([paint.arc(uv[129] + [0.002, 0], uv[98] + [-0.006, 0.012], -0.25)]), 0.008, 0.006)
    cheeks = sum(paint.spot((0.5 + s * 0.21, 0.52), (0.075, 0.06), 0.035) for s in (-1, 1))
    sockets = sum(paint.spot((x, y - 0.004), (0.062, 0.032), 0.018) for x, y in EYE_AT)
    inner = sum(paint.spot((0.5 + s * 0.083, 0.372), (0.012, 0.028), 0.012) for s in (-1, 1))
    bags = paint.strokes(paint.both([paint.arc((0.29, 0.418), (0.40, 0.425), -0.16)]), 0.010, 0.006)
    laugh = paint.strokes(
        paint.both([paint.arc(uv[129] + [-0.012, -0.005], uv[61] + [-0.04, -0.012], 0.14)]), 0.008, 0.006
    )
    brow_lines = [
        np.stack([np.linspace(0.34, 0.66, 20), v + 0.010 * np.cos(np.linspace(-3, 3, 20))], 1) for v in (0.175, 0.21)
    ]
    crow = [paint.arc((0.262, 0.38 + d), (0.205, 0.36 + 2.2 * d), 0.1) for d in (-0.01, 0.005, 0.02)]
    upper_lip = np.concatenate([uv[list(UPPER_LIP_OUTER)], [[0.618, 0.695], [0.382, 0.695]]])
    lids = [np.concatenate([uv[list(eye.fold)], uv[list(eye.upper)][::-1]]) for eye in EYES]
    outline = uv[list(OVAL)]
    beard = (
        (0.04, 0.55), (0.09, 0.62), (0.17, 0.70), (0.29, 0.695), (0.345, 0.665), (0.39, 0.628), (0.5, 0.628),
        (0.61, 0.628), (0.655, 0.665), (0.71, 0.695), (0.83, 0.70), (0.91, 0.62), (0.96, 0.55), (1.0, 1.0), (0.0, 1.0),
    )  # fmt: skip
    moustache = (
        (0.37, 0.668), (0.40, 0.632), (0.45, 0.618), (0.5, 0.624), (0.55, 0.618), (0.60, 0.632), (0.63, 0.668),
        (0.60, 0.676), (0.55, 0.654), (0.5, 0.652), (0.45, 0.654), (0.40, 0.676),
    )  # fmt: skip
    return {
        "lips": paint.polygon(lips, 0.0028),
        "upper_lip": paint.polygon(upper_lip, 0.004),
        "lip_line": paint.strokes([uv[[61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291]]], 0.006, 0.006),
        "lip_gloss": paint.spot((0.5, 0.722), (0.055, 0.007), 0.005),
        "fold": paint.strokes(folds, 0.005, 0.0035),
        "lid": np.asarray(sum(paint.polygon(lid, 0.004) for lid in lids)),
        "nostrils": np.clip(nostrils, 0, 1),
        "alae": alae,
        "cheeks": np.asarray(cheeks),
        "nose": paint.spot((0.5, 0.555), (0.04, 0.035), 0.02),
        "bridge": paint.spot((0.5, 0.46), (0.012, 0.09), 0.008),
        "sockets": np.clip(sockets, 0, 1),
        "inner": np.clip(inner, 0, 1),
        "bags": bags,
        "laugh": laugh,
        "brow_lines": paint.strokes(brow_lines, 0.005, 0.004),
        "crow": paint.strokes(paint.both(crow), 0.005, 0.003),
        "under_nose": paint.polygon([(0.45, 0.606), (0.55, 0.606), (0.53, 0.622), (0.47, 0.622)], 0.008),
        "under_lip": paint.polygon([(0.44, 0.755), (0.56, 0.755), (0.53, 0.770), (0.47, 0.770)], 0.010),
        "philtrum": paint.polygon([(0.494, 0.61), (0.506, 0.61), (0.508, 0.648), (0.492, 0.648)], 0.006),
        "philtrum_rims": paint.strokes(paint.both([[(0.486, 0.612), (0.483, 0.65)]]), 0.006, 0.005),
        "corners": np.asarray(sum(paint.spot((0.5 + s * 0.121, 0.697), (0.010, 0.010), 0.008) for s in (-1, 1))),
        "beard": paint.polygon(beard, 0.02) * (1 - 0.95 * paint.polygon(lips, 0.004)),
        "moustache": paint.polygon(moustache, 0.006),
        "soul": paint.spot((0.5, 0.765), (0.03, 0.016), 0.01),
        "inside": paint.polygon(0.5 + 0.90 * (outline - 0.5), 0.02),
    }  # fmt: skip


def _complexion(rng: np.random.Generator, look: Appearance) -> FloatArray:
    image = np.empty((*paint.blank().shape, 3), np.float32)
    image[:] = look.skin
    fine = (
        0.6 * paint.noise(rng, 10)
        + 0.5 * paint.noise(rng, 40)
        + 0.45 * paint.noise(rng, 120)
        + 0.4 * paint.noise(rng, 256)
    )
    inside = _masks()["inside"]  # charts meet at the face's outline: only fine noise may differ there
    image *= (1 + 0.016 * look.roughness * fine * (0.3 + 0.7 * inside))[..., None]
    blood = (0.022 * paint.noise(rng, 6) + 0.014 * paint.noise(rng, 24)) * inside
    image *= 1 + blood[..., None] * np.array([0.35, -1, -0.9], np.float32)
    return image


def face_albedo(rng: np.random.Generator, look: Appearance) -> FloatArray:
    """Paint the skin of the whole atlas and the features of the face chart.

    Args:
        rng: Source.
        look: The subject.

    Returns:
        (rows, columns, 3) display colour of the master atlas; other charts hold plain skin.
    """
    m = _masks()
    image = _complexion(rng, look)
    pale = 1 - 0.6 * look.tone
    paint.tint(image, (1.05, 0.87, 0.86), 0.55 * look.flush * pale * m["cheeks"])
    paint.tint(image, (1.04, 0.87, 0.86), 0.6 * look.flush * pale * m["nose"])
    paint.tint(image, (0.74, 0.67, 0.68), 0.3 * look.socket * m["sockets"])
    paint.tint(image, (0.70, 0.62, 0.64), 0.4 * look.socket * m["inner"])
    paint.tint(image, (0.93, 0.84, 0.83), 0.5 * m["lid"])
    paint.tint(image, (1.05, 1.05, 1.05), 0.8 * m["bridge"])
    paint.tint(image, (0.66, 0.55, 0.53), 0.25 * m["under_nose"])
    paint.tint(image, (0.62, 0.50, 0.48), 0.75 * np.clip(m["alae"], 0, 1))
    paint.tint(image, (0.26, 0.16, 0.14), np.clip(1.25 * m["nostrils"], 0, 0.9))
    paint.tint(image, (0.76, 0.68, 0.66), 0.35 * m["under_lip"])
    paint.tint(image, (0.88, 0.82, 0.81), 0.6 * m["philtrum"])
    paint.tint(image, (1.05, 1.05, 1.05), 0.6 * m["philtrum_rims"])
    paint.tint(image, (0.72, 0.60, 0.58), 0.7 * np.clip(m["corners"], 0, 1))
    paint.tint(image, (0.50, 0.41, 0.40), 0.9 * look.crease * np.clip(1.3 * m["fold"], 0, 1))
    old = float(np.clip(1.5 * look.age - 0.15, 0, 1))
    paint.tint(image, (0.74, 0.66, 0.66), (0.25 + 0.6 * old) * np.clip(m["bags"], 0, 1) * look.socket)
    paint.tint(image, (0.76, 0.68, 0.66), (0.05 + 0.7 * old) * np.clip(m["laugh"], 0, 1))
    paint.tint(image, (0.80, 0.72, 0.70), 0.75 * old * np.clip(m["brow_lines"], 0, 1))
    paint.tint(image, (0.80, 0.72, 0.70), 0.75 * old * np.clip(m["crow"], 0, 1))
    _marks(rng, look, image)
    _lips(rng, look, image)
    _beard(rng, look, image)
    _brows(rng, look, image)
    return np.clip(image, 0.01, 1)


def _marks(rng: np.random.Generator, look: Appearance, image: FloatArray) -> None:
    mask = paint.blank()
    for _ in range(look.freckles):
        at = paint.fixed_point((rng.uniform(0.2, 0.8), rng.normal(0.49, 0.06)))
        cv2.circle(mask, at.tolist(), 12, float(rng.uniform(0.2, 0.65)), -1, cv2.LINE_8, 4)
    if look.freckles:
        paint.tint(image, (0.72, 0.56, 0.46), paint.blur(mask, 0.0028))
    mask[:] = 0
    for _ in range(look.moles):
        at = paint.fixed_point((rng.uniform(0.15, 0.85), rng.uniform(0.2, 0.9)))
        cv2.circle(mask, at.tolist(), int(rng.integers(14, 26)), float(rng.uniform(0.5, 0.9)), -1, cv2.LINE_8, 4)
    if look.moles:
        paint.tint(image, (0.42, 0.30, 0.27), paint.blur(mask, 0.003))


def _lips(rng: np.random.Generator, look: Appearance, image: FloatArray) -> None:
    m = _masks()
    rows, columns = image.shape[:2]
    creases = cv2.resize(
        rng.standard_normal((6, 110), dtype=np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR
    )
    colour = look.lip * (1 + 0.045 * creases)[..., None]
    colour *= (1 - 0.13 * np.clip(m["upper_lip"], 0, 1))[..., None]
    colour *= (1 + 0.13 * m["lip_gloss"])[..., None]
    paint.mix(image, colour, m["lips"] * look.lip_cover)
    paint.tint(image, (0.86, 0.78, 0.78), 0.4 * np.clip(m["lip_line"], 0, 1))


def _beard(rng: np.random.Generator, look: Appearance, image: FloatArray) -> None:
    if look.beard <= 0.02 and not look.moustache:
        return
    m = _masks()
    hairs = 0.86 + 0.20 * paint.noise(rng, 256) + 0.12 * paint.noise(rng, 90)
    cover = m["beard"] * (0.55 + 0.45 * look.beard) + 0.8 * look.moustache * m["moustache"]
    amount = np.clip(cover * hairs, 0, 1) * float(np.clip(1.35 * look.beard, 0.0, 0.93))
    paint.mix(image, np.minimum(look.hair * 0.8 + 0.01, look.skin * 0.62), amount)


def _brows(rng: np.random.Generator, look: Appearance, image: FloatArray) -> None:
    uv = canonical().uv
    scale = 2 * MASTER
    rows, columns = image.shape[:2]
    mask = np.zeros((2 * rows, 2 * columns), np.float32)
    for eye, side in zip(EYES, (1.0, -1.0), strict=True):
        upper, lower = uv[list(eye.brow_upper)], uv[list(eye.brow_lower)]
        centre = 0.5 * (upper + lower) - [0, 0.002]
        half = 0.5 * (lower - upper)[:, 1] * look.brow_height * np.array([0.30, 0.60, 0.78, 0.82, 0.70])
        base = np.zeros_like(mask)
        edge = np.stack([np.zeros(5), 0.8 * half], 1)
        cv2.fillPoly(
            base, [paint.fixed_point(np.concatenate([centre - edge, (centre + edge)[::-1]]), scale)], 1.0, 8, 4
        )
        mask = np.maximum(mask, 0.5 * cv2.GaussianBlur(base, (0, 0), 3.5))
        along = rng.uniform(0, 4, 260)
        k = np.minimum(along.astype(int), 3)
        f = (along - k)[:, None]
        root = centre[k] * (1 - f) + centre[k + 1] * f
        root[:, 1] += rng.uniform(-0.9, 0.9, len(along)) * (half[k] * (1 - f[:, 0]) + half[k + 1] * f[:, 0])
        # Hairs lean outwards, upright at the inner end and falling at the outer.
        angle = np.deg2rad(rng.normal(np.interp(along, [0, 2.0, 3.3, 4], [165, 190, 215, 255]), 12))
        step = np.stack([np.cos(angle) * side, np.sin(angle)], 1) * rng.uniform(0.010, 0.020, (len(along), 1))
        for p, q in zip(
            paint.fixed_point(root, scale).tolist(), paint.fixed_point(root + step, scale).tolist(), strict=True
        ):
            cv2.line(mask, p, q, 0.95, 1, cv2.LINE_8, 4)
    small = cv2.GaussianBlur(cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA), (0, 0), 0.6)
    paint.mix(image, look.brow, np.clip(1.15 * small * look.brow_density, 0, 0.9))
