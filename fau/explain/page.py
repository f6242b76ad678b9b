"""What a look leaves in a folder: pictures, ``index.json`` for the report, and one page that opens offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from fau.atomic import write_atomically
from fau.explain.draw import jpeg
from fau.explain.sheets import Drawing

FORMAT: Final = 1
INDEX: Final = "index.json"


@dataclass
class Look:
    """What was seen of a run.

    Attributes:
        about: ``network``, ``checkpoint``, ``part`` (what the faces are of) and the like, to print; the index has them.
        drawings: The pictures, in the order in which to show them.
        tables: Of the sanity figures, as ``fau.explain.sanity.describe`` makes them.
        notes: Sentences that a reader should know.
    """

    about: dict[str, Any]
    drawings: list[Drawing] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def write(look: Look, folder: Path, title: str, meta: str) -> list[Path]:
    """Write pictures, page and index, the index last, so that what it lists is there.

    Args:
        look: What was seen.
        folder: Made where it is not there. Pictures of an earlier look that are no more are removed.
        title: Heading of the page.
        meta: A line below it.

    Returns:
        The files, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)
    for old in folder.glob("*.jpg"):
        old.unlink()
    pictures, written = [], []
    for drawing in look.drawings:
        content = jpeg(drawing.picture)
        file = folder / f"{drawing.name}.jpg"
        write_atomically(file, content)
        written.append(file)
        height, width = drawing.picture.shape[:2]
        entry = {"file": file.name, "kind": drawing.kind, "title": drawing.title, "caption": drawing.caption}
        pictures.append(entry | {"width": width, "height": height, "content": content})
    page = folder / "index.html"
    write_atomically(page, _page(look, pictures, title, meta).encode())
    listed = [{key: value for key, value in entry.items() if key != "content"} for entry in pictures]
    index = {"format": FORMAT, **look.about, "pictures": listed, "tables": look.tables, "notes": look.notes}
    write_atomically(folder / INDEX, json.dumps(index, indent=1, allow_nan=False).encode() + b"\n")
    return [page, *written]


def _page(look: Look, pictures: Sequence[dict[str, Any]], title: str, meta: str) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["share"] = lambda value: "" if value is None else f"{100 * value:.1f}"
    environment.filters["ratio"] = lambda value: "" if value is None else f"{value:.2f}"
    source = files("fau").joinpath("assets", "explain.html.j2").read_text(encoding="utf-8")
    shown = [
        entry | {"data": "data:image/jpeg;base64," + base64.b64encode(entry["content"]).decode("ascii")}
        for entry in pictures
    ]
    return environment.from_string(source).render(
        title=title, meta=meta, pictures=shown, tables=look.tables, notes=look.notes
    )
