"""FER+ in miniature: votes for the rows of FER2013's fake tree."""

from __future__ import annotations

from pathlib import Path

import cv2
from faces import Faces
from trees import fer2013

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
OPTIONS: list[list[str]] = [["--target", "plurality"]]
# Votes that are not ten for one expression, by row.
VOTES = {
    3: (0, 0, 0, 0, 0, 0, 0, 0, 0, 10),  # no face, and no name
    4: (5, 5, 0, 0, 0, 0, 0, 0, 0, 0),  # a tie
    5: (4, 3, 3, 0, 0, 0, 0, 0, 0, 0),  # most, but not more than half
    6: (5, 1, 1, 1, 1, 1, 0, 0, 0, 0),  # more than half once single votes are gone
    7: (0, 0, 0, 2, 0, 0, 0, 0, 8, 0),  # unknown
    8: (0, 0, 3, 0, 0, 0, 0, 0, 0, 7),  # no face, with a name
    9: (0, 0, 0, 0, 0, 0, 0, 9, 0, 0),  # nine votes
    10: (1, 1, 1, 1, 1, 1, 1, 1, 1, 1),  # single votes alone
}


def votes(row: int) -> tuple[int, ...]:
    """Return the ten columns of a row."""
    return VOTES.get(row, tuple(10 if i == row % 7 else 0 for i in range(10)))


def line(row: int) -> str:
    """Return a row of ``fer2013new.csv``."""
    name = "" if row == 3 else f"fer{row:07d}.png"
    return f"{fer2013.usage(row)},{name},{','.join(map(str, votes(row)))}\n"


def build(root: Path, faces: Faces) -> None:
    """Write ``fer2013new.csv`` and ``fer2013.csv``."""
    fer2013.build(root, faces)
    (root / "fer2013new.csv").write_text(HEADER + "\n" + "".join(map(line, range(fer2013.ROWS))))


def build_pictures(root: Path, faces: Faces, new_csv: bool = True) -> None:
    """Write what the owner's script makes: pictures in three folders; row 27 has none, one picture no votes."""
    folders = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
    for row in range(fer2013.ROWS):
        folder = root / "data" / folders[fer2013.usage(row)]
        folder.mkdir(parents=True, exist_ok=True)
        name = f"fer{row:07d}.png"
        if row not in (3, 27):
            (folder / name).write_bytes(cv2.imencode(".png", fer2013.grey(faces, row))[1].tobytes())
        if row != 3:
            with (folder / "label.csv").open("a") as file:
                file.write(f'{name},"(0, 0, 48, 48)",{",".join(map(str, votes(row)))}\n')
    (root / "data" / "FER2013Train" / "fer0099999.png").write_bytes(faces.png(0, 0, 48))
    if new_csv:
        (root / "fer2013new.csv").write_text(HEADER + "\n" + "".join(map(line, range(fer2013.ROWS))))
