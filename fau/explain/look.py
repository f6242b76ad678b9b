"""One look at a trained network: which methods, which faces, which sheets and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fau.errors import FauError
from fau.explain import cam, choose, sanity
from fau.explain.choose import Scored
from fau.explain.faces import Faces, Pool, check_landmarks, input_points
from fau.explain.maps import METHODS, make_maps, methods
from fau.explain.page import Look
from fau.explain.region import regions
from fau.explain.scores import scores
from fau.explain.sheets import face_sheets, head_sheet, heads_of, map_sheet, picture_sheet
from fau.modules.base import FaceModule

_MOST_PICTURES = 8  # columns of a sheet of pictures
_TASKS = {"au": "action units", "expression": "expressions"}


@dataclass(frozen=True)
class Wish:
    """What to look at.

    Attributes:
        labels: Labels to show by name; None for all.
        methods: Keys of ``METHODS``; None for those that the network has.
        faces: Surest faces a label in a sheet of maps; sheets of faces have thrice as many.
        sample: Faces on which the sanity figures are measured.
        seed: Which faces those are.
    """

    labels: list[str] | None = None
    methods: list[str] | None = None
    faces: int = 3
    sample: int = 200
    seed: int = 0


def look_at_scored(module: FaceModule, pool: Pool, tasks: dict[str, Scored], labels: Sequence[str], wish: Wish) -> Look:
    """Look at faces whose scores are known.

    Args:
        module: The trained module.
        pool: The faces.
        tasks: Their scores, by task.
        labels: The network's labels by name, in the order of its outputs.
        wish: What to look at.

    Raises:
        FauError: If a label or a method that was named is not there.
    """
    chosen, notes = _methods(module, pool.take([0]), wish)
    look = Look({"network": type(module.net).__name__}, notes=notes)
    known = [name for scored in tasks.values() for name in scored.labels]
    _check_labels(wish, known)
    for task, scored in tasks.items():
        before = len(look.drawings)
        positions = [list(labels).index(name) for name in scored.labels]
        wanted = [i for i, name in enumerate(scored.labels) if wish.labels is None or name in wish.labels]
        if not wanted:
            continue
        for method in chosen:
            drawing = (
                head_sheet(module, pool, scored, wanted)
                if method == "heads"
                else map_sheet(module, pool, scored, positions, wanted, method, wish.faces)
            )
            if drawing is not None:
                look.drawings.append(drawing)
            if method != "heads":
                look.tables += _figures(module, pool, scored, positions, wanted, method, wish)
        look.drawings += face_sheets(module, pool, scored, wanted, 3 * wish.faces)
        if len(tasks) > 1:  # a file each
            own = look.drawings[before:]
            look.drawings[before:] = [
                replace(one, name=f"{task}-{one.name}", title=f"{one.title}, {_TASKS.get(task, task)}") for one in own
            ]
    if not look.drawings:
        raise FauError("no face can be shown: nothing is scored as present; name other labels, or another crop set")
    if not look.tables and any(method != "heads" for method in chosen):
        look.notes.append("No share is told: no face that shows a label has landmarks.")
    return look


def look_at_pictures(module: FaceModule, faces: Faces, label_set: str, labels: Sequence[str], wish: Wish) -> Look:
    """Look at some faces of which nothing else is known.

    Args:
        module: Whose network looks.
        faces: As many as a sheet shows.
        label_set: Of the network.
        labels: Names of its labels.
        wish: What to draw, and how.

    Raises:
        FauError: If there are more than a sheet shows, one lacks landmarks that the network needs, or a label or a
            method is not there.
    """
    if len(faces) > _MOST_PICTURES:
        raise FauError(f"{len(faces)} images are more than a sheet shows; give {_MOST_PICTURES} or fewer")
    check_landmarks(module, faces)
    chosen, notes = _methods(module, faces, wish)
    _check_labels(wish, labels)
    look = Look({"network": type(module.net).__name__}, notes=notes)
    wanted = [i for i, name in enumerate(labels) if wish.labels is None or name in wish.labels]
    given = scores(module, faces, label_set)
    for method in chosen:
        if method == "heads":
            look.drawings.append(heads_of(module, faces))
        else:
            look.drawings.append(picture_sheet(module, faces, given, labels, wanted, method))
    return look


def _methods(module: FaceModule, faces: Faces, wish: Wish) -> tuple[list[str], list[str]]:
    """Return the methods to use, and what to say of one that is left out."""
    if wish.methods is not None:
        unknown = [name for name in wish.methods if name not in METHODS]
        if unknown:
            raise FauError(f"method '{unknown[0]}' is unknown; choose among {', '.join(METHODS)}")
        return wish.methods, []
    found = methods(module, faces)
    if "cam" in found and not cam.installed():
        rest = [name for name in found if name != "cam"]
        if not rest:
            raise FauError(cam.MISSING)
        return rest, [cam.MISSING]
    return found, []


def _check_labels(wish: Wish, known: Sequence[str]) -> None:
    for name in wish.labels or []:
        if name not in known:
            raise FauError(f"the run has no label {name}; it has {', '.join(known)}")


def _figures(
    module: FaceModule, pool: Pool, scored: Scored, positions: Sequence[int], wanted: Sequence[int], method: str,
    wish: Wish
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the table of the sanity figures of a task; none where no face shows a label or has landmarks."""
    shown = scored.present & scored.coded
    rows = choose.sample(shown[:, wanted], scored.groups, wish.sample, wish.seed)
    some = pool.take(rows)
    placed = np.flatnonzero(~np.isnan(some.landmarks("49")).any(axis=(1, 2)))
    if not len(placed):
        return []
    rows, some = rows[placed], some.take(placed)
    maps = make_maps(module, some, method, [positions[i] for i in wanted])
    if maps.values.shape[1] > 1:  # those of this task alone, in its order
        maps = type(maps)(maps.method, maps.values[:, positions], maps.layer)
    side = module.transform.input_size
    region = regions([scored.labels[i] for i in wanted], input_points(module, some), side)
    made = sanity.table(maps, region, scored.labels, wanted, shown[rows], scored.groups[rows], side)
    subjects = len(np.unique(scored.groups[rows]))
    return [sanity.describe(maps, made, len(rows), subjects)] if made else []
