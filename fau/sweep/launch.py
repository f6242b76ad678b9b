"""How a trial is started: what the runner adds to its command, and whether a fork will do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fau.errors import FauError
from fau.sweep.spec import Trial, load_yaml, option_values

_ONE_DEVICE = (None, 1, "1", "auto", [0], "[0]")
_ONE_PROCESS = (None, "auto", "single_device")


def full_command(trial: Trial, runs: Path | None, rerun: bool, gpus: int) -> list[str]:
    """Return the words to execute.

    Args:
        trial: The trial.
        runs: Folder of all runs, where the caller named one.
        rerun: Train again what is done, but for what the rerun in progress has trained.
        gpus: GPUs of each trial; a trial that names no devices gets them all.

    Raises:
        FauError: If one of these is asked of a command that is not ``fau-train``'s.
    """
    added = []
    if runs is not None:
        added.append(f"--runs={runs}")
    if rerun:
        added.append("--rerun=true")
    if added and not trial.is_fau_train:
        raise FauError(
            f"{added[0].split('=')[0]} needs a `command` that starts with fau-train, and this one starts with "
            f"'{trial.argv[0]}'; put the setting into the sweep file"
        )
    if gpus > 1 and trial.is_fau_train and _setting(trial, "devices") is None:
        added.append(f"--trainer.devices={gpus}")
    return [*trial.argv, *added]


def can_fork(trial: Trial, gpus: int) -> bool:
    """Tell whether a trial may be a fork: ``fau-train`` in one process. In doubt it is not.

    Lightning's DDP launcher runs the command line again, so a trial on several devices must be a process of its own.
    """
    return (
        trial.is_fau_train
        and gpus <= 1
        and not any(word.startswith("--trainer=") or word == "--trainer" for word in trial.argv)
        and _setting(trial, "devices") in _ONE_DEVICE
        and _setting(trial, "num_nodes") in (None, 1, "1")
        and _setting(trial, "strategy") in _ONE_PROCESS
        and _setting(trial, "plugins") is None
    )


def _setting(trial: Trial, name: str) -> Any:
    """Return a Trainer setting as the command line or, else, the last configuration file gives it."""
    given = option_values(trial.argv, f"trainer.{name}")
    if given:
        return given[-1]
    value = None
    for file in trial.config_files():
        content = load_yaml(file)
        trainer = content.get("trainer") if isinstance(content, Mapping) else None
        if isinstance(trainer, Mapping):
            value = trainer.get(name, value)
    return value
