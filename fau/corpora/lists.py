"""Parallel lists of paths and labels of BP4D and DISFA, as the code of papers has them: ME-GraphAU, JAA-Net and kin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from fau.corpora.join import decode, join_labels
from fau.corpora.losses import NOT_ANNOTATED, NOT_CODED, Losses
from fau.corpora.paths import IMAGES, checked
from fau.corpora.tree import Tree, join, natural
from fau.errors import FauError
from fau.labels import LABEL_SETS, au_column


@dataclass(frozen=True)
class Dataset:
    """A corpus that has such lists.

    Attributes:
        name: As file names begin with it: ``BP4D``.
        aus: Action units in the order of the label columns.
        path: Says which frame a path is, by the groups ``subject``, ``task`` and ``frame``; ``task`` may be missing.
        protocol: The protocol that its papers use.
        published: Counts that all lists share, by key.
        frames: Frames in ME-GraphAU's lists.
        positives: How many of them show each action unit.
    """

    name: str
    aus: tuple[int, ...]
    path: str
    protocol: str
    published: Mapping[str, int]
    frames: int
    positives: tuple[int, ...]


DATASETS: Mapping[str, Dataset] = {
    "bp4d": Dataset(
        "BP4D",
        LABEL_SETS["bp4d12"],
        r"(?:^|/)(?<subject>[FM]\d{3})[/_](?<task>T\d+)[/_](?<frame>\d{1,9})\.\w+$",
        "bp4d3",
        {"subjects": 41, "sequences": 328},
        146_847,
        (31_042, 25_110, 29_755, 67_676, 80_616, 87_270, 82_530, 68_375, 24_869, 50_406, 24_288, 22_229),
    ),
    "disfa": Dataset(
        "DISFA",
        LABEL_SETS["disfa8"],
        r"(?<subject>SN\d{3})(?:[/_].*?)?[/_-](?<task>)(?<frame>\d{1,9})\.\w+$",
        "disfa3",
        {"subjects": 27},
        130_814,
        (6_506, 5_644, 19_933, 10_327, 5_473, 16_851, 36_247, 11_533),
    ),
}


@dataclass(frozen=True)
class Pair:
    """Two parallel lists.

    Attributes:
        paths: The list of paths.
        labels: The list of labels.
        part: What the subjects in it are, for people: ``fold 1 tests``; empty for a training list.
    """

    paths: str
    labels: str
    part: str = ""


def choose_dataset(tree: Tree, wanted: str, names: Iterable[str]) -> Dataset:
    """Return the corpus whose lists are read.

    Args:
        tree: Where they are, for the message.
        wanted: ``bp4d``, ``disfa``, or ``auto`` for the one that there is.
        names: Names of the list files.

    Raises:
        FauError: If there are lists of none, or of both and none is chosen.
    """
    there = [key for key in DATASETS if any(name.lower().startswith(key) for name in names)]
    if wanted != "auto":
        if wanted not in there:
            raise FauError(f"'{tree.root}' has no lists of {wanted}; leave --dataset out to read those that there are")
        return DATASETS[wanted]
    if len(there) != 1:
        fault = "no lists of bp4d or disfa; give the folder of the code, with the lists and the pictures in it"
        if there:
            fault = "lists of both bp4d and disfa; choose one with --dataset"
        raise FauError(f"'{tree.root}' has {fault}")
    return DATASETS[there[0]]


def read_lines(tree: Tree, path: str) -> pl.Series:
    """Return the lines of a list, whatever ends them, without empty ones at its end."""
    lines = tree.text(path).replace("\r\n", "\n").rstrip().split("\n")
    return pl.Series([] if lines == [""] else lines, dtype=pl.String)


def same_length(tree: Tree, first: str, count: int, second: str, other: int) -> None:
    """Raise an error if two parallel lists differ in length.

    Args:
        tree: The root.
        first: Path of one list.
        count: Number of its lines.
        second: Path of the other.
        other: Number of its lines.

    Raises:
        FauError: If they do.
    """
    if count != other:
        raise FauError(
            f"'{tree.root / first}' has {count} lines and '{tree.root / second}' {other}, though line k of both is one "
            "image; get the complete lists, or make them again with the code that they belong to"
        )


def keys(paths: pl.Series, dataset: Dataset) -> pl.DataFrame:
    """Return what paths say: ``subject``, ``sequence`` and ``frame``; null for a path of another form."""
    parts = paths.str.replace_all("\\", "/", literal=True).str.extract_groups(dataset.path).struct.unnest()
    sequence = (
        pl.when(pl.col("task").fill_null("") == "").then("subject").otherwise(pl.format("{}/{}", "subject", "task"))
    )
    return parts.select("subject", sequence.alias("sequence"), pl.col("frame").cast(pl.Int32))


def read_paths(tree: Tree, path: str, dataset: Dataset) -> pl.DataFrame:
    """Return what each path of a list says.

    Raises:
        FauError: If a path leads out of the folder or is of another form.
    """
    where = f"'{tree.root / path}'"
    lines = read_lines(tree, path)
    table = keys(checked(lines, where), dataset)
    strange = lines.filter(table["frame"].is_null())
    if len(strange):
        raise FauError(
            f"{where} names '{strange[0]}', from which no frame of {dataset.name} is known; correct that line"
        )
    return table


def read_pairs(tree: Tree, pairs: Sequence[Pair], dataset: Dataset) -> tuple[pl.DataFrame, list[str]]:
    """Return the labels of all frames that some lists name, and what was found out.

    Args:
        tree: Where the lists are.
        pairs: A frame may be in several of them.
        dataset: Whose they are.

    Returns:
        ``subject``, ``sequence``, ``frame`` and a column for each action unit, one row a frame.

    Raises:
        FauError: If two lists differ in length, a code is unknown, or lists contradict each other.
    """
    parts, found = [], []
    for pair in pairs:
        table = read_paths(tree, pair.paths, dataset)
        lines = read_lines(tree, pair.labels)
        same_length(tree, pair.paths, len(table), pair.labels, len(lines))
        if not len(lines):
            found.append(f"'{pair.paths}' is empty")
            continue
        labels = _read_codes(lines, str(tree.root / pair.labels), dataset)
        parts.append(pl.concat([table, labels], how="horizontal").with_columns(list=pl.lit(pair.labels)))
    if not parts:
        raise FauError(f"all lists of {dataset.name} under '{tree.root}' are empty; get the complete ones")
    rows = pl.concat(parts)
    codes = [au_column(au) for au in dataset.aus]
    once = rows.unique(["sequence", "frame", *codes], keep="first", maintain_order=True)
    apart = once.filter(once.select("sequence", "frame").is_duplicated()).sort("sequence", "frame")
    if len(apart):
        first = f"{apart['sequence'][0]}/{apart['frame'][0]}"
        raise FauError(
            f"'{apart['list'][0]}' and '{apart['list'][1]}' give {first} different labels; make the lists "
            "again with the code that they belong to"
        )
    found += _folds(pairs, parts)
    return once.drop("list"), found


def _read_codes(lines: pl.Series, where: str, dataset: Dataset) -> pl.DataFrame:
    """Return a list of labels as one column an action unit; 9 is null."""
    cells = lines.str.extract_all(r"[^\s,]+")
    strange = cells.list.len() != len(dataset.aus)
    if strange.any():
        line = int(strange.arg_max() or 0)
        raise FauError(
            f"line {line + 1} of '{where}' has {len(cells[line])} columns; lists of {dataset.name} have "
            f"{len(dataset.aus)}: {', '.join(map(str, dataset.aus))}"
        )
    columns = []
    for i, au in enumerate(dataset.aus):
        codes = decode(cells.list.get(i), f"'{where}', AU{au},", (0, 1), (9,))
        columns.append(codes.cast(pl.Int8).alias(au_column(au)))
    return pl.DataFrame(columns)


def _folds(pairs: Sequence[Pair], parts: Sequence[pl.DataFrame]) -> list[str]:
    """Say which subjects the lists test in which fold, and where lists divide a subject."""
    subjects = {part["list"][0]: set(part["subject"].unique()) for part in parts}
    found, tested = [], dict[str, str]()
    for pair in pairs:
        if not pair.part or pair.labels not in subjects:
            continue
        names = sorted(subjects[pair.labels], key=natural)
        found.append(f"{pair.part}: {len(names)} subjects, {' '.join(names)}")
        for name in names:
            if tested.setdefault(name, pair.part) != pair.part:
                found.append(f"caution: subject {name} is in {tested[name]} and in {pair.part}")
    return found


def list_images(tree: Tree, folder: str, dataset: Dataset, losses: Losses) -> pl.DataFrame:
    """Return the frames of a folder of pictures by what their paths say: the keys and ``path``.

    Args:
        tree: The root.
        folder: Where the pictures lie, below the root.
        dataset: Which paths to expect.
        losses: Takes pictures that are of no frame.

    Raises:
        FauError: If two pictures are one frame.
    """
    paths = []
    for place, files in tree.walk(folder):
        paths += [join(place, name) for name in files if name.lower().endswith(IMAGES)]
    table = pl.DataFrame({"path": paths}, schema={"path": pl.String})
    images = pl.concat([table, keys(table["path"], dataset)], how="horizontal").drop_nulls("frame")
    rest = table.join(images, on="path", how="anti")
    for other in DATASETS.values():  # both may lie side by side
        rest = rest.filter(keys(rest["path"], other)["frame"].is_null())
    losses.add(NOT_CODED, rest["path"])
    twice = images.filter(images.select("sequence", "frame").is_duplicated()).sort("sequence", "frame")
    if len(twice):
        raise FauError(
            f"'{twice['path'][0]}' and '{twice['path'][1]}' are one frame; give --images the folder of one of them"
        )
    return images


def join_lists(images: pl.DataFrame, labels: pl.DataFrame, dataset: Dataset, losses: Losses) -> pl.DataFrame:
    """Return the frames with picture and label in natural order, with ``id``; note the others.

    Args:
        images: Of ``list_images``.
        labels: With ``sequence``, ``frame`` and a column an action unit.
        dataset: Of both.
        losses: Takes what has no partner, and frames without any label.
    """
    codes = [au_column(au) for au in dataset.aus]
    joined = join_labels(images, labels.drop("subject"), ("sequence", "frame"), losses)
    joined = joined.with_columns(pl.format("{}/{}", "sequence", "frame").alias("id"))
    blank = pl.all_horizontal(pl.col(*codes).is_null())
    losses.add(NOT_ANNOTATED, joined.filter(blank)["id"])
    joined = joined.filter(~blank)
    order = {name: i for i, name in enumerate(sorted(joined["sequence"].unique(), key=natural))}
    return joined.sort(pl.col("sequence").replace_strict(order, return_dtype=pl.Int64), "frame")


def join_pictures(
    pictures: Tree, folder: str, labels: pl.DataFrame, dataset: Dataset, first: str, losses: Losses
) -> pl.DataFrame:
    """Return the pictures of a folder with their labels.

    Args:
        pictures: Their root.
        folder: Where they lie, below the root.
        labels: With ``sequence``, ``frame`` and a column an action unit.
        dataset: Of both.
        first: The first list, for messages.
        losses: Takes what has no partner, and frames without any label.

    Raises:
        FauError: If none of the frames that the lists name is there.
    """
    rows = join_lists(list_images(pictures, folder, dataset, losses), labels, dataset, losses)
    if not len(rows):
        raise FauError(
            f"none of the frames in '{first}' and the other lists is under '{pictures.root / folder}'; say with "
            "--images where the pictures are"
        )
    return rows
