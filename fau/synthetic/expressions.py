"""Prototypes of the eight expressions as sets of action units: several recipes a class.

The combinations are those of the EMFACS tradition (Ekman and Friesen's prototypes and major variants, as tabulated in
the FACS Investigator's Guide) over the action units that the corpus draws; the intensities are ours. No network had a
say in them. Contempt is unilateral in life; the units here are bilateral, so its sign is the dimpler, alone or with a
slight smile.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fau.labels import LABEL_SETS

# Class -> recipes; recipe = {action unit: intensity at the apex, 0..5}.
PROTOTYPES: Final[dict[str, tuple[dict[int, float], ...]]] = {
    "neutral": ({},),
    "anger": (
        {4: 5, 5: 2, 7: 4, 23: 4},
        {4: 5, 7: 4, 24: 4},
        {4: 5, 7: 3, 17: 2, 23: 3},
        {4: 5, 5: 3, 7: 3, 10: 3, 25: 3},
        {4: 5, 7: 3, 10: 3, 23: 3, 25: 3, 26: 1},
    ),
    "disgust": (
        {9: 5, 17: 2},
        {9: 5, 10: 3},
        {4: 2, 7: 3, 9: 5, 10: 3},
        {7: 2, 9: 4, 10: 3, 25: 3},
        {7: 2, 10: 5, 17: 3},
    ),
    "fear": (
        {1: 4, 2: 3, 4: 3, 5: 4, 20: 4, 25: 3},
        {1: 5, 2: 3, 4: 3, 5: 5, 20: 3, 25: 3, 26: 2},
        {1: 4, 2: 2, 4: 3, 5: 4, 25: 2},
        {1: 4, 4: 3, 5: 4, 20: 4, 25: 3},
    ),
    "happiness": (
        {6: 3, 12: 4},
        {6: 4, 12: 5, 25: 3},
        {6: 4, 7: 2, 12: 4, 25: 3},
        {6: 4, 12: 5, 25: 4, 26: 2},
    ),
    "sadness": (
        {1: 4, 4: 3, 15: 4},
        {1: 4, 4: 3, 15: 4, 17: 3},
        {1: 5, 4: 2, 7: 1, 15: 4, 17: 2},
        {1: 4, 15: 5},
    ),
    "surprise": (
        {1: 4, 2: 4, 5: 3, 26: 4, 25: 3},
        {1: 5, 2: 5, 5: 4, 25: 3, 26: 3},
        {1: 4, 2: 4, 26: 4, 25: 3},
        {1: 5, 2: 5, 5: 4},
    ),
    "contempt": (
        {14: 4},
        {12: 2, 14: 4},
        {10: 1, 14: 5},
        {14: 4, 17: 2, 24: 2},
    ),
}


CLASSES: Final = tuple(PROTOTYPES)  # the first eight of labels.EXPRESSIONS, in the order of tasks
# By their number in AffectNet's training part (Mollahosseini et al., 2017), from 134,415 down to 3,750.
COMMON_FIRST: Final = ("happiness", "neutral", "sadness", "anger", "surprise", "fear", "disgust", "contempt")


def intensities(recipe: dict[int, float]) -> NDArray[np.float32]:
    """Return a recipe as the 18 intensities (0..5) of the label set ``synthetic18``, in its order."""
    order = LABEL_SETS["synthetic18"]
    out = np.zeros(len(order), np.float32)
    for au, value in recipe.items():
        out[order.index(au)] = value
    return out


def sample_recipe(expression: str, rng: np.random.Generator) -> dict[int, float]:
    """Draw one of an expression's recipes, all equally likely.

    Args:
        expression: One of ``CLASSES``.
        rng: Source of the draw.

    Raises:
        KeyError: For another name.
    """
    recipes = PROTOTYPES[expression]
    return dict(recipes[int(rng.integers(len(recipes)))])
