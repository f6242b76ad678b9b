"""Slurm: trials submitted as job arrays through submitit, and what Slurm says of them."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from fau.errors import FauError
from fau.sweep.job import Job
from fau.sweep.progress import Progress
from fau.sweep.state import SweepState

# Slurm's default MaxArraySize is 1001, which counts from 0.
_LARGEST_ARRAY = 1000
# How often a trial may run into its time limit; it goes on from its last epoch each time.
_MOST_TIMEOUTS = 100
_ANSWER = 60.0  # s that squeue may take
_HERE = "or run the trials on this one, without --launcher slurm"
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("REVOKED", "TIMEOUT"),
}


@dataclass(frozen=True)
class Resources:
    """What each trial asks Slurm for.

    Attributes:
        partition: The cluster's default if None.
        minutes: Time limit of a job; a trial that needs longer goes on in the next.
        gpus: GPUs.
        cpus: CPU cores; the cluster's default if None.
        memory: GB of memory; the cluster's default if None.
        at_once: Most trials at once.
        options: Other options of ``sbatch``, such as account or qos.
    """

    partition: str | None = None
    minutes: int = 240
    gpus: int = 1
    cpus: int | None = None
    memory: float | None = None
    at_once: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Queued:
    """What Slurm says of a job: its state, and why it waits."""

    state: str
    reason: str

    @property
    def waits(self) -> bool:
        """Whether it has not started, or waits to start again."""
        return self.state in _WAITING

    @property
    def over(self) -> bool:
        """Whether it will not run any more."""
        return self.state in _ENDED


class TrialJob(Job):
    """A job that submitit can interrupt: on SIGUSR2 it calls ``checkpoint`` and queues the job again."""

    def checkpoint(self) -> Any:
        """End the trial's process and return what is to be called when the job starts again."""
        from submitit.helpers import DelayedSubmission

        self.stop()
        return DelayedSubmission(self)


def minutes(text: str) -> int:
    """Read a time limit as Slurm writes it: minutes, H:M:S or D-H[:M[:S]]; seconds are rounded up.

    Raises:
        FauError: If it is none of these, or zero.
    """
    match = re.fullmatch(r"(?:(\d+)|(\d+):(\d+):(\d+)|(\d+)-(\d+)(?::(\d+))?(?::(\d+))?)", text)
    parts = [int(part or 0) for part in match.groups()] if match else [0] * 8
    total = parts[0] + parts[1] * 60 + parts[2] + parts[4] * 1440 + parts[5] * 60 + parts[6]
    total += parts[3] > 0 or parts[7] > 0
    if total < 1:
        raise FauError(f"--time {text} is no time limit; give minutes, or hours as 4:00:00, or days as 1-12:00:00")
    return total


def job_name(state: SweepState) -> str:
    """Return how the jobs of a sweep are called in Slurm; the digits tell sweeps of one name apart."""
    return f"fau-{state.folder.name}"


def queue(state: SweepState) -> dict[str, Queued]:
    """Ask Slurm for the jobs of a sweep, those that ended a short while ago too, by their ids.

    ``squeue``, not ``sacct``: it answers on clusters without an accounting database as well.

    Raises:
        FauError: If Slurm does not answer.
    """
    command = ["squeue", "--noheader", "--array", "--states=all", f"--name={job_name(state)}", "--format=%i|%T|%r"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ANSWER).stdout
    except FileNotFoundError:
        raise FauError(
            f"there is no `squeue` here; give the command on a machine of the cluster, such as its login node, {_HERE}"
        ) from None
    except subprocess.TimeoutExpired:
        raise FauError(f"Slurm's controller does not answer in {_ANSWER:.0f} s; try again later, {_HERE}") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["no word"])[-1]
        if "configuration source" in said or "slurm.conf" in said:
            raise FauError(
                f"no Slurm cluster is configured on this machine ({said}); give the command on a machine of the "
                f"cluster, such as its login node, {_HERE}"
            ) from error
        raise FauError(f"Slurm does not say where the trials stand ({said}); try again later, {_HERE}") from error
    rows = (line.split("|") for line in output.splitlines())
    return {row[0].strip(): Queued(row[1], row[2]) for row in rows if len(row) == 3}


def arrays(trials: Sequence[Progress]) -> Iterator[list[Progress]]:
    """Cut trials into arrays that may start one after another.

    A trial that starts from other runs comes in a later array than those that it waits for.
    """
    wave: dict[str, int] = {}
    for p in trials:
        wave[p.key] = max((wave[q.key] + 1 for q in trials if q.key in wave and p.trial.follows(q.trial)), default=0)
    for number in sorted(set(wave.values())):
        chosen = [p for p in trials if wave[p.key] == number]
        for start in range(0, len(chosen), _LARGEST_ARRAY):
            yield chosen[start : start + _LARGEST_ARRAY]


def check(state: SweepState) -> None:
    """Make sure that trials can be submitted from here, before anything is written.

    Raises:
        FauError: If submitit or Slurm is missing, or Slurm does not answer.
    """
    queue(state)
    if find_spec("submitit") is None:
        raise FauError("--launcher slurm needs submitit; install it by `pip install 'fau[slurm]'`")
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise FauError(
            f"there is no `sbatch` here; give the command on a machine of the cluster, such as its login node, {_HERE}"
        )


def submit(jobs: Sequence[TrialJob], state: SweepState, resources: Resources, after: Sequence[str]) -> str:
    """Submit trials as one job array and note their jobs in the state of the sweep.

    Args:
        jobs: The trials.
        state: Of the sweep; its lock must be held.
        resources: What each asks for.
        after: Ids of jobs that must have ended, well or not, before the first starts.

    Returns:
        The id of the array.

    Raises:
        FauError: If Slurm refuses.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = submitit.SlurmExecutor(folder=state.folder.absolute() / "slurm", max_num_timeout=_MOST_TIMEOUTS)
    executor.update_parameters(**_parameters(state, resources, after))
    try:
        with contextlib.redirect_stderr(io.StringIO()), executor.batch():  # the error says it as well
            submitted = [executor.submit(job) for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        said = " ".join(str(error).split())
        raise FauError(f"Slurm refused the trials ({said}); change what is asked for and submit again") from error
    state.write_slurm_jobs({job.key: handle.job_id for job, handle in zip(jobs, submitted, strict=True)})
    return str(submitted[0].job_id).split("_")[0]


def _parameters(state: SweepState, resources: Resources, after: Sequence[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "job_name": job_name(state),
        "time": resources.minutes,
        "nodes": 1,
        "ntasks_per_node": 1,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True, **resources.options},
    }
    if resources.partition is not None:
        parameters["partition"] = resources.partition
    if resources.gpus:
        parameters["gpus_per_node"] = resources.gpus
    if resources.cpus is not None:
        parameters["cpus_per_task"] = resources.cpus
        parameters["srun_args"] = [f"--cpus-per-task={resources.cpus}"]  # which srun does not inherit since Slurm 22.05
    if resources.memory is not None:
        parameters["mem"] = f"{round(resources.memory * 1024)}M"
    if resources.at_once is not None:
        parameters["array_parallelism"] = resources.at_once
    if after:
        parameters["dependency"] = f"afterany:{':'.join(after)}"
    return parameters
