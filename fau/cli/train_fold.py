"""One fold as ``fau-train`` runs it: find its run or make it, train it, print its table."""

from __future__ import annotations

import os
from typing import Any

import lightning.pytorch as pl

from fau.cli.parse_errors import our_error
from fau.cli.progress import TrainingProgress
from fau.cli.run_table import print_run
from fau.cli.train_parser import TrainCLI
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.hardware import default_precision
from fau.identity import find_place
from fau.modules.base import FaceModule
from fau.modules.processes import is_main_process
from fau.runs import RunDirectory, record_trial
from fau.tracking.agents import log_finished
from fau.tracking.settings import Tracking
from fau.training.fold import Fold
from fau.training.train import train_fold


def run_fold(cli: TrainCLI, config: dict[str, Any]) -> None:
    """Find or make the run of a fold, train it and print its table.

    Args:
        cli: The parsed command line.
        config: The same as plain values, from ``resolve``.

    Raises:
        FauError: If a setting or the data are wrong.
    """
    datamodule = FaceDataModule(**cli.config["data"].as_dict())
    precision = str(config["trainer"]["precision"] or default_precision(str(config["trainer"]["accelerator"])))
    datamodule.setup("fit")  # what is wrong with the data is said before anything is written
    deciding, run = find_place(config, datamodule, precision)
    rerun = config["rerun"] and not _in_this_rerun(run)
    if is_main_process() and not rerun and run.status == "done":
        _say_done(run, config)
        return
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    try:
        built = cli.parser.instantiate_classes(cli.config)
    except ValueError as error:  # jsonargparse wraps what a constructor raises; a bug in one keeps its traceback
        raise our_error(error) or error from error
    trainer = built["trainer"].as_dict() | {"precision": precision}
    trainer["callbacks"] = [*(trainer["callbacks"] or []), TrainingProgress()]
    fold = Fold(
        run=run,
        settings=cli.parser.dump(cli.config, skip_none=False),
        record=_record(config, deciding, run, rerun, precision, built["model"], datamodule),
        module=built["model"],
        datamodule=datamodule,
        trainer=trainer,
        patience=config["patience"],
        score_training=config["score_training"],
        wandb=_tracking(config),
    )
    if is_main_process() and not rerun and run.status == "interrupted":
        begun = (run.checkpoints / "last.ckpt").exists()
        print(f"run {run.path.name} was interrupted; it {'goes on from its last epoch' if begun else 'begins anew'}")
    record = train_fold(fold, fresh=rerun)
    if is_main_process():
        print_run(record, run.path)


def _record(
    config: dict[str, Any],
    deciding: dict[str, Any],
    run: RunDirectory,
    rerun: bool,
    precision: str,
    module: FaceModule,
    datamodule: FaceDataModule,
) -> dict[str, Any]:
    """Return what is known of a run before it trains."""
    info = datamodule.cropset.info
    return {
        **{key: config[key] for key in ("experiment", "name", "fold", "seed", "published")},
        "run_id": run.path.name,
        "deciding": deciding,
        "config": config,
        **datamodule.record(),
        "folds": datamodule.fold_count,
        "crop_set": {
            "id": datamodule.cropset.id,
            "name": info.name,
            "corpus": info.corpus,
            "size": info.size,
            "path": str(datamodule.cropset.path.absolute()),
            "recipe_version": info.recipe.get("version"),
        },
        "label_set": datamodule.label_set,
        "labels": datamodule.labels,
        "protocol": datamodule.protocol_name,
        "validation": datamodule.validation,
        "selection": {"groups": "val", "none": "last"}.get(datamodule.validation, datamodule.validation),
        "task": module.task,
        "threshold": module.threshold,
        "allow_upsample": module.transform.allow_upsample,
        "precision": precision,
        "devices": config["trainer"]["devices"],
        "warnings": list(datamodule.split.notes),
        "attempt": _attempts(run) + 1 if rerun else 1,
        "rerun": os.environ.get("FAU_RERUN"),
    }


def _tracking(config: dict[str, Any]) -> Tracking:
    return Tracking(config["project"], config["wandb"], config["wandb_pictures"], config["wandb_model"])


def _in_this_rerun(run: RunDirectory) -> bool:
    """Tell whether the sweep's rerun that this trial is part of has trained the run, or begun to, already."""
    name = os.environ.get("FAU_RERUN")
    try:
        return bool(name) and run.read().get("rerun") == name
    except FauError:  # never started, or its record is damaged
        return False


def _attempts(run: RunDirectory) -> int:
    """Return how often the run was trained from the start, so that each of them is a W&B run of its own."""
    try:
        return int(run.read().get("attempt", 1))
    except FauError:  # never started, or its record is damaged
        return 0


def _say_done(run: RunDirectory, config: dict[str, Any]) -> None:
    record = run.read()
    record_trial(run, "done")
    log_finished(run.path, record, _tracking(config))
    name = "" if record["name"] == config["name"] else f" under the name '{record['name']}'"
    print(f"run {record['run_id']} is done already{name}; --rerun trains it again")
    print_run(record, run.path)
