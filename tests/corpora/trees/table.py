"""Tables of one's own in miniature, and layouts of other people's tools."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from faces import Faces

SUBJECTS = ("p2", "p10", "p1", "p3", "p4", "p5", "p6")  # natural order is another
FRAMES = 4
EXPRESSIONS = ("Happy", "sad", "anger", "NEUTRAL")
OPTIONS: list[list[str]] = [["--ignore", "expression,au2"]]


def au(subject: int, frame: int, number: int) -> int:
    """Return a code of an action unit: 0, 1 or -1."""
    return -1 if number == 2 and frame == 1 else (subject + frame + number) % 2


def build(root: Path, faces: Faces) -> None:
    """Write ``labels.csv`` and ``images``, rows in no order.

    p2's frame 0 is listed twice, p10's frame 3 has no image, p1's frame 2 has no label, ``images/p3/99.jpg`` no row.
    """
    rows = []
    for s, subject in enumerate(SUBJECTS):
        folder = root / "images" / subject
        folder.mkdir(parents=True)
        for frame in range(FRAMES):
            if (subject, frame) != ("p10", 3):
                (folder / f"{frame * 7}.jpg").write_bytes(faces.jpeg(s, frame))
            known = (subject, frame) != ("p1", 2)
            labels = [str(au(s, frame, n)) if known else "" for n in (1, 2, 12)]
            labels.append(EXPRESSIONS[frame] if known else "")
            rows.append([f"{subject}/{frame * 7}.jpg", subject, *labels, "31"])
    (root / "images" / "p3" / "99.jpg").write_bytes(faces.jpeg(3, 9))
    rows = [rows[0], *reversed(rows)]
    lines = ["image_path,subject,au1,au2,AU12,expression,age", *(",".join(row) for row in rows)]
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


def write_pictures(root: Path, names: list[str], faces: Faces) -> None:
    """Write one picture a name, six people in turn."""
    for i, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(faces.jpeg(i % 6, i))


def build_libreface(root: Path, faces: Faces) -> None:
    """Write LibreFace's folds: intensities as floats, the same pictures in each fold's two lists."""
    names = [f"S{i % 6}/{i}.png" for i in range(12)]
    write_pictures(root / "aligned_images", names, faces)
    for fold in range(3):
        for part in ("train", "test"):
            chosen = [i for i in range(12) if (i % 3 == fold) == (part == "test")]
            folder = root / "labels" / str(fold)
            folder.mkdir(parents=True, exist_ok=True)
            lines = [f"{names[i]},{i % 6:.1f},{(i + 2) % 6:.1f}" for i in chosen]
            (folder / f"{part}.csv").write_text("image_path,au1,au12\n" + "\n".join(lines) + "\n")


def build_huggingface(root: Path, faces: Faces, kind: str) -> None:
    """Write ``train`` and ``test`` with ``metadata.csv``, ``.jsonl`` or ``.parquet`` beside the pictures."""
    for part, count in (("train", 8), ("test", 4)):
        names = [f"{i}.png" for i in range(count)]
        write_pictures(root / part, names, faces)
        rows = [{"file_name": name, "label": i % 4, "valence": i / 10 - 0.4} for i, name in enumerate(names)]
        file = root / part / f"metadata.{kind}"
        if kind == "jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        elif kind == "parquet":
            pl.DataFrame(rows).write_parquet(file)
        else:
            pl.DataFrame(rows).write_csv(file)


def build_hu(root: Path, faces: Faces) -> None:
    """Write a CSV as of Hu et al. (FG 2024): 1, 0 and -1."""
    names = [f"{i:04d}_aligned.jpg" for i in range(6)]
    write_pictures(root / "images", names, faces)
    lines = [f"{name},{i % 3 - 1},1,-1,30-50,Female,White" for i, name in enumerate(names)]
    (root / "RAF-AU_test.csv").write_text("name,AU1,AU2,AU4,age,gender,race\n" + "\n".join(lines) + "\n")
