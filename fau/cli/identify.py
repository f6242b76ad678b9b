"""``fau-data identify``: which corpus a folder looks like."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fau.corpora.identify import Match, identify, identify_below
from fau.corpora.tree import Tree

_SHOWN = 5


def add_identify(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "identify",
        help="say which corpus a folder looks like, and what is missing from it",
        description="Look at some of a folder's names, in zip archives too, and say which corpus it looks like. The "
        "exit status is 1 where it is none that fau can read.",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="a folder or a zip archive")
    parser.set_defaults(run=_identify)


def _identify(chosen: argparse.Namespace) -> int:
    if (chosen.path / "cropset.json").is_file():
        print(f"{chosen.path}: a crop set; next: fau-data check {_typed(chosen.path)}")
        return 0
    tree = Tree(chosen.path)
    matches = identify(tree)
    if packed := tree.packed_twice():
        print(packed)
    fits = [match for match in matches if match.fits]
    if matches:
        _print(fits or matches[:_SHOWN])
    if not fits:
        print(f"{chosen.path}: no corpus that fau reads" + (" is complete here" if matches else " was found here"))
        return 1
    if below := identify_below(tree):
        print(f"{chosen.path} holds several corpora:")
        for name, match in below.items():
            path = chosen.path / name
            print(f"{path}: {match.corpus.title}; next: fau-data prepare {match.corpus.name} {_typed(path)} OUT")
        return 0
    best = fits[0].corpus
    print(f"{chosen.path}: {best.title}; next: fau-data prepare {best.name} {_typed(chosen.path)} OUT")
    return 0


def _typed(path: Path) -> str:
    """Return a path as one types it, in quotes where it needs them."""
    return shlex.quote(str(path))


def _print(matches: list[Match]) -> None:
    table = Table("corpus", "found", "missing")
    for match in matches[:_SHOWN]:
        found = "\n".join(f"{sign.what}: {path}" for sign, path in match.found)
        missing = "\n".join(sign.what + ("" if sign.needed else " (not needed)") for sign in match.missing)
        cells = f"{match.corpus.title} ({match.corpus.name})", found, missing or "nothing"
        table.add_row(*(Text(cell) for cell in cells))  # no markup in names of files
    Console().print(table)
