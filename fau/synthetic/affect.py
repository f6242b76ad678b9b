"""Valence and arousal of a drawn face, derived from its expression and action units."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fau.labels import MAX_INTENSITY
from fau.synthetic.copula import AUS

# Valence and arousal in [-1, 1] of each class at full strength: places on Russell's circumplex (1980), our reading.
VALENCE_AROUSAL: Final[dict[str, tuple[float, float]]] = {
    "neutral": (0.0, 0.0),
    "anger": (-0.65, 0.70),
    "disgust": (-0.70, 0.35),
    "fear": (-0.65, 0.80),
    "happiness": (0.85, 0.50),
    "sadness": (-0.75, -0.35),
    "surprise": (0.10, 0.85),
    "contempt": (-0.50, 0.15),
}

# What an action unit of intensity 5 suggests by itself: signs after the expressions that hold it, sizes ours.
_VALENCE: Final[dict[int, float]] = {4: -0.35, 6: 0.2, 9: -0.3, 10: -0.1, 12: 0.7, 15: -0.4, 17: -0.1, 20: -0.3}
_AROUSAL: Final[dict[int, float]] = {1: 0.15, 2: 0.2, 4: 0.1, 5: 0.5, 12: 0.3, 20: 0.3, 25: 0.2, 26: 0.3, 43: -0.4}
_WEIGHTS: Final = np.array([[weights.get(au, 0.0) for au in AUS] for weights in (_VALENCE, _AROUSAL)]) / MAX_INTENSITY


def valence_arousal(
    expression: str, strength: NDArray[np.float64], intensity: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Derive valence and arousal of frames.

    The class's place on the circumplex counts as far as the class shows, what the action units suggest makes the rest.

    Args:
        expression: The sequence's target, one of ``expressions.CLASSES``.
        strength: Shape (F,): intensity 0..5 that the expression's strongest action unit has reached.
        intensity: Shape (F, 18), 0..5, in the order of ``synthetic18``.

    Returns:
        Valence and arousal, shape (F,) each, -1..1.
    """
    full = np.minimum(strength / 4.0, 1.0)[:, None]  # 4 is severe: nothing stronger is needed to call it full
    suggested = np.tanh(intensity @ _WEIGHTS.T)
    mixed = np.clip(full * np.array(VALENCE_AROUSAL[expression]) + (1.0 - full) * suggested, -1.0, 1.0)
    return mixed[:, 0], mixed[:, 1]
