"""Contact sheets: subjects by expressions, each action unit at 0..5, looks, occluders. For eyes, not for training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.crops.sheet import caption, grid
from fau.errors import FauError
from fau.labels import LABEL_SETS, MAX_INTENSITY, au_label
from fau.synthetic.expressions import CLASSES, PROTOTYPES, intensities
from fau.synthetic.identity import Identity, make_identity
from fau.synthetic.occluders import KINDS
from fau.synthetic.render import Rendered, render
from fau.synthetic.view import plain_view, sample_view

Picture = NDArray[np.uint8]
Draw = Callable[..., Rendered]

_UNITS = LABEL_SETS["synthetic18"]
_PEOPLE, _OCCLUDED = 30, 8  # of the first and of the last sheet


def contact_sheets(
    out: Path,
    seed: int = 0,
    size: int = 112,
    subjects: int = 6,
    track: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Draw contact sheets and write them as PNG files.

    Args:
        out: Folder, made when missing.
        seed: Seed of subjects and views.
        size: Pixels of one face.
        subjects: Rows of the sheet of expressions.
        track: Takes the number of faces that are drawn, and of all.

    Returns:
        The files: ``subjects.png``, ``expressions.png``, ``action_units.png``, ``occluders.png``.

    Raises:
        FauError: If a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    people = [make_identity(np.random.default_rng([seed, 1, i])) for i in range(max(subjects, _PEOPLE))]
    total = _PEOPLE + subjects * len(CLASSES) + len(_UNITS) * (MAX_INTENSITY + 1) + len(KINDS) * _OCCLUDED
    done = 0

    def draw(*args: Any) -> Rendered:
        nonlocal done
        track(done, total)
        done += 1
        return render(*args)

    sheets: dict[str, Callable[[], Picture]] = {
        "subjects": lambda: subject_sheet(people[:_PEOPLE], seed, size, draw),
        "expressions": lambda: expression_sheet(people[:subjects], size, draw),
        "action_units": lambda: unit_sheet(people[1], size, draw),
        "occluders": lambda: occluder_sheet(people[:_OCCLUDED], seed, size, draw),
    }
    written = []
    for name, sheet in sheets.items():
        path = out / f"{name}.png"
        if not cv2.imwrite(str(path), sheet()[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise FauError(
                f"the contact sheet {path} could not be written; check the folder and the space left on its disk"
            )
        written.append(path)
    track(done, total)
    return written


def subject_sheet(people: Sequence[Identity], seed: int, size: int, draw: Draw) -> Picture:
    """Return neutral and slightly smiling faces in random views, ten a row."""
    crops = []
    for i, person in enumerate(people):
        rng = np.random.default_rng([seed, 2, i])
        level = np.zeros(len(_UNITS), np.float32)
        if i % 3 == 1:
            level[_UNITS.index(12)], level[_UNITS.index(6)] = 3, 2
        crops.append(draw(person, level, sample_view(rng, yaw=25), size, rng).image)
    return grid(crops, 10)


def expression_sheet(people: Sequence[Identity], size: int, draw: Draw) -> Picture:
    """Return one row a subject, one column an expression; recipes differ between rows."""
    crops = []
    for row, person in enumerate(people):
        for expression in CLASSES:
            recipes = PROTOTYPES[expression]
            rng = np.random.default_rng(row)
            crop = draw(person, intensities(recipes[row % len(recipes)]), plain_view(-8), size, rng).image
            crops.append(caption(crop, expression) if row == 0 else crop)
    return grid(crops, len(CLASSES))


def unit_sheet(person: Identity, size: int, draw: Draw) -> Picture:
    """Return each action unit at intensity 0 to 5, two units side by side in a row."""
    crops = []
    for i, au in enumerate(_UNITS):
        for value in range(MAX_INTENSITY + 1):
            level = np.zeros(len(_UNITS), np.float32)
            level[i] = value
            crop = draw(person, level, plain_view(12), size, np.random.default_rng(0)).image
            crops.append(caption(crop, f"{au_label(au)} {value}"))
    return grid(crops, 2 * (MAX_INTENSITY + 1))


def occluder_sheet(people: Sequence[Identity], seed: int, size: int, draw: Draw) -> Picture:
    """Return one row an occluder, one column a subject."""
    crops = []
    for k, kind in enumerate(KINDS):
        for i, person in enumerate(people):
            rng = np.random.default_rng([seed, 3, k, i])
            crops.append(draw(person, np.zeros(18, np.float32), sample_view(rng, kind), size, rng).image)
    return grid(crops, len(people))
