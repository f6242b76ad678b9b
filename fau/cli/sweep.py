"""fau-sweep: every trial of a W&B sweep file, here or on a Slurm cluster, without a server; asked again, it goes on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fau.cli import sweep_slurm, sweep_status, sweep_sync
from fau.cli._main import guarded, refuse_file

if TYPE_CHECKING:
    from fau.sweep.resources import Slots

PROGRAM = "fau-sweep"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Run a W&B sweep file (method: grid) and report on it. Finished trials are "
        "skipped, interrupted ones resumed: after Ctrl-C, a crash or an edit, give the same command again.",
        epilog="Arguments after -- are added to every trial's command: fau-sweep FILE -- --trainer.max_epochs=1. "
        "Where the trials stand: fau-sweep status FILE. Offline W&B runs to W&B: fau-sweep sync [RUNS or FILE].",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="sweep file, in W&B's syntax")
    add("--jobs", type=int, metavar="N", help="trials side by side (one per GPU, or per core)")
    add("--gpus-per-trial", type=int, metavar="K", help="GPUs of each trial (1 where there are any; 0: CPU only)")
    add("--threads", type=int, metavar="N", help="CPU threads of each trial (the cores, shared out)")
    add("--runs", type=Path, metavar="DIR", help="folder of all runs (runs)")
    add("--dry-run", action="store_true", help="print the trials and start nothing")
    add("--rerun", action="store_true", help="train every trial again; once begun, a rerun goes on until all are done")
    add("--retries", type=int, default=1, metavar="N", help="how often to start a failed trial again (1)")
    add("--no-fork", action="store_true", help="make every trial a process of its own, with imports of its own")
    add("--ensemble", action="store_true", help="at the end, add the rows' ensembles as rows (see fau-ensemble)")
    add("--reference", metavar="ROW", help="row that the report compares the others to (the first)")
    sweep_slurm.add_arguments(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--report", type=Path, metavar="DIR", help="folder for the report (RUNS/EXPERIMENT/report)")
    group.add_argument("--no-report", action="store_true", help="end without a report")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run fau-sweep and return its exit status: 0 all done, 1 some failed, 2 bad input, 130 and 143 stopped."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["status"]:
        return sweep_status.main(words[1:])
    if words[:1] == ["sync"]:
        return sweep_sync.main(words[1:])
    split = words.index("--") if "--" in words else len(words)
    parser = build_parser()
    try:
        arguments = parser.parse_args(words[:split])
    except SystemExit as error:  # argparse has said what is wrong, or printed the help
        return int(error.code or 0)
    return guarded(PROGRAM, lambda: _run(arguments, words[split + 1 :]))


def _run(arguments: argparse.Namespace, extra: Sequence[str]) -> int:
    # Imported late, so that --help is quick.
    from rich.console import Console

    from fau.cli.sweep_ending import end, report
    from fau.errors import FauError
    from fau.sweep import spec
    from fau.sweep.launch import full_command
    from fau.sweep.resources import plan
    from fau.sweep.runner import Options, Runner, shown_path, survey
    from fau.sweep.screen import enduring
    from fau.sweep.state import SweepState
    from fau.sweep.table import view

    if arguments.retries < 0:
        raise FauError(f"--retries {arguments.retries} is too small; give 0 or more")
    refuse_file(arguments.report, "--report")
    runs: Path = arguments.runs or Path("runs")
    state = SweepState(runs, arguments.file, extra)
    sweep = spec.load(arguments.file, extra, state.arguments)
    reference = arguments.reference or sweep.rows[0]
    if reference not in sweep.rows:
        raise FauError(f"--reference '{reference}' is no row of '{sweep.file}'; its rows are {', '.join(sweep.rows)}")
    console = Console(highlight=False, file=enduring(sys.stdout))
    sweep_slurm.refuse_options(arguments)
    if arguments.launcher == "slurm":
        return sweep_slurm.run(arguments, extra, sweep, state, reference, console)
    slots = plan(len(sweep.trials), arguments.jobs, arguments.gpus_per_trial, arguments.threads)
    gpus = len(slots.gpus[0])
    full_command(sweep.trials[0], arguments.runs, arguments.rerun, gpus)  # refuses before anything is started
    if arguments.dry_run:
        return sweep_status.print_commands(survey(sweep, state, state.rerun() or ("new" if arguments.rerun else None)))
    with state.locked():
        state.write_arguments(sweep)
        begun = state.rerun()
        rerun = state.begin_rerun() if arguments.rerun else begun
        options = Options(arguments.runs, rerun, arguments.retries, gpus, not arguments.no_fork)
        trials = survey(sweep, state, rerun)
        found = sum(trial.found for trial in trials)
        lines = [f"sweep {sweep.name}: {len(trials)} trials, {found} done before; {_places(slots)}", *slots.notes]
        if begun is not None:
            lines.insert(
                1,
                f"the rerun of {begun[:16]} UTC goes on until every trial is trained again; to give it up, remove "
                f"'{shown_path(state.rerun_file.absolute())}'",
            )
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)
        with view(console, len(slots)) as shown:
            outcome = Runner(state, trials, slots, options, shown).run()
        if rerun is not None and outcome.exit_code == 0:
            state.end_rerun()
    if arguments.no_report or outcome.stopped_by is not None:
        return end(outcome, console)
    status = end(outcome, console)
    return max(status, report(outcome, reference, arguments.report, console, arguments.ensemble))


def _places(slots: Slots) -> str:
    """Say how many trials run at a time, and on what."""
    side = f"{len(slots)} at a time" if len(slots) > 1 else "one at a time"
    gpus = len(slots.gpus[0])
    return f"{side}, {gpus} GPU each" if gpus else f"{side}, {slots.threads} CPU thread{'s'[: slots.threads > 1]} each"


if __name__ == "__main__":
    sys.exit(main())
