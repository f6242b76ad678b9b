"""RAF-DB's basic set in miniature: the owner's layout, and the community's."""

from __future__ import annotations

import zipfile
from pathlib import Path

from faces import Faces

TRAIN, TEST = 21, 14  # images: three and two of each class
ATTRIBUTES = {"train_00001": (0, 2, 4), "train_00002": (1, 0, 2), "test_0001": (2, 1, 0)}  # gender, race, age
OPTIONS: list[list[str]] = []


def code(number: int) -> int:
    """Return the class, 1..7, of the image of a number from 1."""
    return number % 7 + 1


def names() -> list[str]:
    """Return the names of all images, without ending."""
    return [f"train_{i:05d}" for i in range(1, TRAIN + 1)] + [f"test_{i:04d}" for i in range(1, TEST + 1)]


def number(name: str) -> int:
    """Return an image's number from 1."""
    return int(name.split("_")[1])


def build(root: Path, faces: Faces) -> None:
    """Write ``EmoLabel`` and ``Image/aligned.zip``: one label without image, one image without label, a blank line.

    A few pictures have attributes, one of them of another shape.
    """
    labels = [f"{name}.jpg {code(number(name))}\n" for name in names()]
    labels.insert(5, "\n")
    labels.append("test_3068.jpg 7\n")
    folder = root / "basic" / "EmoLabel"
    folder.mkdir(parents=True)
    (folder / "list_patition_label.txt").write_text("".join(labels))
    folder = root / "basic" / "Annotation" / "manual"
    folder.mkdir(parents=True)
    points = "".join(f"{20 + i}.5\t{30 + i}\n" for i in range(5))
    for name, codes in ATTRIBUTES.items():
        (folder / f"{name}_manu_attri.txt").write_text(points + "".join(f"{code}\n" for code in codes))
    (folder / "train_00003_manu_attri.txt").write_text(points + "0\n9\n1\n")
    images = root / "basic" / "Image"
    images.mkdir()
    with zipfile.ZipFile(images / "aligned.zip", "w") as archive:
        for i, name in enumerate([*names(), "train_12271"]):
            archive.writestr(f"aligned/{name}_aligned.jpg", faces.jpeg(i % 6, i, 100))


def build_community(root: Path, faces: Faces) -> None:
    """Write ``DATASET/train/<1..7>`` and its lists."""
    for name in names():
        part = name.split("_")[0]
        file = root / "DATASET" / part / str(code(number(name))) / f"{name}_aligned.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(faces.jpeg(number(name) % 6, number(name), 100))
    for part in ("train", "test"):
        lines = [f"{name}_aligned.jpg,{code(number(name))}\n" for name in names() if name.startswith(part)]
        (root / f"{part}_labels.csv").write_text("image,label\n" + "".join(lines))
