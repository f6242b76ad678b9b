"""Weights & Biases through Lightning's logger: the only importer of wandb. Nothing depends on it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("WANDB_SILENT", "true")  # read at import; what this program prints is the run's table

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its crash reports would go online without a key, too

import wandb
import yaml
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_info

from fau.modules.processes import is_main_process
from fau.wandb_key import has_key

Mode = Literal["auto", "online", "offline", "disabled"]


def resolve_mode(mode: Mode) -> Literal["online", "offline", "disabled"]:
    """Choose how to log: ``WANDB_MODE`` where it is set, online where a key is, else offline."""
    if mode != "auto":
        return mode
    named = os.environ.get("WANDB_MODE")
    if named in ("online", "offline", "disabled"):
        return named  # type: ignore[return-value]
    return "online" if has_key() else "offline"


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


def make_logger(run_dir: Path, record: Mapping[str, Any], project: str, mode: Mode) -> WandbLogger | None:
    """Open the W&B run of a fold, or none.

    One fold is one W&B run: the group is the configuration's name, the job type the fold. The id is the run's own, so
    that a retry lands in the same W&B run; under an agent, which has chosen an id, the agent's stands.

    Args:
        run_dir: The run directory; W&B's files go into its ``wandb`` folder.
        record: The run record.
        project: W&B project.
        mode: How to log.

    Returns:
        The logger, or None where W&B is disabled or cannot start; a warning then says why.
    """
    resolved = resolve_mode(mode)
    if resolved == "disabled":
        return None
    if not is_main_process():
        return WandbLogger(save_dir=run_dir, offline=True)  # never starts: Lightning logs on rank 0 alone
    under_agent = "WANDB_SWEEP_ID" in os.environ
    if not under_agent:
        # Another process's service may still hold this id for a trial that was killed.
        os.environ.pop("WANDB_SERVICE", None)
    try:
        run = wandb.init(
            project=project,
            name=f"{record['name']}/fold{record['fold']}",
            id=None if under_agent else _wandb_id(record),
            dir=run_dir,
            group=record["name"],
            job_type=f"fold{record['fold']}",
            tags=[str(record["experiment"]), f"fold{record['fold']}", str(record["crop_set"]["name"])],
            config=record["config"] | {"crop_set_id": record["crop_set"]["id"], "run_id": record["run_id"]},
            mode=resolved,
            resume="allow" if resolved == "online" else None,  # offline, resume does not continue a run
            settings=wandb.Settings(silent=True, console="off"),
        )
    except Exception as error:  # noqa: BLE001  whatever its client or server raise, nothing depends on W&B
        no_key = resolved == "online" and not has_key()
        reason = "no key is set: run 'wandb login' or set WANDB_API_KEY" if no_key else " ".join(str(error).split())
        warnings.warn(f"W&B could not start ({reason}); the run goes on without it", stacklevel=2)
        return None
    if resolved == "online" and run.url:  # offline, asking makes it warn
        rank_zero_info(f"W&B: {run.url}")
    return _Logger(experiment=run, save_dir=run_dir)


def _wandb_id(record: Mapping[str, Any]) -> str:
    """Return the run's own id; trained anew by ``--rerun``, it is another W&B run, not a second curve in the first."""
    attempt = int(record.get("attempt", 1))
    return str(record["run_id"]) if attempt == 1 else f"{record['run_id']}-{attempt}"


class _Logger(WandbLogger):
    """Goes on without W&B where W&B fails in the middle of a run."""

    _failed = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics, unless W&B failed before."""
        if self._failed:
            return
        try:
            super().log_metrics(metrics, step)
        except Exception as error:  # noqa: BLE001  as above
            self._failed = True
            warnings.warn(f"W&B fails ({error}); the run goes on without it", stacklevel=2)


def finish(exit_code: int = 0, metrics: Mapping[str, float] | None = None) -> None:
    """End the W&B run of this process, if there is one; the next fold in the process then gets its own.

    Args:
        exit_code: Other than 0 marks the run as failed.
        metrics: What to log last.
    """
    if wandb.run is None:
        return
    try:
        if metrics:
            wandb.run.log(dict(metrics))
        wandb.finish(exit_code=exit_code)
    except Exception as error:  # noqa: BLE001  as above
        warnings.warn(f"W&B could not end its run ({error}); the run directory is whole", stacklevel=2)
