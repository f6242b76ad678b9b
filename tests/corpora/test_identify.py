"""Which corpus a folder looks like, from some of its names."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

import fau.corpora.identify
from fau.corpora.base import Corpus, Listing, Sign
from fau.corpora.identify import Match, identify, identify_below, told_what_it_is
from fau.corpora.options import about, options
from fau.corpora.tree import Tree
from fau.errors import FauError


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def names(matches: list[Match]) -> list[str]:
    return [match.corpus.name for match in matches if match.fits]


BP4D = ("AUCoding/AU_OCC/F001_T2.csv", "Sequences(2D+3D)/F001/T2/0731.jpg")


def test_found_and_missing(tmp_path: Path) -> None:
    best = identify(Tree(touch(tmp_path, *BP4D)))[0]
    assert best.corpus.name == "bp4d" and best.fits
    assert [path for _, path in best.found] == list(BP4D)
    assert {sign.what for sign in best.missing} == {"intensity codes", "tracked landmarks"}


def test_capitals_do_not_matter(tmp_path: Path) -> None:
    assert names(identify(Tree(touch(tmp_path, *(path.upper() for path in BP4D)))))[0] == "bp4d"


def test_archives_are_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, BP4D[0])
    with zipfile.ZipFile(tmp_path / "F001.zip", "w") as archive:
        archive.writestr("F001/T2/0731.jpg", "")
    best = identify(Tree(tmp_path))[0]
    assert best.corpus.name == "bp4d" and ("frames", "F001.zip/F001/T2/0731.jpg") in [
        (sign.what, path) for sign, path in best.found
    ]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in BP4D:
            archive.writestr(f"BP4D/{path}", "")
    assert names(identify(Tree(tmp_path / "all.zip")))[0] == "bp4d"


def test_a_damaged_archive_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, *BP4D, "other.zip")
    assert names(identify(Tree(tmp_path)))[0] == "bp4d"


def test_what_says_most_comes_first(tmp_path: Path) -> None:
    """Any table beside pictures is a table; the corpus that it is stands before it."""
    found = names(identify(Tree(touch(tmp_path, *BP4D))))
    assert found.index("bp4d") < found.index("table")


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    touch(tmp_path, *BP4D)
    (tmp_path / "AUCoding" / "up").symlink_to(tmp_path)
    assert names(identify(Tree(tmp_path)))[0] == "bp4d"


def test_a_folder_that_may_not_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *BP4D, "secret/x.txt")
    scan = os.scandir

    def deny(path: Any) -> Any:
        if Path(path).name == "secret":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)
    assert names(identify(Tree(tmp_path)))[0] == "bp4d"


def test_a_large_tree_is_known_by_some_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fau.corpora.identify, "_FOLDERS", 30)
    touch(tmp_path, *BP4D, *(f"Sequences(2D+3D)/F{s:03d}/T2/{i:04d}.jpg" for s in range(2, 50) for i in range(60)))
    looked: list[Path] = []
    scan = os.scandir

    def spy(path: Any) -> Any:
        looked.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", spy)
    some = list(fau.corpora.identify._some_files(Tree(tmp_path)))
    assert len(looked) == 30 and len(some) < 500
    monkeypatch.setattr(fau.corpora.identify, "_FOLDERS", 200)
    assert names(identify(Tree(tmp_path)))[0] == "bp4d"


def test_a_sentence_says_what_it_looks_like(tmp_path: Path) -> None:
    touch(tmp_path, *BP4D)
    with (
        pytest.raises(FauError, match=r"^nothing here; it looks like BP4D: fau-data prepare bp4d$"),
        told_what_it_is(tmp_path, "rafdb"),
    ):
        raise FauError("nothing here")
    touch(
        tmp_path / "half", BP4D[0], "Sequences/001.jpg"
    )  # without the frames' folders a table would fit, but says no more
    for name, root in (
        ("bp4d", tmp_path),
        ("bp4d", tmp_path / "half"),
        ("rafdb", tmp_path / "nowhere"),
        ("rafdb", tmp_path / "AUCoding"),
    ):
        with pytest.raises(FauError, match=r"^nothing here$"), told_what_it_is(root, name):
            raise FauError("nothing here")


class Made(Corpus):
    """A corpus.

    More of it.

    Args:
        root: The folder.
        camera: Which
            camera.
        count: How many.
        all_of_it: Whether all.
        limit: At most.
    """

    name: ClassVar[str] = "made"
    signs: ClassVar[tuple[Sign, ...]] = ()

    def __init__(
        self,
        root: Path,
        *,
        camera: Literal["left", "right"] = "left",
        count: int = 3,
        all_of_it: bool = False,
        limit: float | None = None,
    ) -> None:
        super().__init__(root)

    def list(self) -> Listing:
        raise NotImplementedError


def test_options_of_a_reader() -> None:
    found = [(o.name, o.kind, o.default, o.choices, o.text) for o in options(Made)]
    assert found == [
        ("camera", str, "left", ("left", "right"), "Which camera."),
        ("count", int, 3, (), "How many."),
        ("all_of_it", bool, False, (), "Whether all."),
        ("limit", float, None, (), "At most."),
    ]
    assert about(Made) == "A corpus.\n\nMore of it."


def test_a_folder_above_several_corpora(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fau.cli.data import main

    touch(tmp_path / "BP4D", *BP4D)
    touch(tmp_path / "own", "labels.csv", "1.jpg")
    assert identify_below(Tree(tmp_path)) == {}  # a table says little
    with zipfile.ZipFile(tmp_path / "expw.zip", "w") as archive:
        for path in ("label/label.lst", "image/origin/a.jpg"):
            archive.writestr(path, "")
    below = identify_below(Tree(tmp_path))
    assert {name: match.corpus.name for name, match in below.items()} == {"BP4D": "bp4d", "expw.zip": "expw"}
    assert identify_below(Tree(tmp_path / "BP4D")) == {}
    capsys.readouterr()
    assert main(["identify", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        f"{tmp_path} holds several corpora:",
        f"{tmp_path}/BP4D: BP4D; next: fau-data prepare bp4d {tmp_path}/BP4D OUT",
        f"{tmp_path}/expw.zip: ExpW; next: fau-data prepare expw {tmp_path}/expw.zip OUT",
    ]
