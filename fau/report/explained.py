"""What ``fau-explain`` left in a run's directory: pictures of what its network looks at, and how well that fits."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fau.report.rows import Row

FORMAT = 1
THUMBNAIL = 640  # px: pictures are embedded no wider


@dataclass(frozen=True)
class Picture:
    """One picture of a run.

    Attributes:
        file: The JPEG.
        title: What it shows.
        caption: One or two sentences.
    """

    file: Path
    title: str
    caption: str


@dataclass(frozen=True)
class Explanation:
    """What one run of a row shows of its network.

    Attributes:
        folder: Where the pictures lie, ``<run>/explain``.
        fold: Of the run.
        network: Name of the network's class.
        pictures: In the order in which to show them.
        tables: As ``index.json`` has them: how much of the attention lies where the label's muscles are.
    """

    folder: Path
    fold: int
    network: str
    pictures: tuple[Picture, ...]
    tables: tuple[dict[str, Any], ...]


def explanation(row: Row) -> Explanation | None:
    """Return what the first explained run of a row shows, without files that are gone; None if none was explained."""
    for run in row.runs:
        folder = run.path / "explain"
        try:
            index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            if index["format"] != FORMAT:
                continue
            pictures = [Picture(folder / Path(p["file"]).name, p["title"], p["caption"]) for p in index["pictures"]]
            tables = [table for table in index["tables"] if table["rows"]]
            network = str(index.get("network", ""))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        shown = tuple(picture for picture in pictures if picture.file.is_file())
        if shown or tables:
            return Explanation(folder, run.fold, network, shown, tuple(tables))
    return None


def thumbnail(file: Path) -> str:
    """Return a picture as a data address, made narrower where it is wide; empty if it cannot be read."""
    import cv2  # late: a report without pictures opens without it

    picture = cv2.imread(str(file))
    if picture is None:
        return ""
    height, width = picture.shape[:2]
    if width > THUMBNAIL:
        size = (THUMBNAIL, max(1, round(height * THUMBNAIL / width)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return f"data:image/jpeg;base64,{base64.b64encode(packed.tobytes()).decode()}"
