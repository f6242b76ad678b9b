"""Joining labels to images by their keys, and decoding label codes; never line by line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from fau.corpora.losses import NO_IMAGE, NOT_CODED, Losses
from fau.errors import FauError


def join_labels(
    images: pl.DataFrame, labels: pl.DataFrame, on: Sequence[str], losses: Losses, spell: str = "{}/{}"
) -> pl.DataFrame:
    """Return images with their labels, in the order of the images; note what fails to join.

    Args:
        images: One row an image.
        labels: One row a label; a key that occurs twice must not.
        on: The key columns of both, such as ``("sequence", "frame")``.
        losses: Takes images without label and labels without image.
        spell: How an id is written from the key columns.

    Raises:
        FauError: If a key occurs twice among the labels.
    """
    keys = list(on)
    twice = labels.filter(labels.select(keys).is_duplicated())
    if len(twice):
        raise FauError(f"two labels are given for {spell.format(*twice.select(keys).row(0))}; remove one of them")
    names = pl.format(spell, *[pl.col(key) for key in keys])
    losses.add(NOT_CODED, images.join(labels, on=keys, how="anti").select(names).to_series())
    losses.add(NO_IMAGE, labels.join(images, on=keys, how="anti").select(names).to_series())
    return images.join(labels, on=keys, how="inner", maintain_order="left")


def decode(
    codes: pl.Series, where: str, known: Collection[float] | range, missing: Collection[float] = ()
) -> pl.Series:
    """Return label codes as Float32, the codes for missing as null.

    Args:
        codes: Numbers or text of numbers; blank is null.
        where: File and column, for the message.
        known: Codes that say something.
        missing: Codes that say that nothing is known.

    Raises:
        FauError: If a code is neither.
    """
    text = codes.cast(pl.String).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    strange = text.filter((numbers.is_null() & text.is_not_null() & (text != "")) | numbers.is_nan())
    if not len(strange):
        allowed = pl.Series([float(code) for code in (*known, *missing)], dtype=pl.Float64)
        strange = text.filter(numbers.is_not_null() & ~numbers.is_in(allowed.implode()))
    if len(strange):
        raise FauError(f"{where} holds the unknown code '{strange[0]}'; known are {_spell(known, missing)}")
    gone = pl.Series([float(code) for code in missing], dtype=pl.Float64)
    kept = pl.select(pl.when(numbers.is_in(gone.implode())).then(None).otherwise(numbers)).to_series()
    return kept.cast(pl.Float32).alias(codes.name)


def classes(codes: pl.Series, where: str, names: Mapping[int, str | None], missing: Collection[int] = ()) -> pl.Series:
    """Return class codes as names of ``fau.labels.EXPRESSIONS``; a class that maps to None, and missing, as null.

    Args:
        codes: Numbers, or their text.
        where: File and column, for messages.
        names: Of each code.
        missing: Codes that mean "not known".

    Raises:
        FauError: If a code is unknown.
    """
    numbers = decode(codes, where, list(names), missing).cast(pl.Int32)
    return numbers.replace_strict(dict(names), default=None, return_dtype=pl.String).alias(codes.name)


def _spell(known: Collection[float], missing: Collection[float]) -> str:
    spelled = ", ".join(f"{code:g}" for code in known)
    return spelled + (f", and {', '.join(f'{code:g}' for code in missing)} for missing" if missing else "")
