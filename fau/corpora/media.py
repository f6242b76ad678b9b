"""Pictures of a tree: images by content, frames of videos decoded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.tree import Tree


@dataclass(frozen=True)
class Picture:
    """A picture, or why there is none.

    Attributes:
        image: uint8 (H, W, 3), RGB; None where it cannot be read.
        fault: Why not, a few words; empty where it can.
    """

    image: NDArray[np.uint8] | None
    fault: str = ""


def read_image(content: bytes) -> Picture:
    """Decode an image by its content, whatever its name; grey becomes RGB, an alpha channel is dropped."""
    data = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
    if image is None:
        return Picture(None, "no image, or a truncated one")
    return Picture(np.ascontiguousarray(image[..., ::-1]))


def read_pictures(tree: Tree, rows: pl.DataFrame) -> Iterator[Picture]:
    """Yield the picture of each row, in order.

    Args:
        tree: Where the files are.
        rows: With ``path`` and ``position``, as in ``fau.corpora.base.row_schema``; frames of a video in ascending
            order.
    """
    for path in rows["path"]:
        yield read_image(tree.read(path))
