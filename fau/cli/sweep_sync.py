"""fau-sweep sync: offline W&B runs of run directories to W&B's server, each once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fau.cli._main import guarded
from fau.errors import FauError

if TYPE_CHECKING:
    from rich.console import Console

    from fau.runs import RunDirectory

PROGRAM = "fau-sweep sync"
_LISTED = 20  # broken runs that are listed one by one
_STEP = 100  # sent logs between two lines, where no bar is drawn


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Send the W&B runs that were logged offline to W&B's server, by `wandb sync`. What was sent is "
        "not sent again, what is being trained or sent is left, and a run that is broken is listed at the end. "
        "After Ctrl-C or a lost connection, give the same command again.",
        epilog="For a sweep file, what followed -- when the sweep was started must follow here too.",
    )
    parser.add_argument(
        "what", type=Path, nargs="?", metavar="RUNS", help="folder of runs, one run, or a sweep file (default: runs)"
    )
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of all runs of a sweep file (runs)")
    parser.add_argument("--jobs", type=int, default=8, metavar="N", help="runs to send side by side (8)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent and send nothing")
    parser.add_argument("--wandb-entity", metavar="NAME", help="user or team to send to (default: the key's own)")
    parser.add_argument("--wandb-project", metavar="NAME", help="project to send to (default: as trained)")
    return parser


def main(words: Sequence[str]) -> int:
    """Send offline runs and return the exit status: 0, 1 if some could not be sent, 2 bad input."""
    split = words.index("--") if "--" in words else len(words)
    try:
        arguments = build_parser().parse_args(words[:split])
    except SystemExit as error:  # argparse has said what is wrong, or printed the help
        return int(error.code or 0)
    return guarded(PROGRAM, lambda: _run(arguments, words[split + 1 :]))


def _run(arguments: argparse.Namespace, extra: Sequence[str]) -> int:
    # Imported late, so that --help is quick.
    from rich.console import Console

    from fau.sweep.sync import Outcome, send
    from fau.sweep.sync_plan import plan
    from fau.tracking.settings import has_key

    if arguments.jobs < 1:
        raise FauError(f"--jobs {arguments.jobs} is too small; give 1 or more")
    runs = _runs(arguments, extra)
    console = Console(highlight=False)

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    if not arguments.dry_run and not has_key():
        raise FauError("no W&B key is set; run 'wandb login' or set WANDB_API_KEY")
    options = [
        word
        for flag, value in (("--entity", arguments.wandb_entity), ("--project", arguments.wandb_project))
        if value
        for word in (flag, value)
    ]
    found = plan(runs)
    say(f"{found.logs + len(found.broken):,} to send, {found.sent:,} sent before")
    for path, reason in found.later.items():
        say(f"{path}: {reason}")
    outcome = Outcome()
    if arguments.dry_run:
        for run in found.waiting:
            say("\n".join(str(log.parent) for log in run))
    elif found.waiting:
        with _progress(console, found.logs) as told:
            outcome = send(found, arguments.jobs, options, told, say)
    failed = found.broken | outcome.failed
    for log, reason in list(failed.items())[:_LISTED]:
        say(f"{log.parent}: {reason}")
    if len(failed) > _LISTED:
        say(f"... and {len(failed) - _LISTED:,} more")
    if not arguments.dry_run:
        if elsewhere := found.logs - outcome.sent - len(outcome.failed):
            say(f"{elsewhere:,} taken up by another call meanwhile")
        say(f"{outcome.sent:,} sent" + (f", {len(failed):,} could not be sent" if failed else ""))
    return 1 if failed else 0


def _runs(arguments: argparse.Namespace, extra: Sequence[str]) -> list[RunDirectory]:
    """Return the runs of a folder, or of the trials of a sweep file."""
    from fau.runs import RunDirectory, ledger
    from fau.sweep import spec
    from fau.sweep.state import SweepState, trial_key

    what: Path | None = arguments.what
    if what is None or not what.is_file():
        if extra or (what is not None and arguments.runs is not None):
            given = "what follows --" if extra else "--runs"
            raise FauError(f"{given} belongs to a sweep file; leave it out, or name the file")
        return ledger(what or arguments.runs or Path("runs"))
    folder = arguments.runs or Path("runs")
    if not folder.is_dir():
        raise FauError(f"'{folder}' is not a folder; name the folder of the sweep's runs by --runs")
    state = SweepState(folder, what, extra)
    journal = state.journal()
    keys = [trial_key(trial) for trial in spec.load(what, extra, state.arguments).trials]
    paths = [state.last_run(key, journal.get(key)) for key in keys]
    return [RunDirectory(path) for path in dict.fromkeys(paths) if path is not None]


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    """Show how many logs are sent: a bar on a terminal, a line now and then elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if not console.is_terminal:
        shown = 0

        def line(done: int) -> None:
            nonlocal shown
            if done // _STEP > shown // _STEP:
                shown = done
                console.print(f"{done:,} of {total:,} sent", soft_wrap=True)

        yield line
        return
    columns = (TextColumn("sent"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)
