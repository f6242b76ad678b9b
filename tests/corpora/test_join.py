"""Joining by keys and decoding codes."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fau.corpora.join import classes, decode, join_labels
from fau.corpora.losses import NO_IMAGE, NOT_CODED, Losses
from fau.corpora.registry import corpora, corpus
from fau.errors import FauError

FRAMES = st.lists(st.integers(0, 40), unique=True, max_size=20)


@given(FRAMES, FRAMES)
def test_what_joins_and_what_is_left_make_the_whole(images: list[int], labels: list[int]) -> None:
    losses = Losses()
    left = pl.DataFrame({"s": ["F001"] * len(images), "f": images}, schema={"s": pl.String, "f": pl.Int32})
    right = pl.DataFrame(
        {"s": ["F001"] * len(labels), "f": labels, "au": [f % 2 for f in labels]},
        schema={"s": pl.String, "f": pl.Int32, "au": pl.Int8},
    )
    joined = join_labels(left, right, ("s", "f"), losses)
    assert joined["f"].to_list() == [frame for frame in images if frame in labels]
    assert joined["au"].to_list() == [frame % 2 for frame in joined["f"]]
    assert losses.counts.get(NOT_CODED, 0) == len(set(images) - set(labels))
    assert losses.counts.get(NO_IMAGE, 0) == losses.unexpected == len(set(labels) - set(images))
    assert set(losses.frame["id"]) == {f"F001/{frame}" for frame in set(images) ^ set(labels)}


def test_a_frame_labelled_twice_is_refused() -> None:
    labels = pl.DataFrame({"s": ["F001", "F001"], "f": [3, 3]})
    with pytest.raises(FauError, match="two labels are given for F001/3"):
        join_labels(labels.head(1), labels, ("s", "f"), Losses())


def test_codes() -> None:
    assert decode(pl.Series([" 0", "1", "9", "", None]), "x", (0, 1), (9,)).to_list() == [0, 1, None, None, None]
    assert decode(pl.Series([0.5, -5.0]), "x", (0.5,), (-5,)).to_list() == [0.5, None]
    for strange in ("2", "-1", "yes", "nan", "1e999"):
        with pytest.raises(FauError, match=f"a.csv, AU6 holds the unknown code '{strange}'; known are 0, 1, and 9"):
            decode(pl.Series(["0", strange]), "a.csv, AU6", (0, 1), (9,))


def test_class_codes() -> None:
    names = {0: "neutral", 1: "happiness", 8: None}
    assert classes(pl.Series([1, 0, 8, -1]), "x", names, (-1,)).to_list() == ["happiness", "neutral", None, None]
    with pytest.raises(FauError, match="unknown code '7'"):
        classes(pl.Series([7]), "x", names)


def test_losses_are_written_with_their_causes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    losses = Losses()
    losses.add(NO_IMAGE, ["a", "b"])
    losses.add(NOT_CODED, [])
    more = Losses()
    more.add(NO_IMAGE, pl.Series(["c"]))
    losses.extend(more)
    assert losses.counts == {NO_IMAGE: 3}
    losses.write(tmp_path / "losses.csv")
    assert pl.read_csv(tmp_path / "losses.csv").rows() == [(NO_IMAGE, "a"), (NO_IMAGE, "b"), (NO_IMAGE, "c")]


def test_an_unknown_corpus_names_the_known() -> None:
    with pytest.raises(FauError, match=r"corpus 'bp5d' is unknown; choose one of .*bp4d, .*disfa"):
        corpus("bp5d")
    assert all(name == reader.name for name, reader in corpora().items())
