"""``fau-data info``: what a crop set holds, in figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fau.synthetic.recipe import RECIPES

if TYPE_CHECKING:
    from fau.crops.summary import Summary
    from fau.report.tables.table import Table


def add_info(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "info",
        help="say what a crop set holds, with label rates",
        description="Count crops, sequences and groups of a crop set, and how often it shows each label.",
    )
    parser.add_argument("path", metavar="PATH", help="folder of a crop set, or the name of a recipe (labels alone)")
    parser.set_defaults(run=_info)


def _info(options: argparse.Namespace) -> int:
    from rich.console import Console

    from fau.crops.store import CropSet
    from fau.crops.summary import summarise
    from fau.report.formats.text import print_table
    from fau.units import counted

    if options.path in RECIPES and not Path(options.path).exists():
        from fau.synthetic.rows import labels_manifest

        recipe = RECIPES[options.path]
        print(f"{recipe.name}: {recipe.size} px, recipe {recipe.hash}, labels alone")
        summary = summarise(labels_manifest(recipe))
    else:
        cropset = CropSet.open(options.path)
        print(f"{cropset.info.name} ({cropset.info.corpus}): {cropset.size} px, id {cropset.id}")
        summary = summarise(cropset.manifest)
    kinds = (summary.crops, "crop"), (summary.sequences, "sequence"), (summary.groups, "group")
    print(", ".join(counted(number, kind) for number, kind in kinds))
    for table in tables(summary):
        print()
        print_table(table, Console())
    return 0


def tables(summary: Summary) -> list[Table]:
    """Return a summary as tables: rates of action units, their intensities, expressions; those with something in."""
    from fau.labels import AU_NAMES, au_label
    from fau.report.tables.table import NONE, Table

    def shown(value: float | None, digits: int = 1) -> str:
        return NONE if value is None else f"{value:.{digits}f}"

    found = []
    named = {au.au: f"{au_label(au.au)} {AU_NAMES[au.au]}" for au in summary.aus}
    rates = [
        [
            *(named[au.au], f"{au.positives:,}", shown(au.rate)),
            f"{shown(au.group_low, 0)} to {shown(au.group_high, 0)}" if au.group_low is not None else NONE,
            shown(au.uncoded),
        ]
        for au in summary.aus
    ]
    if rates:
        spread = "in groups: from the 10th to the 90th percentile of the groups' own rates"
        headings = ["action unit", "positives", "rate %", "in groups %", "not coded %"]
        found.append(Table("", headings, rates, notes=[spread]))
    steps = [[named[au.au], *(f"{count:,}" for count in au.intensities)] for au in summary.aus if any(au.intensities)]
    if steps:
        found.append(Table("Frames by intensity", ["action unit", *map(str, range(len(steps[0]) - 1))], steps))
    classes = [
        [name or "none given", f"{count:,}", f"{100 * count / max(summary.crops, 1):.1f}"]
        for name, count in summary.expressions.items()
    ]
    if set(summary.expressions) - {None}:
        found.append(Table("", ["expression", "crops", "%"], classes))
    return found
