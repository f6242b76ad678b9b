"""Where the trials of a sweep stand, asked from outside, wherever they run."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping
from typing import Any

from fau.atomic import read_json
from fau.runs import RunDirectory
from fau.sweep.progress import Progress
from fau.sweep.runner import survey
from fau.sweep.slurm import Queued, queue
from fau.sweep.spec import Sweep
from fau.sweep.state import SweepState


def standing(sweep: Sweep, state: SweepState) -> list[Progress]:
    """Find out where every trial stands, without starting anything.

    Args:
        sweep: The sweep.
        state: What it remembers.

    Returns:
        The trials in order. ``note`` says why a trial waits in Slurm's queue, ``reason`` why one failed or stopped.

    Raises:
        FauError: If Slurm has trials of the sweep and does not answer.
    """
    trials = survey(sweep, state, state.rerun())
    jobs = state.slurm_jobs()
    queued = queue(state) if jobs and shutil.which("squeue") else {}
    journal = state.journal()
    for p in trials:
        if p.state != "done":
            job = jobs.get(p.key, "")
            _place(p, state, job, queued.get(job), journal.get(p.key) or {})
    return trials


def _place(p: Progress, state: SweepState, job: str, slurm: Queued | None, entry: Mapping[str, Any]) -> None:
    run = RunDirectory(p.run_dir) if p.run_dir is not None else None
    if slurm is not None and slurm.waits:
        p.note = slurm.reason
    elif (slurm is not None and not slurm.over) or (run is not None and run.is_locked()):
        _look_at(p, state)
    elif slurm is not None and slurm.state not in ("FAILED", "COMPLETED"):  # ended by Slurm: no word of the trial's own
        p.state = "interrupted" if slurm.state in ("CANCELLED", "PREEMPTED") else "failed"
        p.reason = f"Slurm ended its job {job}: {slurm.state}"
    elif entry.get("state") in ("failed", "interrupted"):
        p.state, p.reason = entry["state"], str(entry.get("reason") or "")
    elif slurm is not None and slurm.state == "FAILED":
        p.state, p.reason = "failed", f"its job {job} failed without a word, see '{state.folder / 'slurm'}'"
    elif job and slurm is None:
        p.state, p.reason = "interrupted", f"its job {job} is not in Slurm's queue any more"
    elif run is not None and read_json(run.path / "run.json").get("status") in ("running", "interrupted"):
        p.state = "interrupted"


def _look_at(p: Progress, state: SweepState) -> None:
    """Read how far a running trial is; its record was last written when it began to train."""
    p.begin()
    record = state.record_file(p.key)
    with contextlib.suppress(FileNotFoundError):
        p.started -= max(0.0, time.time() - record.stat().st_mtime)
    p.refresh(record)
