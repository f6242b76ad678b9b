"""Expression prototypes: which action units, at which intensity, make an expression at its apex.

After the EMFACS-style tables in common use (Ekman and Friesen; Du, Tao and Martinez, 2014). Sources disagree on
details, and people do too, so that each class has several recipes.
"""

from __future__ import annotations

from typing import Final

# Action unit -> intensity 0..5 at the apex. Contempt is one-sided in the literature; this corpus draws both sides.
PROTOTYPES: Final[dict[str, tuple[dict[int, float], ...]]] = {
    "neutral": ({},),
    "anger": (
        {4: 4.0, 5: 2.5, 7: 3.0, 23: 3.0},
        {4: 4.0, 5: 2.0, 7: 3.0, 17: 2.0, 24: 3.5},
        {4: 4.5, 7: 3.5, 23: 3.5},
        {4: 4.5, 5: 2.0, 7: 3.5, 10: 2.5, 25: 3.5},
    ),
    "disgust": (
        {9: 4.5, 10: 3.0, 17: 2.0},
        {4: 2.0, 7: 2.0, 9: 4.5, 10: 3.5},
        {4: 2.0, 10: 4.0, 17: 3.5},
        {9: 4.0, 10: 3.5, 25: 2.5},
    ),
    "fear": (
        {1: 4.0, 2: 2.5, 4: 3.0, 5: 4.0, 7: 2.0, 20: 3.5, 25: 2.5, 26: 1.5},
        {1: 4.5, 2: 2.5, 4: 2.5, 5: 4.5, 20: 3.5, 25: 3.0},
        {1: 4.0, 2: 3.0, 4: 2.5, 5: 4.5, 20: 3.0, 25: 3.0, 26: 2.5},
        {1: 4.0, 4: 3.0, 5: 3.5, 20: 4.0, 25: 2.5},
    ),
    "happiness": (
        {6: 3.0, 12: 4.0},
        {6: 3.5, 12: 4.5, 25: 2.5},
        {12: 3.5, 25: 2.5},
        {6: 4.0, 7: 2.5, 10: 2.0, 12: 4.5, 25: 3.0, 26: 2.5},
    ),
    "sadness": (
        {1: 4.0, 4: 3.0, 15: 3.5},
        {1: 4.0, 4: 2.5, 15: 3.5, 17: 3.0},
        {1: 4.5, 4: 3.0, 15: 2.0},
        {1: 3.0, 6: 2.0, 15: 4.0, 17: 2.0},
    ),
    "surprise": (
        {1: 4.0, 2: 4.0, 5: 3.0, 25: 3.0, 26: 4.0},
        {1: 4.5, 2: 4.5, 5: 3.5, 25: 2.0},
        {1: 4.0, 2: 4.0, 25: 3.0, 26: 3.5},
        {1: 4.5, 2: 4.5, 5: 4.0, 25: 3.5, 26: 4.5},
    ),
    "contempt": (
        {14: 4.0},
        {12: 1.5, 14: 4.0},
        {14: 4.0, 24: 2.0},
        {14: 3.5, 17: 2.0, 23: 2.0},
    ),
}

# Valence and arousal in [-1, 1] of each class at full strength: places on the circumplex of Russell (1980), our reading.
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
