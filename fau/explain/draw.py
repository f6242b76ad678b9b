"""Maps drawn over faces, and faces laid out on sheets with their labels and a bar of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError

Picture = NDArray[np.uint8]

TILE: Final = 112  # pixels of a face
_SHARE = 0.55  # of the colour in an overlay; the rest is the face in grey
_LIFT = 70  # grey of the face's blacks, so that features show through the dark end of the colours
_PAPER = (255, 255, 255)
_INK = (40, 44, 52)
_MUTED = (110, 116, 126)
_GAP = 8  # pixels between cells
_LEFT = 96  # pixels of the column of labels
_HEAD = 26
_LINE = 20
_QUALITY = 88
# Perceptually uniform (van der Walt and Smith, 2015): equal steps look equal, in grey print as well.
_COLOURS: Final = np.asarray(
    cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_INFERNO)[0, :, ::-1], np.uint8
)


def resized(picture: Picture, size: int) -> Picture:
    """Return a square picture at another size."""
    if picture.shape[0] == size:
        return picture.copy()
    way = cv2.INTER_AREA if picture.shape[0] > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (size, size), interpolation=way), np.uint8)


def overlay(face: Picture, density: NDArray[np.float32], top: float, mask: NDArray[np.bool_] | None = None) -> Picture:
    """Return a face in grey with a map over it, and the outline of a region.

    Args:
        face: uint8 (T, T, 3), RGB.
        density: The map (T, T); NaN for none, which leaves the face grey.
        top: The value that is drawn lightest; more is drawn alike.
        mask: The region (T, T).
    """
    grey = np.repeat(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.float32)
    grey = _LIFT + (1 - _LIFT / 255) * grey
    out = grey
    if not np.isnan(density).any():
        steps = np.clip(255 * density / top, 0, 255).round().astype(np.uint8)
        out = (1 - _SHARE) * grey + _SHARE * _COLOURS[steps]
    picture = np.ascontiguousarray(out.round().astype(np.uint8))
    if mask is not None and mask.any():
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


def top_of(densities: Sequence[NDArray[np.float32]]) -> float:
    """Return the value to draw lightest in a sheet: one that a two-hundredth of all pixels exceed, 2 at least."""
    values = np.concatenate([density.ravel() for density in densities]) if densities else np.zeros(1)
    values = values[~np.isnan(values)]
    return max(2.0, float(np.quantile(values, 0.995))) if len(values) else 2.0


@dataclass(frozen=True)
class Line:
    """A line of a sheet: cells of one height and width, None for an empty one, with a text on the left.

    Attributes:
        text: On the left; a second line, smaller, behind a line break.
        cells: The pictures.
        captions: Under each cell; empty for none in the whole line.
    """

    text: str
    cells: list[Picture | None]
    captions: list[str] = field(default_factory=list)


def sheet(lines: Sequence[Line], headings: Sequence[tuple[int, str]] = (), top: float | None = None) -> Picture:
    """Lay lines out on white.

    Args:
        lines: With cells of one size throughout.
        headings: Texts above the columns: the column where each begins, and the text.
        top: Of the bar of colours below; None for no bar.

    Raises:
        FauError: If there is no cell.
    """
    shapes = [cell.shape for line in lines for cell in line.cells if cell is not None]
    if not shapes:
        raise FauError("there is no face to show; name other labels, or another crop set")
    height, width = shapes[0][:2]
    columns = max(len(line.cells) for line in lines)
    left = _LEFT if any(line.text for line in lines) else _GAP
    total = left + columns * (width + _GAP)
    parts: list[Picture] = []
    if headings:
        head = _paper(_HEAD, total)
        for column, text in headings:
            _write(head, text, left + column * (width + _GAP), 17, 0.42, _MUTED)
        parts.append(head)
    for line in lines:
        row = _paper(height + (_LINE if line.captions else 0) + _GAP, total)
        for i, text in enumerate(line.text.split("\n")):
            _write(row, text, 6, height // 2 + 16 * i, 0.5 if i == 0 else 0.36, _INK if i == 0 else _MUTED)
        for i, cell in enumerate(line.cells):
            x = left + i * (width + _GAP)
            if cell is not None:
                row[:height, x : x + width] = cell
        for i, text in enumerate(line.captions):
            _write(row, text, left + i * (width + _GAP) + 1, height + 13, 0.36, _MUTED)
        parts.append(row)
    if top is not None:
        parts.append(_bar(total, left, top))
    return np.vstack(parts)


def _paper(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _write(picture: Picture, text: str, x: int, y: int, scale: float, colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _bar(width: int, left: int, top: float) -> Picture:
    """Return the bar of colours with its scale: 1 is what an even map has everywhere."""
    out = _paper(44, width)
    length = min(320, width - left - 140)
    steps = np.linspace(0, 255, length).astype(np.uint8)
    out[6:18, left : left + length] = _COLOURS[steps]
    for value in (0.0, 1.0, top):
        x = left + round((length - 1) * value / top)
        cv2.line(out, (x, 18), (x, 22), _INK, 1)
        text = f"{value:.3g}"
        _write(out, text, x - 4 * len(text), 35, 0.38, _INK)
    _write(out, "times an even map", left + length + 14, 17, 0.4, _MUTED)
    return out


def jpeg(picture: Picture) -> bytes:
    """Return a picture as JPEG.

    Raises:
        FauError: If it cannot be encoded.
    """
    done, encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise FauError(f"a picture of shape {picture.shape} could not be encoded")
    return encoded.tobytes()
