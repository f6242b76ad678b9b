"""AffectNet's release of 2017 in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from faces import SIZE, Faces
from numpy.typing import NDArray

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
ENDINGS = ("jpg", "png", "JPG", "bmp")
TRAIN = 33  # images: three of each of the eleven classes
VALIDATION = 22
AUTOMATIC = 3
OPTIONS: list[list[str]] = [["--automatic"]]


def code(image: int) -> int:
    """Return an image's class code."""
    return image % 11


def affect(image: int) -> tuple[float, float]:
    """Return valence and arousal: unknown for classes 9 and 10, and for one image of class 8 of each part."""
    if code(image) in (9, 10) or image in (8, 1009):
        return -2.0, -2.0
    return round(-0.9 + 0.05 * (image % 30), 3), round(0.8 - 0.04 * (image % 30), 3)


def listed(image: int) -> str:
    """Return the path in the list: numbered folders, hashes, many endings."""
    return f"{image % 3 + 1}/{image:056x}.{ENDINGS[image % 4]}"


def points(image: int, faces: Faces) -> NDArray[np.float32]:
    """Return the 68 points of an image."""
    return faces.points68(image % 6, image % 5)


def row(image: int, faces: Faces) -> str:
    """Return an image's line: class 10 has no landmarks; image 1 has a box that begins outside the picture."""
    box = (0, 0, 0, 0) if code(image) == 10 else (-4, -2, SIZE, SIZE) if image == 1 else (8, 8, SIZE - 16, SIZE - 16)
    land = "" if code(image) == 10 else ";".join(f"{value:.2f}" for value in points(image, faces).ravel())
    return ",".join(map(str, [listed(image), *box, land, code(image), *affect(image)]))


def build(root: Path, faces: Faces, lists: str = "Manually_Annotated_file_lists") -> None:
    """Write the owner's layout with the faults that are known.

    The validation list has no header; image 2 lies under the ending of another format; image 3 is missing; image 4 is
    no image at all; a further image is in no list; image 1001 is listed in training too.
    """
    manual = root / "Manually_Annotated" / "Manually_Annotated_Images"
    train, validation = [*range(TRAIN)], [*range(1000, 1000 + VALIDATION)]
    for image in (*train, *validation, 5000):
        if image != 3:
            content = faces.png if image % 4 == 1 or image == 2 else faces.jpeg
            write(manual / listed(image), b"" if image == 4 else content(image % 6, image % 5))
    write(manual / "1" / "Thumbs.db", b"\xd0\xcf\x11\xe0")
    lines = [HEADER, *(row(image, faces) for image in (*train, 1001))]
    write(root / lists / "training.csv", "\n".join(lines).encode() + b"\n")
    write(root / lists / "validation.csv", "\r\n".join(row(image, faces) for image in validation).encode())
    automatic = [*range(2000, 2000 + AUTOMATIC)]
    for image in automatic:
        folder = root / "Automatically_Annotated" / "Automatically_Annotated_Images"
        write(folder / listed(image), faces.jpeg(image % 6, image % 5))
    lines = [HEADER, *(row(image, faces) for image in automatic)]
    place = root / "Automatically_Annotated_file_lists"
    write(place / "automatically_annotated.csv", "\n".join(lines).encode())


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
