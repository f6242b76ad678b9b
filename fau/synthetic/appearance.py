"""What a subject looks like apart from shape: skin, hair, eyes, clothes.

Colours are display values in 0..1 (gamma as in the picture).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fau.synthetic.mesh import FloatArray

# From light to dark; ours, set by eye.
SKINS: Final = (
    np.array(
        [
            (246, 218, 202), (240, 205, 184), (230, 190, 164), (216, 170, 140), (196, 147, 114),
            (168, 121, 91), (137, 95, 70), (106, 71, 52), (80, 53, 40),
        ],
        np.float32,
    )
    / 255
)  # fmt: skip
HAIRS: Final = (
    np.array(
        [
            *((40, 34, 32), (58, 44, 36), (84, 60, 44), (116, 84, 58), (152, 116, 78), (190, 156, 110), (132, 74, 46)),
            (166, 162, 158),
        ],
        np.float32,
    )
    / 255
)
IRISES: Final = (
    np.array([(62, 40, 24), (88, 58, 32), (112, 84, 48), (96, 108, 74), (88, 120, 146), (112, 132, 142)], np.float32)
    / 255
)


@dataclass(frozen=True)
class Appearance:
    """One subject's look.

    Attributes:
        feminine: Which means shape, hair and brows were drawn from.
        age: 0 is twenty, 1 is seventy: wrinkles at rest, grey hair, skin.
        tone: Place on the skin scale, 0 (light) to 1 (dark).
        skin: (3,) base colour.
        hair: (3,) colour of the hair.
        brow: (3,) colour of the brows.
        iris: (3,) colour.
        lip: (3,) colour.
        lip_cover: How much the lips differ from the skin.
        brow_density: Factor.
        brow_height: Factor of the brows' thickness.
        flush: Redness of cheeks and nose.
        socket: Darkness about the eyes.
        crease: Strength of the lid crease.
        roughness: Strength of skin texture.
        freckles: Number.
        moles: Number.
        beard: 0 is shaven, 1 a full beard.
        moustache: 0..1.
        lashes: Strength.
        wrinkle_gain: How strongly folds show when units act.
        hair_style: One of ``hair.STYLES``.
        collar: ``crew``, ``vee``, ``shirt``, ``polo`` or ``high``.
        cloth: (3,) colour of the garment.
        pattern: ``plain``, ``stripes``, ``check`` or ``heather``.
    """

    feminine: bool
    age: float
    tone: float
    skin: FloatArray
    hair: FloatArray
    brow: FloatArray
    iris: FloatArray
    lip: FloatArray
    lip_cover: float
    brow_density: float
    brow_height: float
    flush: float
    socket: float
    crease: float
    roughness: float
    freckles: int
    moles: int
    beard: float
    moustache: float
    lashes: float
    wrinkle_gain: float
    hair_style: str
    collar: str
    cloth: FloatArray
    pattern: str


def _between(scale: NDArray[np.floating], at: float) -> FloatArray:
    position = at * (len(scale) - 1.001)
    low = int(position)
    return np.asarray(scale[low] + (scale[low + 1] - scale[low]) * (position - low), np.float32)


def _hair_colour(rng: np.random.Generator, tone: float, age: float) -> FloatArray:
    if tone > 0.6:
        natural = HAIRS[rng.choice(3, p=(0.6, 0.3, 0.1))]
    elif tone > 0.4:
        natural = HAIRS[rng.choice(4, p=(0.4, 0.3, 0.2, 0.1))]
    else:
        natural = HAIRS[rng.choice(7, p=(0.12, 0.17, 0.22, 0.19, 0.14, 0.1, 0.06))]
    grey = np.clip(rng.normal(1.6 * age - 0.75, 0.25), 0, 0.9)
    mixed = natural + (HAIRS[7] * rng.uniform(0.85, 1.2) - natural) * grey
    return np.asarray(np.clip(mixed * rng.uniform(0.85, 1.15), 0.03, 0.95), np.float32)


def _style(rng: np.random.Generator, feminine: bool, age: float) -> str:
    if feminine:
        styles = ("long", "long_fringe", "wavy", "bob", "tied", "short", "curly")
        return str(rng.choice(styles, p=(0.25, 0.12, 0.18, 0.15, 0.14, 0.08, 0.08)))
    bald = 0.06 + 0.2 * age
    for_men = ("short", "crop", "side", "back", "curly", "medium", "receding", "bald")
    weights = np.array([0.24, 0.20, 0.18, 0.09, 0.10, 0.07, 0.05 + 0.1 * age, bald])
    return str(rng.choice(for_men, p=weights / weights.sum()))


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a subject's look."""
    feminine = bool(rng.random() < 0.55)  # BP4D has 23 women in 41
    age = float(rng.beta(1.3, 2.6))
    tone = float(rng.beta(1.05, 1.25))
    skin = _between(SKINS, tone) * (1 + rng.normal(0, 0.018, 3).astype(np.float32))
    hair = _hair_colour(rng, tone, age)
    iris = IRISES[rng.integers(0, 2) if tone > 0.45 else rng.integers(0, len(IRISES))] * rng.uniform(0.8, 1.2)
    lip = skin * np.array([0.95, 0.66, 0.66], np.float32) * rng.uniform(0.88, 1.04)
    made_up = feminine and rng.random() < 0.3
    if made_up:
        colours = np.array([(0.72, 0.20, 0.22), (0.70, 0.34, 0.36), (0.56, 0.20, 0.26)], np.float32)
        lip = 0.45 * lip + 0.55 * colours[rng.integers(3)] * (0.55 + 0.5 * float(skin.mean()))
    bearded = not feminine and rng.random() < 0.5
    cloth = rng.uniform(0.08, 0.9) * (1 + rng.normal(0, 0.22, 3))
    return Appearance(
        feminine=feminine,
        age=age,
        tone=tone,
        skin=np.clip(skin, 0.05, 0.98),
        hair=hair,
        brow=np.minimum(hair * 0.9, skin * 0.5).astype(np.float32),
        iris=np.asarray(iris, np.float32),
        lip=np.asarray(lip, np.float32),
        lip_cover=float(rng.uniform(0.85, 1.0) if made_up else rng.uniform(0.6, 0.9)),
        brow_density=float(rng.uniform(0.75, 1.2)),
        brow_height=float(rng.uniform(0.65, 1.0) if feminine else rng.uniform(0.9, 1.35)),
        flush=float(rng.uniform(0.2, 1.0)),
        socket=float(rng.uniform(0.3, 0.9)),
        crease=float(rng.uniform(0.3, 1.0)),
        roughness=float(rng.uniform(0.6, 1.4)),
        freckles=int(rng.integers(30, 120)) if tone < 0.35 and rng.random() < 0.25 else 0,
        moles=int(rng.integers(0, 4)),
        beard=float(rng.beta(1.1, 1.6)) if bearded else float(rng.uniform(0, 0.16)) * (not feminine),
        moustache=float(rng.random() < 0.7) if bearded else 0.0,
        lashes=float(rng.uniform(0.6, 1.0) if feminine else rng.uniform(0.4, 0.75)),
        wrinkle_gain=float(rng.uniform(0.55, 0.9) + 0.35 * age),
        hair_style=_style(rng, feminine, age),
        collar=str(rng.choice(("crew", "vee", "shirt", "polo", "high"), p=(0.38, 0.2, 0.2, 0.12, 0.1))),
        cloth=np.asarray(np.clip(cloth, 0.04, 0.95), np.float32),
        pattern=str(rng.choice(("plain", "stripes", "check", "heather"), p=(0.6, 0.14, 0.1, 0.16))),
    )
