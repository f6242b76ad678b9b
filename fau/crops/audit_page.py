"""The preview of a crop set as one page that opens offline: pictures and tables, light and dark."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from fau.corpora.registry import corpora
from fau.crops.audit import Audit, printed
from fau.crops.audit_counts import Count
from fau.crops.audit_text import signed
from fau.crops.store import CropSet
from fau.crops.summary import Summary, summarise
from fau.errors import FauError
from fau.labels import AU_NAMES, EXPRESSIONS, SPLITS, au_column, au_label

CAPTIONS = {
    "mean_face": "The mean of all crops. Sharp eyes and mouth: alignment works. A blur: it does not.",
    "landmarks": "Crops with the landmarks stored beside them.",
    "expressions": "A row a subject, or a sample of each class where subjects show one expression each.",
    "action_units": "Crops that show the action unit, then crops that do not, of different groups where possible.",
    "sample": "Crops of as many groups as possible.",
}
_MOST = 1000  # lines of a folded table
_QUALITY = 88  # of JPEG inside the page; the files beside it are PNG


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it shows.
        off: Whether it is a difference to look at.
        shade: Share of the darkest shade, 0 to 100; None for no shade.
    """

    text: str
    off: bool = False
    shade: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of the page; in a named one the second column is text too."""

    title: str
    headings: Sequence[str]
    lines: list[list[Cell]]
    named: bool = False


@dataclass(frozen=True)
class Block:
    """Tables under one heading; those folded away open by a click."""

    title: str
    caption: str
    shown: list[Table]
    folded: list[Table]


def page(cropset: CropSet, audit: Audit, pictures: Mapping[str, NDArray[np.uint8]]) -> str:
    """Return the page.

    Args:
        cropset: The crop set.
        audit: Its audit.
        pictures: The contact sheets, by name.
    """
    info = cropset.info
    summary = summarise(cropset.manifest)
    subjects = cropset.manifest["subject"].drop_nulls().n_unique()
    corpus = corpora().get(info.corpus)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("fau").joinpath("assets", "preview.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        name=info.name,
        meta=f"corpus {info.corpus} · {info.size} px · landmarks {info.landmark_set} · id {cropset.id}",
        facts=[
            ("crops", f"{summary.crops:,}"),
            ("groups", f"{summary.groups:,}"),
            *([("subjects", f"{subjects:,}")] if subjects not in (0, summary.groups) else []),
            *([("sequences", f"{summary.sequences:,}")] if summary.sequences else []),
            *([("action units", str(len([au for au in summary.aus if au.rate is not None])))] if summary.aus else []),
            *([("expressions", str(len(summary.expressions.keys() - {None})))] if len(summary.expressions) > 1 else []),
        ],
        findings=audit.sentences(cropset),
        recipe=json.dumps(info.recipe, indent=1, ensure_ascii=False),
        pictures={name: _figure(name, picture) for name, picture in pictures.items()},
        tables=[block for block in _blocks(audit, summary) if block.shown or block.folded],
        alike=[
            {
                "first": _data(cropset.crop(pair.first)),
                "second": _data(cropset.crop(pair.second)),
                "ids": (cropset.manifest["id"][pair.first], cropset.manifest["id"][pair.second]),
                "distance": f"{pair.distance} of 64 bits apart" if pair.distance else "equal hash",
            }
            for pair in audit.duplicates.pairs
        ],
        restricted=corpus.title if corpus else "",
    )


def _figure(name: str, picture: NDArray[np.uint8]) -> dict[str, Any]:
    height, width = picture.shape[:2]
    title = name.replace("_", " ")
    return {"data": _data(picture), "width": width, "height": height, "title": title, "caption": CAPTIONS[name]}


def _data(picture: NDArray[np.uint8]) -> str:
    """Return a picture as a data URI."""
    done, encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise FauError(f"a picture of shape {picture.shape} could not be encoded")
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _blocks(audit: Audit, summary: Summary) -> Iterable[Block]:
    by_key = {count.key: count for count in audit.counts}
    yield _units(audit, summary, by_key)
    yield _classes(audit, by_key)
    if audit.rates is not None:
        yield _rates(audit)
    yield _counts(audit)
    yield _missing(audit)


def _units(audit: Audit, summary: Summary, by_key: Mapping[str, Count]) -> Block:
    published = any(count.kind == "action unit" for count in audit.compared)
    headings = ["AU", "name", "positives", "rate %", "10-90 % of groups", "not coded %", "at intensity 0 1 2 3 4 5"]
    if published:
        headings[3:3] = ["published", "difference"]
    lines = []
    for au in summary.aus:
        if au.rate is None:
            continue
        spread = "" if au.group_low is None else f"{au.group_low:.0f}-{au.group_high:.0f}"
        levels = " ".join(f"{number:,}" for number in au.intensities) if any(au.intensities) else ""
        cells = [Cell(au_label(au.au)), Cell(AU_NAMES[au.au]), Cell(f"{au.positives:,}")]
        if published:
            cells += _beside(by_key[au_column(au.au)])
        cells += [
            Cell(f"{au.rate:.1f}", shade=round(au.rate, 1)),
            Cell(spread),
            Cell(f"{au.uncoded:.1f}"),
            Cell(levels),
        ]
        lines.append(cells)
    shown = [Table("", headings, lines, named=True)] if lines else []
    return Block("Action units", "Rates are percent of the crops for which the action unit is coded.", shown, [])


def _classes(audit: Audit, by_key: Mapping[str, Count]) -> Block:
    splits = ["", *(f"{split}/" for split in SPLITS if split in by_key)]
    names = [name for name in EXPRESSIONS if name in by_key]
    headings = ["class"]
    for prefix in splits:
        headings.append(prefix.rstrip("/") or "crops")
        if any(by_key[key].published is not None for key in (prefix + name for name in names) if key in by_key):
            headings += ["published", "difference"]
    total = sum(by_key[name].here for name in names)
    lines = []
    for name in names:
        cells = [Cell(name)]
        for prefix in splits:
            own = by_key.get(prefix + name, Count(prefix + name, "class", 0, None))
            cells.append(Cell(f"{own.here:,}"))
            follows = headings[len(cells) : len(cells) + 1] == ["published"]
            cells += _beside(own) if follows else []
        share = 100 * by_key[name].here / max(total, 1)
        lines.append([*cells, Cell(f"{share:.1f}", shade=round(share, 1))])
    return Block(
        "Expressions",
        "Crops of each class, in all and in the owner's parts; shares are of the crops that have a class.",
        [Table("", [*headings, "share %"], lines)] if lines else [],
        [],
    )


def _rates(audit: Audit) -> Block:
    rates = audit.rates
    if rates is None:
        raise TypeError("there are no rates")
    lines = []
    for j, label in enumerate(rates.labels):
        values = rates.values[:, j]
        cells = [Cell("") if np.isnan(v) else Cell(f"{v:.1f}", shade=round(float(v), 1)) for v in values]
        lines.append([Cell(label), *cells])
    sizes = [[Cell("groups"), *(Cell(f"{n:,}") for n in rates.groups)]]
    sizes.append([Cell("crops"), *(Cell(f"{n:,}") for n in rates.crops)])
    table = Table("", ["rate %", *rates.parts], [*sizes, *lines])
    return Block(
        f"Rates by part, protocol {audit.protocol}",
        "Percent of the coded crops of each part. A label whose rate moves a lot makes its scores move between folds.",
        [table],
        [],
    )


def _counts(audit: Audit) -> Block:
    tables = []
    kinds = {"whole": "Whole", "split": "Owner's parts", "subject": "Subjects", "sequence": "Sequences"}
    for kind, title in kinds.items():
        counts = [count for count in audit.counts if count.kind == kind]
        published = any(count.published is not None for count in counts)
        headings = [title.lower(), "here", *(["published", "difference"] if published else [])]
        lines = [
            [Cell(printed(count.key)), Cell(f"{count.here:,}"), *(_beside(count) if published else [])]
            for count in counts[:_MOST]
        ]
        more = f", first {_MOST} of {len(counts):,}" if len(counts) > _MOST else f", {len(counts):,}"
        if lines:
            tables.append(Table(title if kind == "whole" else title + more, headings, lines))
    caption = "What the crop set has, beside what was published of the corpus." if audit.compared else ""
    return Block("Counts", caption, tables[:1], tables[1:])


def _missing(audit: Audit) -> Block:
    partly = {name: number for name, number in audit.missing.items() if 0 < number < audit.crops}
    never = [name for name, number in audit.missing.items() if number == audit.crops]
    caption = f"Columns that nobody coded: {', '.join(never)}." if never else "Every column is coded somewhere."
    lines = [
        [Cell(name), Cell(f"{number:,}"), Cell(f"{100 * number / audit.crops:.1f}")] for name, number in partly.items()
    ]
    table = Table(f"Columns that are coded in part, {len(lines)}", ["column", "crops without", "%"], lines)
    return Block("Missing labels", caption, [], [table] if lines else [])


def _beside(count: Count) -> list[Cell]:
    """Return the cells for the published count and the difference."""
    published = "" if count.published is None else f"{count.published:,}"
    return [Cell(published), Cell(signed(count.difference), off=bool(count.difference))]
