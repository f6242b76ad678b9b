"""Contact sheets of a crop set: what is in it, and whether faces and landmarks sit where they should."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.crops.mean_face import mean_face
from fau.crops.overlay import draw_landmarks
from fau.crops.store import CropSet
from fau.labels import AU_NAMES, EXPRESSIONS, au_column, au_label

Picture = NDArray[np.uint8]

SMALLEST, LARGEST = 96, 160  # pixels of a face, where nothing else is asked for
_PAPER = 128  # grey of empty places
_ROWS = 6
_ABREAST = 3  # faces with an action unit beside as many without
_GAP = 8  # pixels between them
_SAMPLE = (6, 10)  # rows and columns of the mixed sheet
_LANDMARKED = (2, 6)
_DRAWN_FROM = 20_000  # crops, so that a large corpus is not sorted through for a few faces
_MEAN_OF = 20_000  # crops; more change no pixel of the mean that an eye would see


def sheets(cropset: CropSet, seed: int = 0, size: int | None = None) -> dict[str, Picture]:
    """Draw the contact sheets of a crop set.

    Args:
        cropset: The crop set.
        seed: Which crops are taken.
        size: Pixels of a face; None takes the crops' own, brought into 96 to 160.

    Returns:
        Pictures by name: ``mean_face``, ``landmarks``, ``expressions``, ``action_units`` and ``sample``, those for
        which the crop set has something to show.
    """
    size = size or min(max(cropset.size, SMALLEST), LARGEST)
    pictures = {
        "mean_face": _resized(mean_face(cropset, _MEAN_OF), 2 * size),
        "landmarks": landmark_sheet(cropset, seed, size),
        "expressions": expression_sheet(cropset, seed, size),
        "action_units": unit_sheet(cropset, seed, size),
        "sample": sample_sheet(cropset, seed, size),
    }
    return {name: picture for name, picture in pictures.items() if picture is not None}


def sample_sheet(cropset: CropSet, seed: int, size: int) -> Picture:
    """Return crops of as many groups as possible, ten a row."""
    rows, columns = _SAMPLE
    chosen = _spread(_indexed(cropset), rows * columns, seed)
    return grid([_crop(cropset, row, size) for row in sorted(chosen)], columns)


def expression_sheet(cropset: CropSet, seed: int, size: int) -> Picture | None:
    """Return one column an expression: a row a subject where subjects show several, else a sample of each."""
    rows = _indexed(cropset).drop_nulls("expression")
    shown = [name for name in EXPRESSIONS if name in rows["expression"].unique()]
    if not shown:
        return None
    variety = rows.group_by("group", maintain_order=True).agg(pl.col("expression").n_unique().alias("kinds"))
    groups = variety.filter(pl.col("kinds") > 1).sort("kinds", descending=True, maintain_order=True)["group"][:_ROWS]
    cells: list[list[Picture]] = []
    if len(groups) > 1:
        for group in groups:
            own = rows.filter(pl.col("group") == group)
            cells.append([_middle(cropset, own.filter(pl.col("expression") == name), size) for name in shown])
    else:
        columns = [_spread(rows.filter(pl.col("expression") == name), _ROWS, seed) for name in shown]
        for i in range(max(map(len, columns))):
            cells.append([_crop(cropset, column[i], size) if i < len(column) else _blank(size) for column in columns])
    cells[0] = [caption(cell, name) for cell, name in zip(cells[0], shown, strict=True)]
    return grid([cell for line in cells for cell in line], len(shown))


def unit_sheet(cropset: CropSet, seed: int, size: int) -> Picture | None:
    """Return a row an action unit: crops that show it, then crops that do not, of different groups where possible."""
    rows = _indexed(cropset)
    lines = []
    for au in AU_NAMES:
        if au_column(au) not in rows.columns or not rows[au_column(au)].sum():
            continue
        halves = []
        for value, word in ((1, ""), (0, "no ")):
            chosen = sorted(_spread(rows.filter(pl.col(au_column(au)) == value), _ABREAST, seed + au))
            crops = [_crop(cropset, row, size) for row in chosen] + [_blank(size)] * (_ABREAST - len(chosen))
            crops[0] = caption(crops[0], word + au_label(au))
            halves.append(np.hstack(crops))
        gap = np.full((size, _GAP, 3), _PAPER, np.uint8)
        lines.append(np.hstack([halves[0], gap, halves[1]]))
    if not lines:
        return None
    if len(lines) > 1:  # two units side by side
        lines += [np.full_like(lines[0], _PAPER)] * (len(lines) % 2)
        gap = np.full((size, 3 * _GAP, 3), _PAPER, np.uint8)
        lines = [np.hstack([lines[i], gap, lines[i + 1]]) for i in range(0, len(lines), 2)]
    return np.vstack(lines)


def landmark_sheet(cropset: CropSet, seed: int, size: int) -> Picture | None:
    """Return crops with their landmarks, twice as large as in the other sheets; None where there are none."""
    rows, columns = _LANDMARKED
    chosen = np.array(_spread(_indexed(cropset), 10 * rows * columns, seed), np.int64)
    points = cropset.landmarks(chosen)
    found = np.flatnonzero(np.isfinite(points).all(-1).any(-1))[: rows * columns]
    if not len(found):
        return None
    found = found[np.argsort(chosen[found])]
    cells = []
    for row, shape in zip(chosen[found], points[found], strict=True):
        # Enlarged before drawing, so that dots stay small beside the features that they mark.
        scale = 2 * size / cropset.size
        moved = ((shape + 0.5) * scale - 0.5).astype(np.float32)
        cells.append(draw_landmarks(_crop(cropset, int(row), 2 * size), moved, radius=1.0 if len(shape) > 100 else 2.0))
    return grid(cells, columns)


def caption(crop: Picture, text: str) -> Picture:
    """Return the crop with a line of text on a dark plate in its upper left corner."""
    out = crop.copy()
    scale = 0.42 * crop.shape[0] / 112
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    margin = round(8 * scale)
    plate = out[: height + base + 2 * margin, : width + 2 * margin]
    plate //= 4
    at = (margin, height + margin + base // 2)
    cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def grid(crops: Sequence[Picture], columns: int) -> Picture:
    """Return pictures of one size row by row; the last row is filled with grey."""
    filled = [*crops, *[np.full_like(crops[0], _PAPER)] * (-len(crops) % columns)]
    rows = [np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)]
    return np.vstack(rows)


def _indexed(cropset: CropSet) -> pl.DataFrame:
    return cropset.manifest.with_row_index("_row")


def _spread(rows: pl.DataFrame, number: int, seed: int) -> list[int]:
    """Return manifest rows of as many groups as possible, drawn at random: one of each group, then the next."""
    drawn = rows.select("_row", "group").sample(min(len(rows), _DRAWN_FROM), shuffle=True, seed=seed)
    turn = drawn.with_columns(turn=pl.int_range(pl.len()).over("group")).sort("turn", maintain_order=True)
    return list(turn["_row"][:number])


def _middle(cropset: CropSet, rows: pl.DataFrame, size: int) -> Picture:
    return _crop(cropset, rows["_row"][len(rows) // 2], size) if len(rows) else _blank(size)


def _crop(cropset: CropSet, row: int, size: int) -> Picture:
    return _resized(cropset.crop(row), size)


def _blank(size: int) -> Picture:
    return np.full((size, size, 3), _PAPER, np.uint8)


def _resized(picture: Picture, size: int) -> Picture:
    if picture.shape[0] == size:
        return picture.copy()
    way = cv2.INTER_AREA if picture.shape[0] > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (size, size), interpolation=way), np.uint8)
