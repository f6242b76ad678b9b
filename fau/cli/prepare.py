"""``fau-data prepare``: a corpus as its owner delivers it to a crop set."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fau.cli.bar import bar
from fau.corpora.base import Corpus
from fau.corpora.identify import told_what_it_is
from fau.corpora.options import about, options
from fau.corpora.registry import corpora
from fau.crops.align import ALIGNMENTS
from fau.crops.duplicates import COPIES
from fau.crops.prepare import Report, Settings, prepare, refuse_place
from fau.crops.recipe import LANDMARKS
from fau.units import counted

_DESCRIPTION = (
    "Make a crop set of a corpus as its owner delivers it, in a folder or in zip archives. Stopped at any moment, the "
    "same command goes on where it was. The bytes do not depend on the number of workers."
)


def add_prepare(commands: Any, with_corpora: bool) -> None:
    """Add the command.

    Args:
        commands: Where.
        with_corpora: Whether to add its sub-commands, one a corpus, whose options are the keyword parameters of its
            reader; it takes the import of all readers.
    """
    parser = commands.add_parser("prepare", help="make a crop set of a corpus", description=_DESCRIPTION)
    if not with_corpora:
        return
    names = parser.add_subparsers(required=True, metavar="CORPUS", dest="corpus")
    for name, reader in corpora().items():
        one = names.add_parser(
            name,
            help=reader.title,
            description=f"{about(reader)}\n\nLicence: {reader.ask}".replace("%", "%%").replace("``", "`"),
            formatter_class=_Paragraphs,
        )
        one.add_argument("raw", type=Path, metavar="RAW", help="the folder, or the zip archive, as it was delivered")
        one.add_argument("out", type=Path, metavar="OUT", help="folder to make; it must not exist")
        _add_own(one, reader)
        _add_common(one)
        one.set_defaults(run=_prepare, reader=reader)


class _Paragraphs(argparse.HelpFormatter):
    """Fits each paragraph of a description to the terminal, where argparse makes one of all."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(fill(paragraph, width, indent) for paragraph in text.split("\n\n"))


def _add_own(parser: argparse.ArgumentParser, reader: type[Corpus]) -> None:
    own = options(reader)
    if not own:
        return
    group = parser.add_argument_group(f"options of {reader.title}")
    for option in own:
        flag = f"--{option.name.replace('_', '-')}"
        text = option.text.replace("%", "%%").replace("``", "`").rstrip(".")
        kept: dict[str, Any] = {"dest": f"own_{option.name}", "default": option.default}
        if option.kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text, **kept)
            continue
        shown = "" if option.default in (None, "") else f" (default: {option.default})"
        names: dict[str, Any] = {"choices": option.choices} if option.choices else {"metavar": _METAVAR[option.kind]}
        group.add_argument(flag, type=option.kind, help=text + shown, **names, **kept)


_METAVAR = {int: "N", float: "X", str: "TEXT"}


def _add_common(parser: argparse.ArgumentParser) -> None:
    default = Settings()
    group = parser.add_argument_group("crops")
    group.add_argument("--size", type=int, metavar="PX", help="height and width of a crop (default: 112; jaa: 200)")
    group.add_argument(
        "--align",
        choices=ALIGNMENTS,
        help="canonical: a similarity transform to mean eyes and mouth; jaa: JAA-Net's; box: a box with a margin; "
        "resize: the whole picture (default: resize for a corpus of aligned crops, else canonical)",
    )
    group.add_argument(
        "--margin", type=float, metavar="X", help="margin of box on each side, as a share of it (default: 0.25)"
    )
    group.add_argument(
        "--landmarks",
        choices=LANDMARKS,
        default=default.landmarks,
        help="corpus: the owner's; mediapipe: detected; auto: the owner's where there are any, else detected where "
        "the alignment needs them (default: auto)",
    )
    help_ = "MediaPipe's face landmarker model: a file, or the address from which it is fetched once (URL#sha256=...)"
    group.add_argument("--model", metavar="FILE", help=help_)
    group.add_argument(
        "--faces",
        choices=("nearest", "largest"),
        default=default.faces,
        help="of several faces: nearest to the corpus's box, else to the previous frame's face; or the largest "
        "(default: nearest)",
    )
    group.add_argument(
        "--min-face",
        type=float,
        default=default.min_face,
        metavar="PX",
        help=f"least size of a face in the picture (default: {default.min_face:g})",
    )
    group.add_argument(
        "--min-score",
        type=float,
        default=default.min_score,
        metavar="X",
        help=f"least score of MediaPipe's, 0 to 1; a higher one drops non-faces (default: {default.min_score:g})",
    )
    group.add_argument(
        "--copies",
        choices=COPIES,
        default=default.copies,
        help="which pictures of unknown people form a group, which no fold splits: near copies too (compressed again, "
        "brighter, scaled), or those of equal hash alone (default: near)",
    )
    group = parser.add_argument_group("work")
    group.add_argument("--name", metavar="NAME", help="how tables call the crop set (default: the corpus)")
    group.add_argument(
        "--max-lost",
        type=float,
        default=default.max_lost,
        metavar="SHARE",
        help=f"share of rows that may be lost; more is an error (default: {default.max_lost:g})",
    )
    group.add_argument("--workers", type=int, metavar="N", help="processes; 0 works in this one (default: one a core)")
    group.add_argument("--quiet", action="store_true", help="print nothing when done")


def _prepare(chosen: argparse.Namespace) -> int:
    reader: type[Corpus] = chosen.reader
    own = {option.name: getattr(chosen, f"own_{option.name}") for option in options(reader)}
    settings = Settings(
        size=chosen.size,
        align=chosen.align,
        landmarks=chosen.landmarks,
        model=chosen.model,
        faces=chosen.faces,
        min_face=chosen.min_face,
        min_score=chosen.min_score,
        margin=chosen.margin,
        copies=chosen.copies,
        max_lost=chosen.max_lost,
        name=chosen.name,
        options=own,
    )

    def say(sentence: str) -> None:
        if not chosen.quiet:
            print(sentence, flush=True)

    refuse_place(chosen.out)
    with told_what_it_is(chosen.raw, reader.name):
        corpus = reader(chosen.raw, **own)
    with bar("preparing crops") as track:
        report = prepare(corpus, chosen.out, settings, chosen.workers, say, track)
    say(f"{chosen.out}: {counted(report.crops, 'crop')} of {counted(report.rows, 'row')}")
    for line in _lost(report):
        say(line)
    return 0


def _lost(report: Report) -> Iterator[str]:
    """Say what was left out and why, and what is there beside crops and labels."""
    if report.lost:
        yield "left out (losses.csv has the ids):"
    for cause, count in report.lost.items():
        yield f"  {count:>9,}  {cause}" + (", as expected" if cause in report.expected else "")
    if report.faces["several"]:
        yield f"  {report.faces['several']:>9,}  kept, with several faces in the picture"
    if report.duplicates["groups"]:
        yield f"  {report.duplicates['crops']:>9,}  kept, that look the same as others; never in different folds"
    if report.extras:
        yield f"extras.parquet has what else the owner says of crops: {', '.join(report.extras)}"
