"""A folder a class in miniature."""

from __future__ import annotations

from pathlib import Path

from faces import Faces

CLASSES = ("angry", "disgusted", "Fear", "happy", "neutral", "sad", "surprise", "contempt")
TRAIN, TEST = 3, 2  # pictures a class
OPTIONS: list[list[str]] = [["--subject-pattern", "(p[0-9]+)_"]]


def build(root: Path, faces: Faces) -> None:
    """Write ``train`` and ``test``; a stray picture, a text file, a folder below a class."""
    for part, count in (("train", TRAIN), ("test", TEST)):
        for c, name in enumerate(CLASSES):
            for i in range(count):
                deep = "deeper" if i == 2 else ""
                file = root / part / name / deep / f"p{(c + i) % 6 + 6 * (part == 'test')}_{i}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(faces.jpeg((c + i) % 6, 10 * c + i + 5 * (part == "test")))
    (root / "train" / "stray.jpg").write_bytes(faces.jpeg(0))
    (root / "train" / "happy" / "notes.txt").write_text("not a picture\n")


def build_flat(root: Path, faces: Faces) -> None:
    """Write classes alone, named by codes."""
    for code in range(3):
        folder = root / str(code)
        folder.mkdir(parents=True)
        for i in (10, 9):
            (folder / f"{i}.png").write_bytes(faces.png(code, i))
