"""Trials of W&B's agents: each is one W&B run of the sweep, whose id the server has chosen, and one run directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from fau.modules.processes import is_main_process
from fau.runs import RunDirectory
from fau.tracking.client import wandb
from fau.tracking.run import finish_run, going_on, make_logger
from fau.tracking.settings import Mode, Tracking, agents_run, resolve_mode

_begun: set[str] = set()  # ids of agents' runs that this process has begun


def agent_row(name: str) -> str:
    """Return a row's name with what a W&B agent varies, so that configurations of one sweep are not one row.

    ``fau-sweep`` names its trials itself; an agent only passes parameters, which it also writes to a file. Folds, seeds
    and overlay files, which carry a name of their own, are no part of the row.

    Args:
        name: As configured; returned as it is without an agent, or where the sweep sets names.
    """
    file = os.environ.get("WANDB_SWEEP_PARAM_PATH")
    if not file:
        return name
    try:
        parameters = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return name
    if not isinstance(parameters, dict) or "name" in parameters:
        return name
    left_out = ("config", "fold", "seed")
    values = {key: entry["value"] for key, entry in parameters.items() if isinstance(entry, dict) and "value" in entry}
    return " ".join([name, *(f"{key}={value}" for key, value in sorted(values.items()) if key not in left_out)])


def agents_run_begun(run_dir: Path, resumed: bool) -> None:
    """Note that an agent's W&B run has begun, and log earlier epochs that it lacks; without an agent do nothing.

    A trial that goes on, or that was finished before, may come under another of the agents' ids, with no epochs yet.

    Args:
        run_dir: The run directory.
        resumed: Whether its epochs count.
    """
    run, agents = wandb.run, agents_run()
    if run is None or agents is None:
        return
    _begun.add(agents)
    if not resumed:
        return
    with going_on("earlier epochs"):
        last = dict(run.summary).get("epoch", -1)  # what the server knows; `run.step` is 0 in a run that goes on, too
        epochs = RunDirectory(run_dir).metrics()
        logged = [column for column in epochs.columns if column == "epoch" or "/" in column]
        for row in epochs.select(logged).iter_rows(named=True):
            if row["epoch"] > last:
                run.log({key: value for key, value in row.items() if value is not None})


def log_finished(run_dir: Path, record: Mapping[str, Any], wish: Tracking) -> None:
    """Fill an agent's W&B run with a trial that was finished before, so that the sweep has its results.

    Args:
        run_dir: The run directory.
        record: Its record.
        wish: What is asked for.
    """
    if agents_run() and make_logger(run_dir, record, wish, resumed=True) is not None:
        agents_run_begun(run_dir, resumed=True)
        finish_run(summary=record["metrics"])


@contextmanager
def failure_told(mode: Mode) -> Iterator[None]:
    """Tell an agent's server of a trial that fails before it has begun its W&B run; nobody else would.

    Args:
        mode: How to log.
    """
    try:
        yield
    except Exception:
        agents = agents_run()
        if agents and agents not in _begun and is_main_process() and resolve_mode(mode) == "online":
            with suppress(Exception):  # what is to be seen is the failure
                brief = wandb.Settings(silent=True, console="off", finish_timeout=60, finish_timeout_raises=True)
                wandb.init(resume="allow", settings=brief)
                wandb.finish(exit_code=1)
        raise
