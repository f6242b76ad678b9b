"""fau-sweep --launcher slurm: submits what is left of a sweep, or reports on it if nothing is."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fau.errors import FauError

if TYPE_CHECKING:
    from rich.console import Console

    from fau.sweep.progress import Progress
    from fau.sweep.slurm import Resources
    from fau.sweep.spec import Sweep
    from fau.sweep.state import SweepState


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a cluster."""
    group = parser.add_argument_group(
        "Slurm",
        "There --jobs is the most trials at once, --gpus-per-trial (1) and --threads what each asks for. A trial that "
        "is preempted, or runs into --time, is queued again and goes on from its last epoch.",
    )
    add = group.add_argument
    where = "where the trials run: this machine, or a Slurm cluster as a job array (pip install 'fau[slurm]')"
    add("--launcher", choices=("local", "slurm"), default="local", help=where)
    add("--partition", metavar="NAME", help="partition (the cluster's default)")
    add("--time", metavar="LIMIT", help="time limit of a job: minutes, H:M:S or D-H:M:S (4:00:00)")
    add("--memory", type=float, metavar="GB", help="memory of each trial (the cluster's default)")
    option = "another option of sbatch, such as account=vision or qos=low; may be given several times"
    add("--sbatch", action="append", default=[], metavar="KEY=VALUE", help=option)


def refuse_options(arguments: argparse.Namespace) -> None:
    """Refuse options of a cluster where there is none.

    Raises:
        FauError: If one was given without ``--launcher slurm``.
    """
    given = [name for name in ("partition", "time", "memory", "sbatch") if getattr(arguments, name)]
    if given and arguments.launcher != "slurm":
        raise FauError(f"--{given[0]} is for --launcher slurm; add that, or leave --{given[0]} out")


def run(
    arguments: argparse.Namespace,
    extra: Sequence[str],
    sweep: Sweep,
    state: SweepState,
    reference: str,
    console: Console,
) -> int:
    """Submit the trials that are neither done nor queued; report once all are done.

    Returns:
        0, or the status of the report.

    Raises:
        FauError: If a number is out of range, Slurm or submitit are missing, or Slurm refuses.
    """
    from fau.cli.sweep_ending import end, report
    from fau.cli.sweep_status import print_commands
    from fau.sweep.launch import full_command
    from fau.sweep.runner import Outcome, survey
    from fau.sweep.slurm import arrays, check, queue

    resources = _resources(arguments)
    full_command(sweep.trials[0], arguments.runs, arguments.rerun, resources.gpus)  # refuses before anything is done
    if arguments.dry_run:
        return print_commands(survey(sweep, state, state.rerun() or ("new" if arguments.rerun else None)))
    check(state)
    with state.locked():
        state.write_arguments(sweep)
        rerun = state.begin_rerun() if arguments.rerun else state.rerun()
        trials = survey(sweep, state, rerun)
        done = [p for p in trials if p.state == "done"]
        known = state.slurm_jobs()
        live = {job for job, queued in queue(state).items() if not queued.over}
        jobs = {p.key: known[p.key] for p in trials if p.state != "done" and known.get(p.key) in live}
        left = [p for p in trials if p.state != "done" and p.key not in jobs]
        console.print(
            f"sweep {sweep.name}: {len(trials)} trials, {len(done)} done before, {len(jobs)} in Slurm's queue before",
            markup=False,
            soft_wrap=True,
        )
        for array in arrays(left):
            earlier = {jobs[q.key].split("_")[0] for q in trials if q.key in jobs and _waits(array, q)}
            number = _submit(array, arguments, state, rerun, resources, sorted(earlier, key=int))
            jobs |= {p.key: number for p in array}
            after = f", after {', '.join(sorted(earlier, key=int))}" if earlier else ""
            plural = "s" if len(array) > 1 else ""
            console.print(f"submitted {len(array)} trial{plural} as job {number}{after}", markup=False, soft_wrap=True)
        if not jobs and rerun is not None:
            state.end_rerun()
    if jobs:
        runs = ["--runs", str(arguments.runs)] if arguments.runs else []
        asking = shlex.join(["fau-sweep", "status", str(arguments.file), *runs, *(["--", *extra] if extra else [])])
        console.print(f"where they stand: {asking}", markup=False, soft_wrap=True)
        console.print("the same command submits again what failed, and reports once all are done", markup=False)
        return 0
    outcome = Outcome(trials)
    status = end(outcome, console)
    if arguments.no_report:
        return status
    return max(status, report(outcome, reference, arguments.report, console, arguments.ensemble))


def _resources(arguments: argparse.Namespace) -> Resources:
    from fau.sweep.slurm import Resources, minutes

    for name, least in (("jobs", 1), ("gpus_per_trial", 0), ("threads", 1), ("memory", 0.001)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise FauError(f"--{name.replace('_', '-')} {value} is too small; give {least} or more")
    options = dict(word.partition("=")[::2] for word in arguments.sbatch)
    if wrong := [word for word in arguments.sbatch if "=" not in word or word.startswith(("-", "="))]:
        raise FauError(f"--sbatch {wrong[0]} is not KEY=VALUE, such as account=vision")
    gpus = 1 if arguments.gpus_per_trial is None else arguments.gpus_per_trial
    return Resources(
        partition=arguments.partition,
        minutes=minutes(arguments.time or "4:00:00"),
        gpus=gpus,
        cpus=arguments.threads,
        memory=arguments.memory,
        at_once=arguments.jobs,
        options=options,
    )


def _waits(array: Sequence[Progress], earlier: Progress) -> bool:
    return any(p.trial.follows(earlier.trial) for p in array)


def _submit(
    array: Sequence[Progress],
    arguments: argparse.Namespace,
    state: SweepState,
    rerun: str | None,
    resources: Resources,
    after: Sequence[str],
) -> str:
    from fau.sweep.launch import full_command
    from fau.sweep.slurm import TrialJob, submit

    jobs = [
        TrialJob(
            p.trial,
            p.key,
            full_command(p.trial, arguments.runs, rerun is not None, resources.gpus),
            state,
            arguments.retries,
            rerun,
        )
        for p in array
    ]
    return submit(jobs, state, resources, after)
