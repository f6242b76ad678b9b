"""AffectNet's delivery of 2021 in miniature."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from faces import Faces
from numpy.typing import ArrayLike

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
TRAIN = tuple(range(0, 72, 3))  # ids are not contiguous
VAL = tuple(range(1, 33, 2))
SIZE = 112  # pixels; the owner's images have 224
OPTIONS: list[list[str]] = []

NO_ANNOTATION = 100
NO_LANDMARKS = 101
NO_IMAGE = 102
BROKEN = 103


def affect(image: int) -> tuple[float, float]:
    """Return valence and arousal; those of image 9 are invalid."""
    return (-2.0, -2.0) if image == 9 else (round(0.02 * (image % 72) - 0.5, 3), round(0.5 - 0.015 * (image % 72), 3))


def code(image: int) -> int:
    """Return an image's class."""
    return image % 8


def build(root: Path, faces: Faces) -> None:
    """Write the owner's layout with the faults that are known.

    Numbers of odd images are text; of four further images in ``train_set``, one has no annotation, one no landmarks,
    one no image, and one an annotation file that was cut short.
    """
    for part, images in (("train_set", (*TRAIN, NO_LANDMARKS, BROKEN, NO_IMAGE)), ("val_set", VAL)):
        for image in images:
            write_image(root / part, image, faces)
    train = root / "train_set"
    write(train / "images" / f"{NO_ANNOTATION}.jpg", faces.jpeg(0, 0, SIZE))
    (train / "annotations" / f"{NO_LANDMARKS}_lnd.npy").unlink()
    (train / "images" / f"{NO_IMAGE}.jpg").unlink()
    content = (train / "annotations" / f"{BROKEN}_val.npy").read_bytes()
    write(train / "annotations" / f"{BROKEN}_val.npy", content[:-3])


def write_image(folder: Path, image: int, faces: Faces) -> None:
    """Write an image with its four annotation files."""
    valence, arousal = affect(image)
    numbers: list[tuple[str, float]] = [("exp", code(image)), ("val", valence), ("aro", arousal)]
    for kind, number in numbers:
        write(folder / "annotations" / f"{image}_{kind}.npy", npy(str(number) if image % 2 else number))
    points = faces.points68(image % 6, image % 5, SIZE).astype(np.float64)
    write(folder / "annotations" / f"{image}_lnd.npy", npy(points if image % 2 else points.ravel()))
    write(folder / "images" / f"{image}.jpg", faces.jpeg(image % 6, image % 5, SIZE))


def npy(value: ArrayLike) -> bytes:
    """Return the content of a .npy file."""
    stream = BytesIO()
    np.save(stream, np.asarray(value))
    return stream.getvalue()


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
