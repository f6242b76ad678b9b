"""Things in front of the face: which there are, and how one is drawn by lot. ``occluder_*`` paint them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from fau.synthetic.mesh import FloatArray

OccluderKind = Literal["glasses", "hand", "mask"]
KINDS: Final[tuple[OccluderKind, ...]] = ("glasses", "hand", "mask")


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
        return Occluder(
            "glasses", colour.astype(np.float32), float(rng.uniform(0.88, 1.15)), float(rng.random()), tint=tint
        )
    if chosen == "mask":
        base = np.array([(0.62, 0.76, 0.86), (0.90, 0.91, 0.92), (0.12, 0.12, 0.14), (0.80, 0.84, 0.82)], np.float32)
        colour = base[rng.integers(4)] * rng.uniform(0.92, 1.05)
        return Occluder(
            "mask", np.clip(colour, 0, 1).astype(np.float32), float(rng.uniform(0.97, 1.06)), float(rng.random())
        )
    side = float(rng.choice((-1.0, 1.0)))
    places = (
        (side * rng.uniform(3.6, 5.2), rng.uniform(-4.5, -1.0), 90 - side * rng.uniform(-15, 20)),  # on a cheek
        (side * rng.uniform(0.5, 2.5), rng.uniform(-8.0, -6.2), 90 + side * rng.uniform(20, 70)),  # at the chin
        (side * rng.uniform(1.0, 2.6), rng.uniform(-5.4, -4.0), 90 + side * rng.uniform(40, 80)),  # over the mouth
    )
    x, y, angle = places[int(rng.choice(3, p=(0.4, 0.4, 0.2)))]
    return Occluder(
        "hand", np.ones(3, np.float32), float(rng.uniform(0.85, 1.1)), float(rng.random()), (x, y), float(angle)
    )
