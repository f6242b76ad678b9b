"""Some test faces with what the network said of them, and where it looked."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import torch

from fau.data.datamodule import FaceDataModule
from fau.explain.choose import Scored
from fau.explain.draw import TILE, Picture, overlay, resized, top_of
from fau.explain.faces import Faces, Pool, inputs
from fau.explain.maps import make_maps, methods
from fau.modules.base import FaceModule

_OWN = ("attention", "rollout")  # maps that one more forward pass gives


def captioned_faces(
    module: FaceModule, data: FaceDataModule, tasks: dict[str, Scored], number: int
) -> list[tuple[Picture, str]]:
    """Return pictures of test faces, the network's map beside where it has one of its own, and what was said of them.

    Half of the faces are the surest of a label, half are wrong about one, of labels spread over all. Captions name
    labels only, neither subjects nor files.

    Args:
        module: With the tested weights.
        data: Of the test fold.
        tasks: Its scores, as they were tested.
        number: Most pictures.
    """
    chosen = _choose(tasks, number)
    rows = module.evaluated["test"]["index"]
    faces = Pool(data.cropset, rows).take([row for row, _, _ in chosen])
    pictures = [resized(face, TILE) for face in inputs(module, faces)]
    columns = [list(module.labels).index(tasks[task].labels[label]) for _, task, label in chosen]  # type: ignore[arg-type]
    densities = _densities(module, faces, columns)
    if densities is not None:
        top = top_of([densities])
        pictures = [
            np.concatenate([picture, overlay(picture, density, top)], axis=1)
            for picture, density in zip(pictures, densities, strict=True)
        ]
    captions = [" | ".join(_said(scored, row) for scored in tasks.values()) for row, _, _ in chosen]
    return list(zip(pictures, captions, strict=True))


def _choose(tasks: dict[str, Scored], number: int) -> list[tuple[int, str, int]]:
    """Return positions in the test fold, each with the task and the label that it was chosen for."""
    labels = [(task, i) for task, scored in tasks.items() for i in range(len(scored.labels))]
    labels = [labels[i] for i in np.unique(np.linspace(0, len(labels) - 1, num=number // 2).round().astype(int))]
    kinds = []
    for kind in ("wrong", "surest"):
        ranked = [[(row, task, i) for row in tasks[task].pick(kind, i, number)] for task, i in labels]
        kinds.append([face for turn in zip_longest(*ranked) for face in turn if face is not None])
    chosen: dict[int, tuple[int, str, int]] = {}
    for pair in zip_longest(*kinds):
        for face in pair:
            if face is not None and len(chosen) < number:
                chosen.setdefault(face[0], face)
    return list(chosen.values())


def _densities(module: FaceModule, faces: Faces, columns: list[int]) -> np.ndarray | None:
    """Return the map of each face at ``TILE`` px, for the label that it is shown for; None without a map of its own."""
    # A compiled network would be compiled again for a batch of this size.
    with torch.compiler.set_stance("force_eager"):
        found = [method for method in methods(module, faces.take([0])) if method in _OWN]
        if not found:
            return None
        maps = make_maps(module, faces, found[0], columns)
    density = maps.density(TILE)
    return np.stack([density[i, column if density.shape[1] > 1 else 0] for i, column in enumerate(columns)])


def _said(scored: Scored, row: int) -> str:
    """Say what was found, missed and called without being there; of classes, which one it is and was called."""
    present, said, coded = scored.present[row], scored.said[row], scored.coded[row]
    if scored.threshold is None:
        called = f"{scored.labels[int(said.argmax())]} {float(scored.score[row].max()):.2f}"
        if not coded.any():
            return f"called {called}"
        right = bool((present & said).any())
        return f"{called}, right" if right else f"{scored.labels[int(present.argmax())]}, called {called}"
    parts = {"found": present & said & coded, "missed": present & ~said & coded, "false": ~present & said & coded}
    texts = [
        f"{what} {', '.join(scored.labels[i] for i in np.flatnonzero(which))}"
        for what, which in parts.items()
        if which.any()
    ]
    return "; ".join(texts) if texts else "nothing there, nothing found"
