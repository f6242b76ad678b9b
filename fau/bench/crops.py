"""A crop set of noise, with every label and drawn faces' landmarks: something to compute on where no corpus is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fau.crops.store import CropSetInfo, CropSetWriter
from fau.labels import AU_NAMES, EXPRESSIONS, au_column, expression_set, intensity_column, is_expression_set
from fau.synthetic.corpus import draw_sequence
from fau.synthetic.recipe import Recipe
from fau.synthetic.sequences import make_person, make_sequence

GROUPS = 6
_DRAWN = 64  # px at which faces are drawn for their landmarks; these are scaled to the crops then
_SEED = 0


def write_noise(folder: Path, label_set: str, size: int) -> Path:
    """Write a crop set of random pixels: the time that a network takes does not depend on what is in the pictures.

    Each group shows each class of the label set, and each action unit present and absent.

    Args:
        folder: Where; it must not exist.
        label_set: What will be trained on it.
        size: Height and width of the crops in pixels.

    Returns:
        ``folder``.
    """
    rng = np.random.default_rng(_SEED)
    aus = tuple(AU_NAMES)
    expressions = next((part for part in label_set.split("+") if is_expression_set(part.strip())), None)
    classes = list(EXPRESSIONS) if expressions is None else list(expression_set(expressions.strip()))
    faces = Recipe("noise", subjects=1, tasks=1, frames=8, size=_DRAWN)
    points = draw_sequence(faces, make_sequence(faces, make_person(faces, 0), 0, 0)).landmarks
    points = ((points + 0.5) * size / _DRAWN - 0.5).astype(np.float32)  # a pixel's centre is at a whole number
    info = CropSetInfo(corpus="noise", name="noise", recipe={"seed": _SEED}, size=size, aus=aus)
    with CropSetWriter(folder, info) as writer:
        for group in range(GROUPS):
            rows = []
            for frame in range(2 * len(classes)):
                name = f"S{group}"
                row = {"id": f"{name}/{frame}", "group": name, "subject": name, "sequence": name, "frame": frame}
                level = {au: float(5 * ((frame + au + group) % 2)) for au in aus}
                row |= {au_column(au): int(level[au] > 0) for au in aus}
                row |= {intensity_column(au): level[au] for au in aus}
                row["expression"] = classes[frame % len(classes)]
                row["valence"], row["arousal"] = rng.uniform(-1, 1, 2).tolist()
                rows.append(row)
            crops = rng.integers(0, 256, (len(rows), size, size, 3), np.uint8)
            writer.append(crops, points[np.arange(len(rows)) % len(points)], rows)
    return folder
