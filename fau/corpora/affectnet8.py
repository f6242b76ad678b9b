"""AffectNet as delivered in 2021: eight classes, cropped images, annotations in one .npy file each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from math import prod
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.folders import find_folders
from fau.corpora.losses import NO_IMAGE, NOT_CODED, Losses
from fau.corpora.tree import Tree, join
from fau.errors import FauError

INCOMPLETE = "image without all its annotation files"
BROKEN = "unreadable annotation file"

_CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
_KINDS = ("exp", "val", "aro", "lnd")
_TRAIN = (74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882, 3_750)
_INVALID = -2.0


class AffectNet8(Corpus):
    """AffectNet's delivery of 2021: ``train_set`` and ``val_set`` with ``images`` and ``annotations``.

    Image ``<id>.jpg`` (224 pixels square, recalled) has ``<id>_exp.npy``, ``_val.npy``, ``_aro.npy`` and ``_lnd.npy``;
    a number may stand there as text (inferred). An image without all four is left out. The literature tests on the
    owner's validation set: rows have split ``train`` and ``test``. Nobody says who is in an image.
    """

    name: ClassVar[str] = "affectnet8"
    title: ClassVar[str] = "AffectNet-8 (2021)"
    ask: ClassVar[str] = "University of Denver, M. H. Mahoor: form signed by a professor or laboratory manager"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("annotations of expressions", ("annotations/*_exp.npy",)),
        Sign("training set", ("train_set/images/*.jpg",)),
        Sign("validation set", ("val_set/images/*.jpg",)),
    )
    landmark_set: str = "68"
    protocol: str = "official"
    published: Mapping[str, int] = {
        "crops": 287_651 + 3_999,
        **{f"train/{name}": count for name, count in zip(_CLASSES, _TRAIN, strict=True)},
    }

    def list(self) -> Listing:
        """Return a row for each image with all four annotation files; see ``Corpus.list``.

        Every number is a file of its own: this opens three for each image.

        Raises:
            FauError: If there is no set with images and annotations, or an annotation is none.
        """
        losses = Losses()
        parts = []
        for name, split in (("train_set", "train"), ("val_set", "test")):
            for place in find_folders(self.tree, (name,), skip=("images", "annotations")):
                if self.tree.is_folder(f"{place}/images") and self.tree.is_folder(f"{place}/annotations"):
                    parts.append(_read_set(self.tree, place, name, losses).with_columns(split=pl.lit(split)))
        if not parts:
            raise FauError(
                f"'{self.tree.root}' has no folder 'train_set' or 'val_set' with 'images' and 'annotations' in it; "
                "give the folder that holds them"
            )
        rows = pl.concat(parts)
        twice = rows.filter(rows["id"].is_duplicated())
        if len(twice):
            raise FauError(f"'{twice['path'][0]}' and '{twice['path'][1]}' are one image; move one of their sets away")
        return Listing(to_rows(rows, self.aus), losses)

    def landmarks(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        """Return the 68 points of each row, NaN where their file is broken; see ``Corpus.landmarks``."""
        points = np.full((len(rows), 68, 2), np.nan, np.float32)
        for i, path in enumerate(rows["path"]):
            place, _, name = path.rsplit("/", 2)
            values = _numbers(self.tree.read(f"{place}/annotations/{name.rsplit('.', 1)[0]}_lnd.npy"))
            if values is not None and values.size == 136:
                points[i] = values.reshape(68, 2)
        return points


def _read_set(tree: Tree, place: str, name: str, losses: Losses) -> pl.DataFrame:
    """Return the rows of one set: ``id``, ``path`` and labels, in the order of the ids."""
    images = pl.DataFrame({"file": tree.folder(f"{place}/images")[1]}, schema={"file": pl.String})
    images = images.with_columns(pl.col("file").str.extract(r"(?i)^(\d+)\.(?:jpe?g|png)$").alias("key")).drop_nulls()
    files = pl.Series(tree.folder(f"{place}/annotations")[1], dtype=pl.String)
    kinds = pl.DataFrame({"key": files.str.extract(r"^(\d+)_(?:exp|val|aro|lnd)\.npy$")}).drop_nulls()
    kinds = kinds.group_by("key").agg(pl.len().alias("kinds"))
    losses.add(NO_IMAGE, _ids(name, kinds.join(images, on="key", how="anti")))
    rows = images.join(kinds, on="key", how="left", maintain_order="left")
    losses.add(NOT_CODED, _ids(name, rows.filter(pl.col("kinds").is_null())))
    losses.add(INCOMPLETE, _ids(name, rows.filter(pl.col("kinds") < len(_KINDS))))
    rows = rows.filter(pl.col("kinds") == len(_KINDS))
    keys = rows["key"].to_list()
    folder = f"{place}/annotations"
    values = {kind: np.fromiter(_scalars(tree, folder, keys, kind), np.float64, len(keys)) for kind in _KINDS[:3]}
    broken = np.logical_or.reduce([np.isnan(column) for column in values.values()])
    losses.add(BROKEN, _ids(name, rows.filter(pl.Series(broken, dtype=pl.Boolean))))
    _check(tree, folder, keys, values)
    return rows.select(
        pl.concat_str(pl.lit(f"{name}/"), "key").alias("id"),
        pl.concat_str(pl.lit(f"{place}/images/"), "file").alias("path"),
        pl.Series("expression", values["exp"], nan_to_null=True)
        .cast(pl.Int32)
        .replace_strict(dict(enumerate(_CLASSES)), return_dtype=pl.String),
        *(
            pl.when(pl.Series(values[kind]) != _INVALID).then(pl.Series(values[kind])).alias(column)
            for kind, column in (("val", "valence"), ("aro", "arousal"))
        ),
    ).filter(~pl.Series(broken, dtype=pl.Boolean))


def _ids(name: str, rows: pl.DataFrame) -> pl.Series:
    keys = rows.select(pl.col("key").sort_by(pl.col("key").cast(pl.Int64, strict=False))).to_series()
    return f"{name}/" + keys


def _scalars(tree: Tree, folder: str, keys: list[str], kind: str) -> Iterator[float]:
    """Yield the number of each file; NaN for one that cannot be read as a number."""
    for content in _contents(tree, folder, [f"{key}_{kind}.npy" for key in keys]):
        values = _numbers(content)
        yield values[0] if values is not None and values.size == 1 else np.nan


def _contents(tree: Tree, folder: str, names: list[str]) -> Iterator[bytes]:
    """Yield the content of each file of a folder: a million of them, hence without the layers of ``Tree.read``."""
    place = tree.on_disk(folder)
    if place is None:
        yield from (tree.read(join(folder, name)) for name in names)
        return
    for name in names:
        try:
            with open(f"{place}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
                yield file.readall()
        except OSError as error:
            raise FauError(f"'{place / name}' cannot be read: {error.strerror}") from error


def _check(tree: Tree, folder: str, keys: list[str], values: Mapping[str, NDArray[np.float64]]) -> None:
    """Raise an error that names the first file with a strange number."""
    for kind, column in values.items():
        if kind == "exp":
            strange, known = ~np.isin(column, range(len(_CLASSES))), "0 to 7"
        else:
            strange, known = (np.abs(column) > 1) & (column != _INVALID), "-1 to 1, and -2 for missing"
        strange &= ~np.isnan(column)
        if strange.any():
            first = int(strange.argmax())
            raise FauError(
                f"'{tree.root / folder / keys[first]}_{kind}.npy' holds the unknown code '{column[first]:g}'; "
                f"known are {known}"
            )


def _numbers(content: bytes) -> NDArray[np.float64] | None:
    """Return the numbers of a .npy file, flat; None if it is none, or one that would run code."""
    try:
        shape, kind, start = _header(content[: 10 + int.from_bytes(content[8:10], "little")])
        return np.frombuffer(content, kind, prod(shape), start).astype(np.float64)
    except (ValueError, TypeError):
        return None


@lru_cache(maxsize=64)  # all files of a kind begin alike, and parsing that takes most of the time
def _header(content: bytes) -> tuple[tuple[int, ...], np.dtype[np.generic], int]:
    stream = BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("another version of the format")
    shape, _, kind = np.lib.format.read_array_header_1_0(stream)
    if kind.hasobject:
        raise ValueError("Python objects are not read")
    return shape, kind, stream.tell()
