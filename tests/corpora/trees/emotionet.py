"""EmotioNet in miniature: lists of addresses, and the images that could still be fetched."""

from __future__ import annotations

from pathlib import Path

from faces import Faces

CODED = (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43)
COLUMNS = 60
IMAGES = 40
PER_LIST = 14
DEAD = (5, 17, 29)
UNKNOWN = 8  # an image all of whose units are unknown
OPTIONS: list[list[str]] = [["--images", "Images"]]


def code(image: int, au: int) -> str:
    """Return a value: units that are not coded are 999, AU 4 of image 3 is blank, AU 60 is no unit of ours."""
    if au not in (*CODED, 60) or image == UNKNOWN or (image, au) == (2, 1):
        return "999"
    return "" if (image, au) == (3, 4) else str(int((image * 7 + au * au) % 3 == 0))


def name(image: int) -> str:
    """Return folder and file of an image."""
    return f"{image % 3}/N_{image:010d}.jpg"


def row(image: int) -> str:
    """Return an image's line."""
    addresses = f"http://example.org/EmotioNet/Images/{name(image)}", f"http://example.com/{image}.jpg?size=large"
    return "\t".join([*addresses, *(code(image, au) for au in range(1, COLUMNS + 1))])


def build(root: Path, faces: Faces) -> None:
    """Write three lists, of which the second has a header and the third repeats a line, and the images.

    Three addresses are dead, one is blank; an image has no line.
    """
    lists = root / "emotionNet_challenge_files_server_challenge_1.2"
    header = "\t".join(["URL", "Original URL", *(f"AU {au}" for au in range(1, COLUMNS + 1))])
    for k in range(3):
        lines = [row(image) for image in range(k * PER_LIST, min((k + 1) * PER_LIST, IMAGES))]
        if k == 1:
            lines.insert(0, header)
        if k == 2:
            lines += [row(0), "\t\t" + "\t".join(["1"] * COLUMNS)]
        write(lists / f"dataFile_{k + 1:04d}.txt", "\n".join(lines).encode() + b"\n" * (k < 2))
    for image in (*range(IMAGES), 99):
        if image not in DEAD:
            write(root / "Images" / name(image), faces.jpeg(image % 6, image % 5))


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
