"""ExpW in miniature."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from faces import Faces

PICTURES = 24
OPTIONS: list[list[str]] = []


def name(picture: int) -> str:
    """Return a picture's name."""
    return f"angry_actor_{picture}.jpg"


def line(picture: int, face: int) -> str:
    """Return the line of a face: the left half of a picture is face 0, the right half face 1."""
    left = 96 * face
    return f"{name(picture)} {face} 5 {left + 3} {left + 90} 93 95.5 {code(picture, face)}\n"


def code(picture: int, face: int) -> int:
    """Return a face's class."""
    return (picture + 3 * face) % 7


def build(root: Path, faces: Faces) -> None:
    """Write pictures of one or two faces side by side; every third has two.

    Picture 4 is listed twice with the same line, picture 5 with two different ones; 6 has no image, 77 no label.
    """
    images = root / "image" / "origin"
    images.mkdir(parents=True)
    lines = []
    for picture in range(PICTURES):
        count = 2 if picture % 3 == 0 else 1
        wide = np.hstack([faces.image((picture + face) % 6, picture) for face in range(count)])
        if picture != 6:
            (images / name(picture)).write_bytes(cv2.imencode(".jpg", wide[..., ::-1])[1].tobytes())
        lines += [line(picture, face) for face in range(count)]
    (images / name(77)).write_bytes(faces.jpeg(0))
    lines.insert(0, line(4, 0))
    lines.append(line(5, 0)[:-2] + f"{(code(5, 0) + 1) % 7}\n")
    (root / "label").mkdir()
    (root / "label" / "label.lst").write_text("".join(lines))
