"""The sheets: maps label by label, heads, maps of pictures, and the surest, least sure and wrong faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from fau.explain.choose import Scored
from fau.explain.draw import TILE, Line, Picture, overlay, resized, sheet, top_of
from fau.explain.faces import Faces, Pool, input_points, inputs
from fau.explain.maps import METHODS, make_maps
from fau.explain.region import Regions, placed, regions
from fau.labels import AU_NAMES, au_label
from fau.modules.base import FaceModule

WRONG: Final = 2  # wrong faces beside the surest, in a line of maps
_HEAD_FACES: Final = 6
_FACES: Final = {
    "surest": "Faces that show the label and were given the highest scores. One a subject first.",
    "unsure": "Faces whose score is nearest to being decided otherwise.",
    "wrong": "Faces that were scored wrongly, the most certain errors first.",
}
_TITLES: Final = {"surest": "Surest", "unsure": "Least sure", "wrong": "Wrong"}
_NAMES: Final = {au_label(au): name for au, name in AU_NAMES.items()}


@dataclass(frozen=True)
class Drawing:
    """A picture with what is said of it.

    Attributes:
        name: Of its file, without ending.
        kind: ``maps``, ``heads``, ``epochs``, ``surest``, ``unsure`` or ``wrong``.
        title: Its heading.
        caption: A sentence or two.
        picture: The picture.
    """

    name: str
    kind: str
    title: str
    caption: str
    picture: Picture


def row_text(label: str) -> str:
    """Return a label with its name in words below it, for the left of a line."""
    words = _NAMES.get(label, "")
    return f"{label}\n{words}" if len(words) <= 15 else f"{label}\n" + "\n".join(words.rsplit(" ", 1))


def map_sheet(
    module: FaceModule, pool: Pool, scored: Scored, positions: Sequence[int], wanted: Sequence[int], method: str,
    number: int
) -> Drawing | None:  # fmt: skip
    """Draw one line a label: the surest faces, then wrong ones, each beside itself under the map.

    Args:
        module: The trained module.
        pool: The faces that were scored.
        scored: Their scores of a task.
        positions: The task's labels' positions in the network's output.
        wanted: Which of the task's labels to show.
        method: A key of ``METHODS``, other than ``heads``.
        number: Surest faces a label.

    Returns:
        The sheet; None where no face can be shown.
    """
    picked = {label: (scored.pick("surest", label, number), scored.pick("wrong", label, WRONG)) for label in wanted}
    chosen = sorted({row for pair in picked.values() for part in pair for row in part})
    if not chosen:
        return None
    place = {row: i for i, row in enumerate(chosen)}
    some = pool.take(chosen)
    shown = [positions[label] for label in wanted]
    maps = make_maps(module, some, method, shown)
    pictures = [resized(face, TILE) for face in inputs(module, some)]
    density = maps.density(TILE)
    region = _regions_at(module, some, [scored.labels[label] for label in wanted])
    top = top_of([density[:, 0]] if density.shape[1] == 1 else [density[:, i] for i in shown])
    lines = []
    for label in wanted:
        own = density[:, positions[label] if density.shape[1] > 1 else 0]
        mask = region.of(scored.labels[label])
        cells: list[Picture | None] = []
        captions = []
        for part, room in zip(picked[label], (number, WRONG), strict=True):
            for row in part:
                i = place[row]
                over = overlay(pictures[i], own[i], top, None if mask is None else mask[i])
                cells.append(np.hstack([pictures[i], over]))
                captions.append(_verdict(scored, row, label))
            cells += [None] * (room - len(part))
            captions += [""] * (room - len(part))
        if any(cell is not None for cell in cells):
            lines.append(Line(row_text(scored.labels[label]), cells, captions))
    caption = "A line a label: the surest faces that show it, then wrong ones; each face beside itself under the map."
    if placed(scored.labels):
        caption += " White: the action unit's region."
    if density.shape[1] == 1:
        caption += " The network has one map for all labels."
    if maps.layer:
        caption += f" Grad-CAM by Captum, layer {maps.layer}."
    picture = sheet(lines, [(0, "surest"), (number, "wrong")], top)
    return Drawing(method, "maps", METHODS[method], caption, picture)


def head_sheet(module: FaceModule, pool: Pool, scored: Scored, wanted: Sequence[int]) -> Drawing | None:
    """Draw a face a line: the attention of each head of the last block.

    Args:
        module: Whose network is a transformer.
        pool: The faces.
        scored: Their scores and labels.
        wanted: Columns of the labels, each of which gives its surest face.
    """
    rows = list(dict.fromkeys(row for label in wanted for row in scored.pick("surest", label, 1)))[:_HEAD_FACES]
    if not rows:
        return None
    return heads_of(module, pool.take(rows))


def heads_of(module: FaceModule, faces: Faces) -> Drawing:
    """Draw the attention of each head of the last block for some faces, a line each."""
    maps = make_maps(module, faces, "heads", [])
    density = maps.density(TILE)
    top = top_of([density])
    pictures = [resized(face, TILE) for face in inputs(module, faces)]
    lines = [
        Line("", [pictures[i], *(overlay(pictures[i], one, top) for one in density[i])]) for i in range(len(faces))
    ]
    headings = [(0, "face"), *((i + 1, f"head {i + 1}") for i in range(density.shape[1]))]
    caption = "Where each head of the last block looks from the patches that the network pools; a line a face."
    return Drawing("heads", "heads", METHODS["heads"], caption, sheet(lines, headings, top))


def picture_sheet(
    module: FaceModule,
    faces: Faces,
    scores: NDArray[np.float32],
    labels: Sequence[str],
    wanted: Sequence[int],
    method: str,
) -> Drawing:
    """Draw faces of which nothing else is known: a column a face, a line a label or one for all of them.

    Args:
        module: Whose network looks.
        faces: A sheet's.
        scores: (faces, labels), NaN where nothing is scored.
        labels: Names of all labels.
        wanted: Columns of those that are drawn.
        method: A key of ``METHODS``.
    """
    maps = make_maps(module, faces, method, wanted)
    pictures = [resized(face, 2 * TILE) for face in inputs(module, faces)]
    density = maps.density(2 * TILE)
    region = _regions_at(module, faces, [labels[i] for i in wanted], 2 * TILE)
    single = density.shape[1] == 1
    top = top_of([density[:, 0]] if single else [density[:, i] for i in wanted])
    lines = [Line("", list(pictures), [name[-34:] for name in faces.names])]
    for label in [None] if single else wanted:
        own = density[:, 0 if label is None else label]
        mask = None if label is None else region.of(labels[label])
        cells: list[Picture | None] = [
            overlay(picture, own[i], top, None if mask is None else mask[i]) for i, picture in enumerate(pictures)
        ]
        captions = []
        if label is not None and not np.isnan(scores[:, label]).any():
            captions = [f"score {score:.2f}" for score in scores[:, label]]
        lines.append(Line("all labels" if label is None else row_text(labels[label]), cells, captions))
    caption = "The faces as the network sees them, and the map over each."
    if maps.layer:
        caption += f" Grad-CAM by Captum, layer {maps.layer}."
    return Drawing(method, "maps", METHODS[method], caption, sheet(lines, (), top))


def face_sheets(module: FaceModule, pool: Pool, scored: Scored, wanted: Sequence[int], number: int) -> list[Drawing]:
    """Draw the surest, the least sure and the wrong faces, a line a label.

    Args:
        module: Whose network scored them.
        pool: The faces.
        scored: Their scores and labels.
        wanted: Columns of the labels that are drawn.
        number: Faces a line.
    """
    made = []
    for kind, caption in _FACES.items():
        lines = []
        for label in wanted:
            rows = scored.pick(kind, label, number)
            if rows:
                cells: list[Picture | None] = [resized(face, TILE) for face in inputs(module, pool.take(rows))]
                captions = [_verdict(scored, row, label) for row in rows]
                lines.append(Line(row_text(scored.labels[label]), cells, captions))
        if lines:
            made.append(Drawing(kind, kind, _TITLES[kind], caption, sheet(lines)))
    return made


def _verdict(scored: Scored, row: int, label: int) -> str:
    """Return a face's score of a label, and what is wrong with it."""
    text = f"{scored.score[row, label]:.2f}"
    if not scored.coded[row, label]:
        return text
    if scored.threshold is None:
        said = int(scored.score[row].argmax())
        return text if scored.present[row, said] else f"{text}, {scored.labels[said]} {scored.score[row, said]:.2f}"
    present, said_present = bool(scored.present[row, label]), bool(scored.said[row, label])
    if present == said_present:
        return f"{text} {'present' if present else 'absent'}"
    return f"{text} {'missed' if present else 'false'}"


def _regions_at(module: FaceModule, faces: Faces, labels: Sequence[str], size: int = TILE) -> Regions:
    """Return the labels' regions in a picture of the input that is brought to another size."""
    points = input_points(module, faces)
    scale = size / module.transform.input_size
    return regions(labels, torch.as_tensor((points + 0.5) * scale - 0.5), size)
