"""Tables as files: found in a tree, opened lazily, and the columns of them that are used."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import IO

import polars as pl

from fau.corpora import naming
from fau.corpora.columns import ABOUT_PEOPLE, Columns
from fau.corpora.tree import Tree, inside
from fau.errors import FauError

KINDS = ("*.csv", "*.tsv", "*.parquet", "*.jsonl", "*.ndjson")
_WHOLE = ("frame", "position")
_CHUNK = 1 << 24  # bytes


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


def encoding(tree: Tree, file: str) -> str:
    """Return how the text of a table is written: ``utf-8``, ``utf-16`` by its byte order mark, else ``latin-1``."""
    if file.lower().endswith(".parquet"):
        return "utf-8"
    with tree.open(file) as stream:
        chunk = stream.read(_CHUNK)
        if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = stream.read(_CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def _source(tree: Tree, file: str) -> Path | io.BytesIO:
    """Return where a table is on disk, or its content, as UTF-8."""
    written = encoding(tree, file)
    place = tree.on_disk(file)
    if written == "utf-8":
        return place if place is not None else io.BytesIO(tree.read(file))
    try:
        return io.BytesIO(tree.read(file).decode(written).encode())
    except UnicodeError as error:
        raise FauError(f"{file} cannot be read as a table: it is no {written}; save it as UTF-8") from error


def _scan(source: Path | io.BytesIO, file: str) -> pl.LazyFrame:
    """Return a table without reading it; CSV as text."""
    if file.lower().endswith(".parquet"):
        return pl.scan_parquet(source, glob=False)
    if file.lower().endswith((".jsonl", ".ndjson")):
        return pl.scan_ndjson(source, infer_schema_length=1000)
    separator = _separator(source)
    return pl.scan_csv(source, separator=separator, infer_schema=False, encoding="utf8-lossy", glob=False)


def _lines(source: Path | io.BytesIO) -> IO[bytes]:
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source.getvalue())


def _separator(source: Path | io.BytesIO) -> str:
    with _lines(source) as stream:
        head = stream.readline()
    return max((",", ";", "\t"), key=lambda character: head.count(character.encode()))


def _check_lines(source: Path | io.BytesIO, file: str, width: int) -> None:
    """Refuse a CSV with a line that ends early: what it lacks would be read as not known.

    Lines with quotes, in which a separator may be text, are not looked at.

    Raises:
        FauError: If a line has fewer cells than there are columns.
    """
    separator = _separator(source).encode()
    quoted = False
    with _lines(source) as stream:
        for number, line in enumerate(stream, 1):
            if b'"' in line:
                quoted ^= line.count(b'"') % 2 == 1
            elif not quoted and line.count(separator) < width - 1 and line.strip(b" \r\n\t,;"):
                raise FauError(
                    f"line {number} of {file} has {line.count(separator) + 1} cells where there are {width} columns; "
                    "correct it, or fetch the file again"
                )


def header(tree: Tree, file: str) -> list[str]:
    """Return the names of a table's columns as they are.

    Raises:
        FauError: If it cannot be read.
    """
    try:
        return _scan(_source(tree, file), file).collect_schema().names()
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
    texts = ("path", "subject", "sequence", "split", "expression", "face", *ABOUT_PEOPLE)
    numbers = {role: name for role, name in columns.roles.items() if role not in texts}
    numbers |= {f"score {name}": own for name, own in columns.scores.items()}
    for kind, known in columns.kinds.items():
        numbers |= {f"{kind} {au}": name for au, name in known.items()}
    try:
        source = _source(tree, file)
        lazy = _scan(source, file)
        schema = lazy.collect_schema()
        if file.lower().endswith((".csv", ".tsv")):
            _check_lines(source, file, len(schema))
        wanted = [_text(role, own) for role, own in columns.roles.items() if role in texts]
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


def _text(role: str, name: str) -> pl.Expr:
    """Return a column as text without blanks around it; without any other character it is null."""
    return pl.col(name).cast(pl.String).str.strip_chars().replace("", None).alias(role)


def _number(role: str, name: str, kind: pl.DataType) -> tuple[pl.Expr, pl.Expr]:
    """Return a column as numbers, and whether a cell is something else; blanks and NaN are null."""
    text = pl.lit(None, pl.String)
    number = pl.col(name)
    if not kind.is_numeric() and kind != pl.Boolean:
        text = pl.col(name).cast(pl.String).str.strip_chars()
        number = text
    number = number.cast(pl.Float64, strict=False)
    odd = number.is_null() & text.is_not_null() & ~text.is_in(naming.BLANK)
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
