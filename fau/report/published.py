"""Published rows: one CSV file a corpus in ``fau/assets/published``, found by themselves, or a file of the user's own.

A file's columns are ``method``, ``corpus``, ``label_set``, ``protocol`` (empty: not known), ``part``, ``paper``,
``read_in`` (where the digits were read), metrics (``METRICS``), F1 of labels (``AU1`` and so on), accuracy of classes
(``top1/anger``, ``top2/anger``) and ``warnings`` (sentences, with semicolons between). F1 and accuracy are percent with
the digits that were printed; landmark errors are fractions of the distance of the eyes, failures fractions of the
faces. ``f1_macro``, ``top1_mean`` and ``top2_mean`` are means as printed, ``f1_macro_recomputed`` is the mean of the
labels' F1.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from pathlib import Path

from fau.errors import FauError

METRICS = (
    "f1_macro",
    "f1_macro_recomputed",
    "accuracy",
    "landmark_error",
    "landmark_failures",
    "top1_mean",
    "top2_mean",
)
_TEXT = ("method", "corpus", "label_set", "protocol", "part", "paper", "read_in")
TOPS = ("top1", "top2")
ROUNDING = Decimal("0.1")  # by as much a printed mean may differ from that of labels printed with one decimal


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table.

    Attributes:
        method: As a table calls it.
        corpus: What it was tested on, such as ``bp4d``.
        label_set: Labels that its mean is over.
        protocol: Folds, by the name that ``data.protocol`` has for them, else other words; empty if unknown.
        part: What was scored: ``test folds``, ``validation``, ``official test``.
        paper: Authors, place and year.
        read_in: Where the digits were read.
        metrics: Metric to its digits; F1 and accuracy in percent, the others as fractions.
        labels: Label to the digits of its F1 in percent.
        tops: ``top1`` and ``top2`` to each class's digits in percent: how often it is called so, or among the two that
            score highest; empty where not published.
        warnings: What a reader of the row should know.
    """

    method: str
    corpus: str
    label_set: str
    protocol: str
    part: str
    paper: str
    read_in: str
    metrics: dict[str, str]
    labels: dict[str, str]
    tops: dict[str, dict[str, str]]
    warnings: tuple[str, ...]

    @property
    def discrepancy(self) -> str:
        """What is wrong with the printed mean; empty if nothing is."""
        printed, recomputed = (self.metrics.get(key) for key in ("f1_macro", "f1_macro_recomputed"))
        if printed is None or recomputed is None or abs(Decimal(printed) - Decimal(recomputed)) <= ROUNDING:
            return ""
        return f"the mean is printed as {printed}, its labels give {recomputed}"

    def is_of(self, corpus: str, protocol: str) -> bool:
        """Whether a run is of its corpus: by name, or by folds that are named after the corpus (lists of it)."""
        return corpus == self.corpus or protocol.startswith(self.corpus)

    def same_folds(self, protocol: str) -> bool:
        """Whether it was tested on the folds of a protocol, in whatever order."""
        return bool(self.protocol) and self.protocol == protocol.removesuffix("-jaa")


def known() -> dict[str, tuple[PublishedRow, ...]]:
    """Return the rows that come with fau, by the name of their file."""
    folder = files("fau") / "assets" / "published"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".csv"))
    return {name.removesuffix(".csv"): _shipped(name) for name in names}


@cache
def _shipped(name: str) -> tuple[PublishedRow, ...]:
    text = (files("fau") / "assets" / "published" / name).read_text(encoding="utf-8")
    return tuple(parse(text, name))


def asked(name: str) -> tuple[PublishedRow, ...]:
    """Return the rows that an experiment asks for.

    Args:
        name: A file that comes with fau, without ``.csv``, or the path of another.

    Raises:
        FauError: If there is no such file, or it is not of this form.
    """
    shipped = known()
    if name in shipped:
        return shipped[name]
    if not name.endswith(".csv"):
        raise FauError(f"published rows '{name}' are unknown; choose of {', '.join(shipped)}, or give a .csv file")
    try:
        return tuple(parse(Path(name).read_text(encoding="utf-8"), name))
    except (OSError, UnicodeDecodeError) as error:
        raise FauError(f"published rows '{name}' cannot be read ({error}); check the path") from error


def parse(text: str, name: str) -> list[PublishedRow]:
    """Read a file of published rows.

    Args:
        text: Its content.
        name: What errors call it.

    Raises:
        FauError: If a column is missing or unknown, a number is none, or a row has no method.
    """
    reader = csv.DictReader(io.StringIO(text), restval="")
    columns = list(reader.fieldnames or [])
    labels = [column for column in columns if column not in (*_TEXT, *METRICS, "warnings")]
    if missing := [column for column in ("method", "corpus", "label_set") if column not in columns]:
        raise FauError(f"'{name}' lacks the column {missing[0]}, which published rows have; add it")
    rows = []
    for number, line in enumerate(reader, start=2):
        if None in line or not line["method"]:
            fault = "too many cells" if None in line else "no method"
            raise FauError(f"'{name}', line {number}, has {fault}; mend it")
        metrics = {key: line[key] for key in METRICS if line.get(key)}
        scores = {key: line[key] for key in labels if line[key]}
        tops = {
            kind: {key.removeprefix(f"{kind}/"): scores[key] for key in scores if key.startswith(f"{kind}/")}
            for kind in TOPS
        }
        for key, value in (metrics | scores).items():
            if not _is_number(value):
                raise FauError(f"'{name}', line {number}: {key} is '{value}', which is no number; mend it")
        warnings = tuple(part.strip() for part in line.get("warnings", "").split(";") if part.strip())
        about = {key: line.get(key, "") for key in _TEXT}
        labelled = {key: value for key, value in scores.items() if key.partition("/")[0] not in TOPS}
        rows.append(PublishedRow(**about, metrics=metrics, labels=labelled, tops=tops, warnings=warnings))
    return rows


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def choose(
    names: Sequence[str], label_set: str, tested: Sequence[tuple[str, str]], notes: list[str]
) -> list[PublishedRow]:
    """Choose the rows to show beside an experiment's: of the same labels, and of its corpus or a file that it names.

    Args:
        names: What the experiment names: files that come with fau, or paths.
        label_set: Its labels; several sets have ``+`` between them.
        tested: Corpus and protocol of its runs.
        notes: Receives what a name does not lead to.
    """
    found: list[PublishedRow] = []
    for name in names:
        try:
            found += asked(name)
        except FauError as error:
            notes.append(f"{error}; no published row of it is shown")
    for rows in known().values():
        found += [row for row in rows if any(row.is_of(corpus, protocol) for corpus, protocol in tested)]
    kept: list[PublishedRow] = []
    for row in found:
        if row.label_set in label_set.split("+") and row not in kept:
            kept.append(row)
    return kept
