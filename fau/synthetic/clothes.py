"""Neck skin, garment and ears: the charts that are neither face nor hair."""

from __future__ import annotations

import numpy as np

from fau.synthetic import paint
from fau.synthetic.appearance import Appearance
from fau.synthetic.atlas import MASTER, chart_slices
from fau.synthetic.head import EAR, TORSO, TORSO_ROWS
from fau.synthetic.mesh import FloatArray, smoothstep


def _neckline(collar: str, s: FloatArray) -> FloatArray:
    """Return the torso row at which the garment begins, for s in 0..1 around the neck (0.5 faces forward)."""
    front = np.clip(np.cos((s - 0.5) * np.pi * 1.25), 0, 1)
    middle = np.clip(1 - np.abs(s - 0.5) / 0.16, 0, 1)
    rows = {
        "crew": 3.3 + 0.5 * front**2,
        "vee": 3.3 + 2.3 * middle,
        "shirt": 2.55 + 1.9 * np.clip(1 - np.abs(s - 0.5) / 0.10, 0, 1),
        "polo": 2.8 + 1.3 * np.clip(1 - np.abs(s - 0.5) / 0.09, 0, 1),
        "high": 1.7 + 0.0 * front,
    }
    return np.asarray(rows[collar], np.float32)


def paint_torso(rng: np.random.Generator, look: Appearance, image: FloatArray) -> None:
    """Paint neck and garment into the master atlas, in place."""
    rows, columns = chart_slices(TORSO, MASTER)
    target = image[rows, columns]
    t, s = np.mgrid[0 : target.shape[0], 0 : target.shape[1]].astype(np.float32)
    s, t = (s + 0.5) / target.shape[1], (t + 0.5) / target.shape[0] * (TORSO_ROWS - 1)
    # The jaw's shadow on the neck; two faint tendons and the hollow between the collar bones.
    paint.tint(target, (0.50, 0.42, 0.40), 0.85 * smoothstep(-t, -2.4, -0.4))
    paint.tint(
        target, (0.86, 0.80, 0.78), 0.5 * np.exp(-(((np.abs(s - 0.5) - 0.055) / 0.018) ** 2)) * smoothstep(t, 1.2, 3)
    )
    line = _neckline(look.collar, s)
    into = t - line
    colour = np.empty_like(target)
    colour[:] = look.cloth
    second = np.clip(look.cloth * rng.uniform(0.45, 0.8) + rng.uniform(0, 0.25), 0.03, 0.97).astype(np.float32)
    if look.pattern == "stripes":
        paint.mix(colour, second, (np.sin(t * rng.uniform(14, 24)) > 0.2).astype(np.float32))
    elif look.pattern == "check":
        count = rng.uniform(50, 80)
        bars = (np.sin(s * count) > 0.55).astype(np.float32) + (np.sin(t * count / 6) > 0.55)
        paint.mix(colour, second, 0.45 * bars)
    elif look.pattern == "heather":
        colour *= (1 + 0.07 * rng.standard_normal(t.shape, dtype=np.float32))[..., None]
    folds = paint.noise(rng, 14, t.shape)
    colour *= (1 + 0.06 * folds)[..., None]
    if look.collar in ("shirt", "polo"):
        band = (into > 0) & (into < 1.25 - 0.6 * np.clip(1 - np.abs(s - 0.5) / 0.2, 0, 1))
        colour[band] = np.clip(colour[band] * 1.10, 0, 1)
        paint.tint(
            colour,
            (0.66, 0.66, 0.66),
            np.exp(-(((into - 1.25 + 0.6 * np.clip(1 - np.abs(s - 0.5) / 0.2, 0, 1)) / 0.10) ** 2)),
        )
        paint.tint(colour, (0.7, 0.7, 0.7), 0.7 * np.exp(-(((s - 0.5) / 0.006) ** 2)) * (t > 4.2))
    else:
        paint.tint(colour, (0.82, 0.82, 0.82), np.exp(-(((into - 0.22) / 0.06) ** 2)))
    paint.tint(target, (0.72, 0.65, 0.63), 0.6 * smoothstep(into, -0.5, 0.0))
    paint.mix(target, np.clip(colour, 0.02, 0.98), smoothstep(into, -0.02, 0.05))


def paint_ears(look: Appearance, image: FloatArray) -> None:
    """Paint the ear that both sides share into the master atlas, in place."""
    rows, columns = chart_slices(EAR, MASTER)
    target = image[rows, columns]
    y, x = np.mgrid[0 : target.shape[0], 0 : target.shape[1]].astype(np.float32)
    x, y = x / target.shape[1] * 2 - 1, y / target.shape[0] * 2 - 1  # x forward, y down
    radius = np.hypot(x, y)
    paint.tint(target, (1.0, 0.84, 0.82), np.full(radius.shape, 0.5 * (1 - 0.5 * look.tone), np.float32))
    concha = np.exp(-(((x - 0.15) / 0.30) ** 2 + ((y - 0.12) / 0.36) ** 2))
    groove = np.exp(-(((radius - 0.74) / 0.09) ** 2)) * smoothstep(0.35 - y, 0, 0.5) * smoothstep(0.6 - x, 0, 0.4)
    rim = np.exp(-(((radius - 0.90) / 0.07) ** 2))
    paint.tint(target, (0.40, 0.29, 0.27), 0.85 * concha)
    paint.tint(target, (0.60, 0.48, 0.46), 0.7 * groove)
    paint.tint(target, (1.08, 1.04, 1.03), 0.6 * rim)
