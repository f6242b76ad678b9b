"""``fau-report RUNS``: tables and one page that opens offline, from run directories alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fau.cli._main import guarded, refuse_file
from fau.errors import FauError

PROGRAM = "fau-report"
FORMATS = ("html", "md", "csv", "tex")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``fau-report``.

    Args:
        argv: Arguments; those of the command line if None.

    Returns:
        0, or 2 after a wrong input, which is said in one sentence.
    """
    arguments = _parser().parse_args(argv)
    return guarded(PROGRAM, lambda: _report(arguments), resumes=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Compare the rows of an ablation: pooled F1 with intervals over subjects, paired tests against a "
        "reference row, figures. Reads run directories alone; nothing is trained or predicted.",
    )
    parser.add_argument("runs", type=Path, metavar="RUNS", help="folder of runs, of one experiment, or one run")
    parser.add_argument("--reference", metavar="NAME", help="row to compare with (default: the one started first)")
    parser.add_argument(
        "--experiment", metavar="NAME", action="append", default=[], help="this experiment only; may be repeated"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the files (default: RUNS/report)")
    parser.add_argument(
        "--formats",
        metavar="LIST",
        default=",".join(FORMATS),
        help=f"files to write, of {', '.join(FORMATS)}, with commas between; 'none' prints the tables only",
    )
    parser.add_argument("--resamples", type=int, metavar="N", default=9999, help="random swaps a test (default: 9999)")
    parser.add_argument("--level", type=float, default=0.95, help="confidence level (default: 0.95)")
    parser.add_argument("--quiet", action="store_true", help="write the files, print their names only")
    wandb = parser.add_argument_group("W&B report", "needs the extra wandb-report and a W&B key")
    wandb.add_argument(
        "--wandb", action="store_true", help="also save a report in your W&B project, in place of its last"
    )
    wandb.add_argument("--wandb-entity", metavar="NAME", help="user or team (default: $WANDB_ENTITY)")
    wandb.add_argument("--wandb-project", metavar="NAME", help="project (default: $WANDB_PROJECT, else as trained)")
    return parser


def _report(arguments: argparse.Namespace) -> int:
    formats = _formats(arguments.formats)
    if arguments.resamples < 1:
        raise FauError(f"--resamples is {arguments.resamples}; give 1 or more, 9999 is a good number")
    if not 0 < arguments.level < 1:
        raise FauError(f"--level is {arguments.level:g}; give a number between 0 and 1, such as 0.95")
    if not arguments.runs.is_dir():
        raise FauError(f"'{arguments.runs}' is not a folder; name the folder that the runs were written to")
    out = arguments.out or arguments.runs / "report"
    refuse_file(out)

    # Late, so that --help and a wrong path answer at once.
    from rich.console import Console

    from fau.report.build import build_report
    from fau.report.formats.text import print_report
    from fau.report.load import load_runs

    runs = load_runs(arguments.runs, tuple(arguments.experiment))
    report = build_report(arguments.runs, runs, arguments.reference, arguments.resamples, arguments.level)
    if not arguments.quiet:
        print_report(report, Console())
    if formats:
        from fau.report.write import write_report

        for file in write_report(report, out, formats):
            print(file)
    if arguments.wandb:
        from fau.report.formats.wandb_report import save_report

        print(save_report(report, out, arguments.wandb_entity, arguments.wandb_project))
    return 0


def _formats(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    formats = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in formats:
        if name not in FORMATS:
            raise FauError(f"--formats names '{name}'; choose of {', '.join(FORMATS)}, or 'none'")
    if not formats:
        raise FauError(f"--formats names nothing; choose of {', '.join(FORMATS)}, or 'none'")
    return formats


if __name__ == "__main__":
    sys.exit(main())
