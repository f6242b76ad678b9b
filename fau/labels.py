"""Action unit and expression vocabularies and their orders: the one place that names them."""

from __future__ import annotations

from fau.errors import FauError

# Names after FACS (Ekman, Friesen and Hager, 2002). 43 is "eyes closed"; a blink is its short form (45).
AU_NAMES: dict[int, str] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}

# The order within a set is the order of a network's outputs and of every table.
LABEL_SETS: dict[str, tuple[int, ...]] = {
    "bp4d12": (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
    "disfa8": (1, 2, 4, 6, 9, 12, 25, 26),
    "affwild12": (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26),
    "synthetic18": tuple(AU_NAMES),
}

EXPRESSIONS: tuple[str, ...] = (
    "neutral",
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "contempt",
)

MAX_INTENSITY = 5  # FACS intensities A..E are coded 1..5, absent is 0


def label_set(name: str) -> tuple[int, ...]:
    """Return the action units of a named label set, in output order.

    Args:
        name: A key of ``LABEL_SETS``.

    Raises:
        FauError: If no label set has that name.
    """
    try:
        return LABEL_SETS[name]
    except KeyError:
        raise FauError(f"label set '{name}' is unknown; choose one of {', '.join(LABEL_SETS)}") from None


def au_label(au: int) -> str:
    """Return the printed name of an action unit, such as ``AU1``."""
    return f"AU{au}"


def au_column(au: int) -> str:
    """Return the manifest column of an action unit's occurrence, such as ``au01``."""
    return f"au{au:02d}"


def intensity_column(au: int) -> str:
    """Return the manifest column of an action unit's intensity, such as ``au01_int``."""
    return f"{au_column(au)}_int"
