"""Tables as files: found in a tree, opened lazily, and the columns of them that are used."""

from __future__ import annotations

import io

import polars as pl

from fau.corpora import naming
from fau.corpora.columns import Columns
from fau.corpora.tree import Tree, inside
from fau.errors import FauError

KINDS = ("*.csv", "*.tsv", "*.parquet", "*.jsonl", "*.ndjson")
_BLANK = ("", "NA", "N/A", "nan", "NaN", "null", "NULL", "None")
_WHOLE = ("frame", "position")


def tables(tree: Tree, chosen: str) -> list[str]:
    """Return the paths of the table, or of the tables that are parts of it.

    Args:
        tree: Where to look.
        chosen: A table or a folder of tables; empty looks for ``metadata`` files, else for the only table or for one
            table a part (``train.csv``, ``test.csv``).

    Raises:
        FauError: If there is none, or it is not clear which.
    """
    if chosen:
        path = inside(chosen, "option table")
        if tree.is_file(path):
            return [path]
        if not tree.is_folder(path):
            raise FauError(f"option table names '{chosen}', which is no file or folder in '{tree.root}'")
        files = [file for file in tree.find(*KINDS, under=path) if file.rpartition("/")[0] == path]
        if not files:
            raise FauError(f"folder '{chosen}' holds no table; give one of {', '.join(KINDS)}")
        return files
    files = tree.find(*(f"metadata.{kind}" for kind in ("csv", "jsonl", "parquet")))
    if files:
        return files
    files = tree.find(*KINDS)
    if not files:
        raise FauError(f"'{tree.root}' holds no table ({', '.join(KINDS)}); give the folder that does")
    parts = [naming.split(file.rpartition("/")[2].rpartition(".")[0]) for file in files]
    one_folder = len({file.rpartition("/")[0] for file in files}) == 1
    if len(files) > 1 and not (one_folder and None not in parts and len(set(parts)) == len(parts)):
        shown = ", ".join(files[:6]) + (" ..." if len(files) > 6 else "")
        raise FauError(f"'{tree.root}' holds {len(files)} tables ({shown}); choose one, or a folder, with --table")
    return files


def _scan(tree: Tree, file: str) -> pl.LazyFrame:
    """Return a table without reading it; CSV as text."""
    place = tree.on_disk(file)
    source = place if place is not None else io.BytesIO(tree.read(file))
    if file.lower().endswith(".parquet"):
        return pl.scan_parquet(source, glob=False)
    if file.lower().endswith((".jsonl", ".ndjson")):
        return pl.scan_ndjson(source, infer_schema_length=1000)
    with tree.open(file) as stream:
        head = stream.readline()
    separator = max((",", ";", "\t"), key=lambda character: head.count(character.encode()))
    return pl.scan_csv(source, separator=separator, infer_schema=False, encoding="utf8-lossy", glob=False)


def header(tree: Tree, file: str) -> list[str]:
    """Return the names of a table's columns as they are.

    Raises:
        FauError: If it cannot be read.
    """
    try:
        return _scan(tree, file).collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FauError(f"{file} cannot be read as a table: {str(error).splitlines()[0]}") from error


def select(tree: Tree, file: str, columns: Columns) -> pl.DataFrame:
    """Return the columns of a table that are used, under our names.

    Returns:
        Texts as String under their role; labels as Float32 and frames as Int32 under their role, ``plain 1``,
        ``occurrence 1`` or ``intensity 1`` for AU1, and ``score happiness``; blank and NaN as null.

    Raises:
        FauError: If the table cannot be read, or a number is none.
    """
    texts = ("path", "subject", "sequence", "split", "expression", "face")
    numbers = {role: name for role, name in columns.roles.items() if role not in texts}
    numbers |= {f"score {name}": own for name, own in columns.scores.items()}
    for kind, known in columns.kinds.items():
        numbers |= {f"{kind} {au}": name for au, name in known.items()}
    try:
        lazy = _scan(tree, file)
        schema = lazy.collect_schema()
        wanted = [pl.col(own).cast(pl.String).alias(role) for role, own in columns.roles.items() if role in texts]
        strange = []
        for role, own in numbers.items():
            number, odd = _number(role, own, schema[own])
            wanted.append(number.cast(pl.Int32 if role in _WHOLE else pl.Float32, strict=False).alias(role))
            strange.append(odd)
        plan = lazy.select(*wanted, pl.any_horizontal(pl.lit(False), *strange).alias("strange"))
        blank = pl.all_horizontal(pl.exclude("strange").is_null())  # an empty line of a CSV
        rows = plan.filter(~blank | pl.col("strange")).collect(engine="streaming")
        if rows["strange"].any():
            raise FauError(_first_strange(lazy, numbers, schema, file))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FauError(f"{file} cannot be read as a table: {str(error).splitlines()[0]}") from error
    return rows.drop("strange")


def _number(role: str, name: str, kind: pl.DataType) -> tuple[pl.Expr, pl.Expr]:
    """Return a column as numbers, and whether a cell is something else; blanks and NaN are null."""
    text = pl.lit(None, pl.String)
    number = pl.col(name)
    if not kind.is_numeric() and kind != pl.Boolean:
        text = pl.col(name).cast(pl.String).str.strip_chars()
        number = text
    number = number.cast(pl.Float64, strict=False)
    odd = number.is_null() & text.is_not_null() & ~text.is_in(_BLANK)
    number = number.fill_nan(None)
    if role in _WHOLE:
        odd |= (number != number.round()) | (number.abs() >= 2**31)
    return number, odd.fill_null(False)


def _first_strange(lazy: pl.LazyFrame, numbers: dict[str, str], schema: pl.Schema, file: str) -> str:
    for role, name in numbers.items():
        _, odd = _number(role, name, schema[name])
        cell = lazy.filter(odd).select(name).head(1).collect()
        if len(cell):
            kind = "whole number" if role in _WHOLE else "number"
            return f"column '{name.strip()}' of {file} holds '{cell[name][0]}', which is no {kind}; correct it"
    return f"{file} holds something that is no number"
