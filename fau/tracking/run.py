"""The W&B run of a fold: begun through Lightning's logger, ended, and gone on without where W&B fails."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_info

from fau.modules.processes import is_main_process
from fau.tracking.client import wandb
from fau.tracking.settings import Tracking, agents_run, has_key, resolve_mode

_FINISH = 600.0  # s to send what is left when a run ends; W&B's own client would wait for a lost network for ever


def make_logger(run_dir: Path, record: Mapping[str, Any], wish: Tracking, resumed: bool = False) -> WandbLogger | None:
    """Open the W&B run of a fold, or none.

    One fold is one W&B run: the group is the configuration's name, the job type the fold. The id is the run's own, so
    that a retry lands in the same W&B run: one that goes on from a checkpoint adds to its curves, one that starts anew
    takes its place. Under an agent, which has chosen id and project, the agent's stand.

    Args:
        run_dir: The run directory; W&B's files go into its ``wandb`` folder.
        record: The run record.
        wish: What is asked for.
        resumed: Whether training goes on from a checkpoint.

    Returns:
        The logger, or None where W&B is disabled or cannot start; a warning then says why.
    """
    resolved = resolve_mode(wish.mode)
    if resolved == "disabled":
        return None
    if not is_main_process():
        return WandbLogger(save_dir=run_dir, offline=True)  # never starts: Lightning logs on rank 0 alone
    agents = agents_run()
    if not agents:
        # Another process's service may still hold this id for a trial that was killed.
        os.environ.pop("WANDB_SERVICE", None)
    try:
        run = wandb.init(
            project=None if agents else wish.project,
            name=f"{record['name']}/fold{record['fold']}",
            id=None if agents else str(record["run_id"]),
            dir=run_dir,
            group=record["name"],
            job_type=f"fold{record['fold']}",
            tags=[str(record["experiment"]), f"fold{record['fold']}", str(record["crop_set"]["name"])],
            config=record["config"] | {"crop_set_id": record["crop_set"]["id"], "run_id": record["run_id"]},
            mode=resolved,
            resume="allow" if resumed and resolved == "online" else None,  # offline, it does not continue a run
            settings=wandb.Settings(silent=True, console="off", finish_timeout=_FINISH, finish_timeout_raises=True),
        )
        run.define_metric("epoch")
        run.define_metric("*", step_metric="epoch")
    except Exception as error:  # noqa: BLE001  whatever its client or server raise, nothing depends on W&B
        no_key = resolved == "online" and not has_key()
        reason = "no key is set: run 'wandb login' or set WANDB_API_KEY" if no_key else _one_line(error)
        warnings.warn(f"W&B could not start ({reason}); the run goes on without it", stacklevel=2)
        return None
    if resolved == "online" and run.url:  # offline, asking makes it warn
        rank_zero_info(f"W&B: {run.url}")
    return _Logger(experiment=run, save_dir=run_dir)


class _Logger(WandbLogger):
    """Logs the epochs of a training, and goes on without W&B where W&B fails in its midst.

    What Lightning logs after the training is scores of the chosen checkpoint, which are no point of a curve: they
    become the run's summary.
    """

    _trained = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics of an epoch."""
        if not self._trained:
            with going_on("an epoch"):
                super().log_metrics(metrics, step)

    def finalize(self, status: str) -> None:
        """Note that a stage of Lightning's has ended: the first is the training."""
        self._trained = True


_said: set[str] = set()  # ids of runs with which W&B failed, which is said once


@contextmanager
def going_on(what: str) -> Iterator[None]:
    """Say in one sentence what W&B did not take, and go on; of a run only once."""
    run = "" if wandb.run is None else str(wandb.run.id)
    try:
        yield
    except Exception as error:  # noqa: BLE001  as above
        if run not in _said:
            _said.add(run)
            sentence = f"W&B did not take {what} ({_one_line(error)}); training goes on, and the run directory is whole"
            warnings.warn(sentence, stacklevel=3)


def finish_run(exit_code: int = 0, summary: Mapping[str, Any] | None = None) -> None:
    """End the W&B run of this process, if there is one; the next fold in the process then gets its own.

    Args:
        exit_code: Other than 0 marks the run as failed.
        summary: What the run came to.
    """
    run = wandb.run
    if run is None:
        return
    with going_on("the end of the run"):
        if summary:
            run.summary.update(dict(summary))
        wandb.finish(exit_code=exit_code)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
