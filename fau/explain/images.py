"""Images from files, brought to crops as the crop set's own were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.corpora.media import read_image
from fau.crops.align import ALIGNMENTS, Alignment, move, warp
from fau.crops.choose import choose
from fau.crops.detect import Landmarker
from fau.errors import FauError
from fau.explain.faces import Faces

DEFAULT_ALIGNMENT = "canonical"  # where the recipe names none: drawn faces were never aligned


def read_faces(files: Sequence[Path], recipe: Mapping[str, Any], size: int) -> tuple[Faces, list[str]]:
    """Read images and cut a face out of each.

    Args:
        files: The images.
        recipe: Of the crop set that the network was trained on.
        size: Height and width of its crops.

    Returns:
        The faces, and sentences about what could not be done for them.

    Raises:
        FauError: If a file is missing or no image.
    """
    pictures = [_read(file) for file in files]
    landmarker, notes = _landmarker()
    alignment = _alignment(recipe, size)
    if landmarker is not None and alignment.name == DEFAULT_ALIGNMENT and "alignment" not in recipe:
        notes.append(
            f"the crop set was not aligned; images are, by '{DEFAULT_ALIGNMENT}', so faces may be larger in them"
        )
    crops, points = [], []
    try:
        for file, picture in zip(files, pictures, strict=True):
            cut = None if landmarker is None else _aligned(picture, alignment, landmarker)
            if cut is None:
                if landmarker is not None:
                    notes.append(f"no face was found in '{file}'; its middle square is shown")
                cut = _square(picture, size), np.full((478, 2), np.nan, np.float32)
            crops.append(cut[0])
            points.append(cut[1])
    finally:
        if landmarker is not None:
            landmarker.close()
    names = [file.name for file in files]
    return Faces(np.stack(crops), np.stack(points), "478", np.array(names, np.str_), names), notes


def _read(file: Path) -> NDArray[np.uint8]:
    try:
        picture = read_image(file.read_bytes(), upright=True)
    except OSError as error:
        raise FauError(f"the image '{file}' cannot be read ({error.strerror}); correct --image") from error
    if picture.image is None:
        raise FauError(f"'{file}' cannot be read as an image ({picture.fault}); give another file")
    return picture.image


def _landmarker() -> tuple[Landmarker | None, list[str]]:
    try:
        return Landmarker(), []
    except FauError as error:
        return None, [f"images are shown by their middle square, not aligned: {error}"]


def _alignment(recipe: Mapping[str, Any], size: int) -> Alignment:
    own = recipe.get("alignment")
    if isinstance(own, Mapping) and own.get("name") in ALIGNMENTS and own["name"] != "resize":
        return Alignment(str(own["name"]), size, own.get("margin"))
    return Alignment(DEFAULT_ALIGNMENT, size)


def _aligned(
    picture: NDArray[np.uint8], alignment: Alignment, landmarker: Landmarker
) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
    face = choose(landmarker.detect(picture), picture.shape[:2], "largest").face
    if face is None:
        return None
    matrix = alignment.matrix(face.points, "478", face.box, picture.shape[:2])
    return None if matrix is None else (warp(picture, matrix, alignment.size), move(face.points, matrix))


def _square(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = picture[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(middle, (size, size), interpolation=way), np.uint8)
