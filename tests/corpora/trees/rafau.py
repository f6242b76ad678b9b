"""RAF-AU in miniature."""

from __future__ import annotations

from pathlib import Path

from faces import Faces

# What the list says of each image, from 0001: one-sided codes, `null`, a code that is no action unit (44).
LABELS = (
    *("1+2+25+26", "null", "L12+R14", "4+7+17", "6+12+25", "12", "L10", "1+2+5+25", "4", "9+17"),
    *("null", "6+12", "15+17", "20+25", "44+4", "1", "2", "12+25", "26", "43", "5+27", "10+L12+R12", "24", "23"),
)
OPTIONS: list[list[str]] = [["--null", "absent"]]


def build(root: Path, faces: Faces) -> None:
    """Write the list and ``aligned``; 0006 has no image, 9999 no label."""
    lines = [f"{i:04d}.jpg {label}\n" for i, label in enumerate(LABELS, 1)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "RAFAU_label.txt").write_text("".join(lines))
    (root / "aligned").mkdir()
    for i in [i for i in range(1, len(LABELS) + 1) if i != 6] + [9999]:
        (root / "aligned" / f"{i:04d}_aligned.jpg").write_bytes(faces.jpeg(i % 6, i, 100))
