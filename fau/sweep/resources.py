"""What the machine has for trials: cores, memory and free GPUs, cut into slots."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fau.cores import usable_cores
from fau.errors import FauError

# A process that has imported the stack and trains a small net at 112 px holds 1.2 GiB.
_MEMORY_PER_TRIAL = 2 * 2**30
# A GPU with more of its memory in use than this share is somebody else's; a desktop's own share is below it.
_BUSY_SHARE = 0.2
# Left behind by a launcher, each of these would make a trial think that it is a rank of something, or of another seed.
_SCRUBBED = {
    *("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "GLOBAL_RANK"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "PL_GLOBAL_SEED", "PL_SEED_WORKERS"),
    "FAU_RERUN",  # of another sweep
}
_SCRUBBED_PREFIXES = ("SLURM_", "TORCHELASTIC_")


@dataclass(frozen=True)
class Slots:
    """How many trials run side by side and what each gets.

    Attributes:
        gpus: For each slot the devices of ``CUDA_VISIBLE_DEVICES``; empty lists make trials run on the CPU.
        threads: CPU threads of each trial.
        notes: What was decided and is worth saying.
    """

    gpus: tuple[tuple[str, ...], ...]
    threads: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.gpus)


def plan(trials: int, jobs: int | None, gpus_per_trial: int | None, threads: int | None) -> Slots:
    """Cut the machine into slots.

    The plan follows from the machine, the options and the size of the whole sweep, not from what is left of it, so that
    a trial resumed by a later call gets the threads that it had.

    Args:
        trials: Trials in the sweep.
        jobs: Trials side by side; by default one on each (group of) GPU, or else one on each core, memory permitting.
        gpus_per_trial: GPUs of each trial; 1 by default where there are any. 0 leaves GPUs alone.
        threads: CPU threads of a trial; an even share of the cores by default.

    Raises:
        FauError: If a number is out of range, or there are too few free GPUs.
    """
    for name, value, least in (("jobs", jobs, 1), ("gpus-per-trial", gpus_per_trial, 0), ("threads", threads, 1)):
        if value is not None and value < least:
            raise FauError(f"--{name} {value} is too small; give {least} or more")
    devices, notes = free_gpus() if gpus_per_trial != 0 else ([], [])
    share = gpus_per_trial if gpus_per_trial is not None else min(1, len(devices))
    if share > len(devices):
        found = f"{len(devices)} free GPU{'s' if len(devices) != 1 else ''}"
        raise FauError(
            f"--gpus-per-trial {share} asks for more than the {found} here" + "".join(f"; {n}" for n in notes)
        )
    cores = usable_cores()
    if share:
        groups = [tuple(devices[i : i + share]) for i in range(0, len(devices) - share + 1, share)]
        number = jobs or min(len(groups), trials)
        if number > len(groups):
            notes.append(f"{number} trials share {len(groups)} groups of {share} GPU")
        chosen = tuple(groups[i % len(groups)] for i in range(number))
    else:
        number = jobs or max(1, min(cores, trials, _memory() // _MEMORY_PER_TRIAL))
        chosen = ((),) * number
    return Slots(chosen, threads or _named_threads() or max(1, cores // number), tuple(notes))


def _memory() -> int:
    """Return the bytes of memory that this process may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no limit ("max"), or no cgroups
        return total


def _named_threads() -> int | None:
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdigit() and int(value) > 0 else None


def free_gpus() -> tuple[list[str], list[str]]:
    """Return the GPUs to use, named as in ``CUDA_VISIBLE_DEVICES``, and remarks; CUDA is not touched.

    ``CUDA_VISIBLE_DEVICES`` is taken at its word; without it, a GPU whose memory is in use is left out.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        devices = [word.strip() for word in named.split(",") if word.strip()]
        return (devices[: devices.index("-1")] if "-1" in devices else devices), []
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return [], []
    partitions = [
        line.split("UUID: ")[1].rstrip(")") for line in _lines(tool, "-L") if "MIG" in line and "UUID" in line
    ]
    if partitions:
        return partitions, []
    devices, notes = [], []
    for line in _lines(tool, "--query-gpu=index,memory.used,memory.total", "--format=csv,noheader,nounits"):
        index, used, total = (part.strip() for part in line.split(","))
        share = float(used) / float(total) if used.isdigit() and total.isdigit() else 0.0
        if share > _BUSY_SHARE:
            notes.append(
                f"GPU {index} is left out, {share:.0%} of its memory is in use (CUDA_VISIBLE_DEVICES overrules)"
            )
        else:
            devices.append(index)
    return devices, notes


def _lines(tool: str, *arguments: str) -> list[str]:
    try:
        output = subprocess.run([tool, *arguments], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):  # a driver that does not answer: no GPU to use
        return []
    return [line for line in output.splitlines() if line.count(",") == 2 or "UUID" in line]


def scrubbed_environment() -> dict[str, str]:
    """Return this process's environment without what launchers leave, and with this interpreter's programs on PATH."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _SCRUBBED and not name.startswith(_SCRUBBED_PREFIXES)
    }
    programs = str(Path(sys.executable).parent)
    paths = environment.get("PATH", os.defpath).split(os.pathsep)
    if paths[0] != programs:
        environment["PATH"] = os.pathsep.join([programs, *paths])
    return environment


def trial_environment(
    base: Mapping[str, str], slots: Slots, slot: int, record: Path, rerun: str | None = None
) -> dict[str, str]:
    """Return the environment of a trial.

    Args:
        base: From ``scrubbed_environment``.
        slots: The plan.
        slot: Which slot the trial has.
        record: Where the trial is to write which run directory it became.
        rerun: Name of the rerun that the trial is part of: it goes on with what the same rerun began.
    """
    threads = str(slots.threads)
    return {
        **base,
        "CUDA_DEVICE_ORDER": base.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),  # nvidia-smi's order, not CUDA's
        "CUDA_VISIBLE_DEVICES": ",".join(slots.gpus[slot]),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "FAU_THREADS": threads,
        "FAU_TRIAL_RECORD": str(record),
        **({"FAU_RERUN": rerun} if rerun else {}),
        "PYTHONUNBUFFERED": "1",  # logs that can be followed
    }
