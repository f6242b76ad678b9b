"""fau-sweep status: where the trials of a sweep stand, on this machine or in Slurm's queue."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fau.cli._main import guarded

if TYPE_CHECKING:
    from fau.sweep.progress import Progress

PROGRAM = "fau-sweep status"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Show which trials of a sweep run, wait, are done or failed, wherever they run; starts nothing. "
        "Ends with 1 if some failed.",
        epilog="What followed -- when the sweep was started must follow here too: it makes another sweep.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="sweep file, in W&B's syntax")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (runs)")
    return parser


def main(words: Sequence[str]) -> int:
    """Show where a sweep stands and return the exit status: 0, 1 if trials failed, 2 bad input."""
    split = words.index("--") if "--" in words else len(words)
    try:
        arguments = build_parser().parse_args(words[:split])
    except SystemExit as error:  # argparse has said what is wrong, or printed the help
        return int(error.code or 0)
    return guarded(PROGRAM, lambda: _run(arguments, words[split + 1 :]))


def print_commands(trials: Sequence[Progress]) -> int:
    """Print which trials are done and which are to run, for --dry-run."""
    for p in trials:
        print(f"{p.trial.number:4d}  {'done' if p.found else 'to run':6}  {p.trial.shell_line}")
    return 0


def _run(arguments: argparse.Namespace, extra: Sequence[str]) -> int:
    # Imported late, so that --help is quick.
    from rich.console import Console

    from fau.sweep import spec
    from fau.sweep.progress import count
    from fau.sweep.runner import shown_path
    from fau.sweep.state import SweepState
    from fau.sweep.status import standing
    from fau.sweep.table import summary, trial_table

    console = Console(highlight=False)

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    state = SweepState(arguments.runs, arguments.file, extra)
    sweep = spec.load(arguments.file, extra, state.arguments)
    trials = standing(sweep, state)
    if not state.folder.exists() and any(state.folder.parent.glob(f"{arguments.file.stem}-*")):
        say(
            f"nothing was started by this line, but by others with '{arguments.file.name}': "
            "what followed -- then must follow here too"
        )
    console.print(trial_table(trials, len(trials)))
    say(f"sweep {sweep.name}: {summary(trials, max(1, count(trials, 'running')))}")
    reasons = Counter(p.note for p in trials if p.state == "waiting" and p.note)
    if reasons:
        say(f"in Slurm's queue: {', '.join(f'{number} ({reason})' for reason, number in reasons.most_common())}")
    for p in trials:
        if p.state in ("failed", "interrupted"):
            say(f"{p.trial.title}: {p.state}{': ' if p.reason else ''}{p.reason}")
            say(f"  log {shown_path(p.log)}")
    return 1 if count(trials, "failed") else 0
