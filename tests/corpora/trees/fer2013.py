"""FER2013 in miniature: the CSV of pixels, the challenge's CSV, folders of classes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from faces import Faces
from numpy.typing import NDArray

ROWS = 28  # four of each class; 14 Training, 7 PublicTest, 7 PrivateTest
BLACK = 20  # the row whose pixels are all 0
FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
OPTIONS: list[list[str]] = []


def code(row: int) -> int:
    """Return the class of a row."""
    return row * 3 % 7


def usage(row: int) -> str:
    """Return the part of a row; the parts are not in one piece each."""
    return ("Training", "PublicTest", "Training", "PrivateTest")[row % 4]


def grey(faces: Faces, row: int) -> NDArray[np.uint8]:
    """Return a row's picture, uint8 (48, 48)."""
    if row == BLACK:
        return np.zeros((48, 48), np.uint8)
    return np.asarray(cv2.cvtColor(faces.image(row % 6, row, 48), cv2.COLOR_RGB2GRAY), np.uint8)


def pixels(faces: Faces, row: int) -> str:
    """Return a row's picture as the CSV has it."""
    return " ".join(map(str, grey(faces, row).ravel()))


def build(root: Path, faces: Faces) -> None:
    """Write ``fer2013.csv``."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [f"{code(row)},{pixels(faces, row)},{usage(row)}\n" for row in range(ROWS)]
    (root / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "".join(lines))


def build_icml(root: Path, faces: Faces) -> None:
    """Write ``icml_face_data.csv``: another order of columns, spaces in the header, lines that end as on Windows."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [f"{code(row)},{usage(row)},{pixels(faces, row)}\r\n" for row in range(ROWS)]
    (root / "icml_face_data.csv").write_bytes(("emotion, Usage, pixels\r\n" + "".join(lines)).encode())


def build_folders(root: Path, faces: Faces) -> None:
    """Write ``train/happy/Training_3.jpg`` and its like; one picture in a folder of no class."""
    for row in range(ROWS):
        folder = root / ("train" if usage(row) == "Training" else "test") / FOLDERS[code(row)]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{usage(row)}_{row}.jpg").write_bytes(cv2.imencode(".jpg", grey(faces, row))[1].tobytes())
    stray = root / "train" / "bored"
    stray.mkdir()
    (stray / "Training_99.jpg").write_bytes(faces.jpeg(0, 0, 48))
