"""What people call expressions and the parts of a corpus, and what ``fau.labels`` calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import polars as pl

from fau.errors import FauError
from fau.labels import EXPRESSIONS

_EXPRESSIONS: Mapping[str, tuple[str, ...]] = {
    "neutral": ("neutral", "neutrality"),
    "anger": ("anger", "angry"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "happiness": ("happiness", "happy", "joy", "joyful"),
    "sadness": ("sadness", "sad"),
    "surprise": ("surprise", "surprised", "suprise"),
    "contempt": ("contempt", "contemptuous"),
    "other": ("other", "others"),
}
_EXPRESSION_OF = {word: name for name, words in _EXPRESSIONS.items() for word in words}

_SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "trainset", "train_set"),
    "val": ("val", "valid", "validation", "dev", "development", "validation_set", "val_set"),
    "test": ("test", "testing", "testset", "test_set"),
}
_SPLIT_OF = {word: name for name, words in _SPLITS.items() for word in words}

# Words that tables write where nothing is known.
BLANK = (
    *("", "NA", "na", "N/A", "n/a", "nan", "NaN", "NAN"),
    *("null", "Null", "NULL", "none", "None", "NONE"),
)


def expression(word: str) -> str | None:
    """Return the expression that a word such as ``Happy`` or ``3_happy`` means; None if it means none."""
    return _EXPRESSION_OF.get(re.sub(r"^\d+[\s_.-]+", "", word.strip().lower()))


def split(word: str) -> str | None:
    """Return the part of a corpus that a word such as ``Training`` means; None if it means none."""
    return _SPLIT_OF.get(word.strip().lower())


def official(parts: pl.Series) -> bool:
    """Tell whether parts are a division to test by: all rows are in one, some of them in train, some not."""
    return not parts.has_nulls() and "train" in parts and parts.n_unique() > 1


def alike(names: pl.Series) -> list[list[str]]:
    """Return groups of names that differ only by case, blanks, or zeros that add nothing to a number.

    Such are ``P1`` and ``p 1``, or ``1``, ``01`` and ``1.0``.
    """
    own = pl.DataFrame({"name": names.drop_nulls().unique()})
    key = pl.col("name").str.to_lowercase().str.replace_all(r"\s+", "").str.replace(r"^(\d+)\.0*$", "$1")
    key = key.str.replace_all(r"(^|\D)0+(\d)", "$1$2")
    groups = own.group_by(key.alias("key")).agg(pl.col("name").sort()).filter(pl.col("name").list.len() > 1)
    return groups.sort("key")["name"].to_list()


def class_codes(option: str) -> dict[str, str]:
    """Read the option ``classes``: what the codes of classes mean.

    Args:
        option: Expressions in the order of their codes from 0 (``neutral,happy,sad``), or pairs
            (``1=surprise,2=fear``); a code that starts with a letter works too.

    Returns:
        Names of ``fau.labels.EXPRESSIONS`` by code.

    Raises:
        FauError: If a name is no expression or a code occurs twice.
    """
    codes: dict[str, str] = {}
    for i, part in enumerate(option.split(",") if option.strip() else []):
        code, sign, word = part.partition("=")
        if not sign:
            code, word = str(i), code
        name = expression(word)
        if name is None:
            raise FauError(f"option classes names '{word.strip()}', which is no expression of {', '.join(EXPRESSIONS)}")
        if code.strip() in codes:
            raise FauError(f"option classes gives code '{code.strip()}' twice; leave one out")
        codes[code.strip()] = name
    return codes


def expressions(values: pl.Series, where: str, codes: Mapping[str, str], missing: tuple[float, ...] = ()) -> pl.Series:
    """Return words or codes of classes as names of ``fau.labels.EXPRESSIONS``; blank and missing codes as null.

    Args:
        values: Words, or codes that ``codes`` explains; what ``codes`` explains is never missing.
        where: File and column, for the message.
        codes: Meaning of codes, from ``class_codes``.
        missing: Numbers that say that nothing is known.

    Raises:
        FauError: If a word means no expression.
    """
    return _renamed(
        values,
        lambda word: codes.get(word, expression(word)),
        f"{where} holds the unknown expression '{{}}'; known are {', '.join(EXPRESSIONS)} and common forms of these, "
        "and option classes says what numbers mean, such as --classes neutral,happy,sad",
        missing,
    )


def splits(values: pl.Series, where: str) -> pl.Series:
    """Return words for parts of a corpus as names of ``fau.labels.SPLITS``; blank as null.

    Raises:
        FauError: If a word means none.
    """
    message = f"{where} holds the unknown part '{{}}'; known are train, val and test, and common forms of these"
    return _renamed(values, split, message, ())


def _renamed(
    values: pl.Series, name_of: Callable[[str], str | None], message: str, missing: tuple[float, ...]
) -> pl.Series:
    text = values.cast(pl.String).str.strip_chars().str.replace(r"^(-?\d+)\.0+$", "$1")
    names: dict[str, str | None] = {}
    for word in text.drop_nulls().unique(maintain_order=True):
        names[word] = name_of(word)
        if names[word] is None and word not in BLANK and _number(word) not in missing:
            raise FauError(message.format(word))
    return text.replace_strict(names, default=None, return_dtype=pl.String).alias(values.name)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
