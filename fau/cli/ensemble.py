"""``fau-ensemble RUN...``: the weighted mean of finished runs' scores, fold by fold, as runs of their own."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from fau.cli._main import guarded
from fau.errors import FauError

PROGRAM = "fau-ensemble"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``fau-ensemble``.

    Args:
        argv: Arguments; those of the command line if None.

    Returns:
        0, or 2 after a wrong input, which is said in one sentence.
    """
    arguments = _parser().parse_args(argv)
    return guarded(PROGRAM, lambda: _ensemble(arguments), resumes=False)


def _parser() -> argparse.ArgumentParser:
    from fau.ensemble.votes import RULES

    rules = "; ".join(f"{rule}: {text}" for rule, text in RULES.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Average the scores of finished runs, fold by fold, and write each fold's ensemble as a run, which "
        "fau-report then shows as a row. Reads predictions.npz alone; nothing is trained or predicted.",
    )
    parser.add_argument("runs", type=Path, metavar="RUN", nargs="+", help="run directories, or folders of runs")
    parser.add_argument(
        "--weights",
        metavar="RULE",
        action="append",
        choices=list(RULES),
        help=f"how members are weighted, may be repeated (default: uniform and class). {rules}",
    )
    parser.add_argument("--rows", metavar="NAME", nargs="+", default=[], help="only runs of these rows")
    parser.add_argument("--name", help="row of reports, where one rule is given (default: text 001's names)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="experiment's folder (default: that of the first run)")
    return parser


def _ensemble(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from fau.ensemble.write import BOTH, write_ensembles
    from fau.runs import ledger
    from fau.sweep.progress import TITLES

    rules = list(dict.fromkeys(arguments.weights or BOTH))
    if arguments.name is not None and len(rules) > 1:
        raise FauError(f"--name is of one ensemble, and --weights gives {len(rules)} rules; give one rule with it")
    found = {run.path.resolve(): run for path in arguments.runs for run in ledger(path)}
    if arguments.rows:
        names = {path: str(run.read()["name"]) for path, run in found.items()}
        for row in arguments.rows:
            if row not in names.values():
                raise FauError(
                    f"no run named has the row '{row}'; choose among {', '.join(sorted(set(names.values())))}"
                )
        found = {path: run for path, run in found.items() if names[path] in arguments.rows}
    written = write_ensembles(list(found.values()), rules, arguments.name, arguments.out)
    records = [run.read() for run in written]
    table = Table(title=f"Ensembles of {', '.join(records[0]['members'])}")
    metric = str(records[0].get("monitor") or "val/f1_macro").partition("/")[2]
    columns = {f"test {TITLES.get(metric, metric)}": f"test/{metric}"}
    for key in ("test/accuracy", "test/accuracy_macro"):
        if key in records[0]["metrics"]:
            columns.setdefault("accuracy", key)
    for heading in ("row", "fold", "seed", *columns):
        table.add_column(heading, justify="left" if heading == "row" else "right")
    for record in records:
        scores = (record["metrics"].get(key) for key in columns.values())
        cells = (f"{score:.3f}" if score is not None else "absent" for score in scores)
        table.add_row(record["name"], str(record["fold"]), str(record["seed"]), *cells)
    Console().print(table)
    out = written[0].path.parent
    print(f"{len(written)} runs in {out}; compare them by: fau-report {shlex.quote(str(out))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
