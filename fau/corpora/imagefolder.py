"""Pictures in one folder a class, as torchvision and timm expect them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import polars as pl

from fau.corpora import naming
from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.losses import NOT_CODED, Losses
from fau.corpora.paths import IMAGES
from fau.corpora.tree import natural
from fau.errors import FauError
from fau.labels import EXPRESSIONS, SPLITS


class ImageFolder(Corpus):
    """A folder with one sub-folder an expression, in folders ``train``, ``val`` and ``test`` or without these.

    Names of folders are expressions or common forms of them (``happy``, ``3_happy``), or codes that ``classes``
    explains. Pictures may lie deeper in a class's folder. A folder that means no expression is refused.

    Args:
        root: The folder that holds the classes or the parts.
        classes: Meaning of folders with other names: expressions in order from 0 (``neutral,happy,sad``), or pairs
            (``1=surprise,2=fear``).
        ignore: Folders to leave alone, with commas between them.
        subject_pattern: Regular expression whose first group, searched in a picture's path, is its subject, such as
            ``(S[0-9]+)_``; without it nobody is known, and each picture stands for itself in folds.
    """

    name: ClassVar[str] = "imagefolder"
    title: ClassVar[str] = "a folder with one sub-folder a class"
    ask: ClassVar[str] = "nobody: it is your own, or under the licence of the corpus that it is made of"
    generic: ClassVar[bool] = True
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("pictures in folders", tuple(f"*/*{ending}" for ending in IMAGES)),
        Sign(
            "folders named after expressions",
            tuple(f"{word}/*" for word in ("neutral", "anger", "angry", "happiness", "happy", "sadness", "sad")),
        ),
    )

    upright = True

    def __init__(self, root: Path, *, classes: str = "", ignore: str = "", subject_pattern: str = "") -> None:
        super().__init__(root)
        self._codes = naming.class_codes(classes)
        self._ignored = {name.strip() for name in ignore.split(",") if name.strip()}
        self._subject = _pattern(subject_pattern)

    def list(self) -> Listing:
        """Return one row a picture, by folder."""
        losses = Losses()
        rows: list[tuple[str, str, str | None, str | None, str]] = []
        subjectless: list[str] = []
        top, loose = self.tree.folder()
        parts = {name: naming.split(name) for name in top if name not in self._ignored}
        has_parts = bool(parts) and all(parts.values())
        losses.add(NOT_CODED, _pictures(loose))
        for part in parts if has_parts else [""]:
            inner = self.tree.folder(part)
            losses.add(NOT_CODED, [f"{part}/{name}" for name in _pictures(inner[1])] if part else [])
            for folder in inner[0]:
                if folder in self._ignored:
                    continue
                place = f"{part}/{folder}" if part else folder
                files = [f"{where}/{name}" for where, names in self.tree.walk(place) for name in _pictures(names)]
                if not files:
                    continue
                label = self._codes.get(folder) or naming.expression(folder)
                if label is None:
                    raise FauError(
                        f"folder '{place}' of '{self.tree.root}' means no expression of {', '.join(EXPRESSIONS)}; "
                        f"say what it means with --classes, such as {folder}=neutral, or leave it out with --ignore"
                    )
                for path in files:
                    match = self._subject.search(path) if self._subject else None
                    subject = match[1] if match else None
                    subjectless += [path] if self._subject and subject is None else []
                    rows.append((path, path, subject, parts.get(part), label))
        if not rows:
            raise FauError(
                f"'{self.tree.root}' holds no picture in a folder of a class; give the folder that holds folders such "
                "as happy and sad, or train and test with these in them"
            )
        if subjectless:
            raise FauError(f"option subject_pattern finds no subject in '{subjectless[0]}'; correct the pattern")
        schema = dict.fromkeys(("id", "path", "subject", "split", "expression"), pl.String)
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        found = [f"parts: {', '.join(p for p in SPLITS if p in parts.values())}" if has_parts else "no parts"]
        if naming.official(frame["split"]):
            self.protocol = "official"
        if self._subject:
            order = {name: i for i, name in enumerate(sorted(frame["subject"].unique(), key=natural))}
            frame = frame.sort(pl.col("subject").replace_strict(order), maintain_order=True)
        return Listing(to_rows(frame, ()), losses, found)


def _pictures(names: list[str]) -> list[str]:
    return [name for name in names if name.lower().endswith(IMAGES)]


def _pattern(text: str) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise FauError(f"option subject_pattern is no regular expression: {error}") from error
    if not pattern.groups:
        raise FauError(f"option subject_pattern is '{text}'; it needs a group, such as (S[0-9]+)_")
    return pattern
