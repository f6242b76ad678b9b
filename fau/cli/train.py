"""fau-train: one fold of one configuration; asked again, it resumes or says that it is done."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Literal

import jsonargparse
import lightning.pytorch as pl
from jsonargparse import ActionYesNo
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from omegaconf.errors import OmegaConfBaseException

from fau.cli._main import EXIT_INTERRUPTED, EXIT_TERMINATED, guarded, plain_warnings
from fau.cli.class_change import own_defaults
from fau.cli.parse_errors import broken_file, one_sentence, our_error
from fau.cli.progress import TrainingProgress
from fau.cli.run_table import print_run
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.hardware import default_precision, limit_threads
from fau.identity import find_place
from fau.modules.base import FaceModule
from fau.modules.detection import AUDetection
from fau.modules.processes import is_main_process
from fau.nets.gla import GLACNN
from fau.report.published import asked as published_rows
from fau.runs import RunDirectory, record_trial, write_atomically
from fau.sweep.spec import option_values
from fau.tracking import Mode, Pictures, Tracking, agent_row
from fau.tracking_agents import failure_told, log_finished
from fau.training import Fold, clear, train_fold
from fau.wandb_key import agents_run

PROGRAM = "fau-train"
_PATIENCE = 10.0  # seconds that an interrupted child gets to tidy up

# What `fau-train --fold 3` trains without a file: experiments/gla.yaml, which says why. A test holds the two equal.
DEFAULTS = {
    "trainer.max_epochs": 8,
    "data.batch_size": 32,
    "data.weights": "balanced",
    "model": {
        "class_path": f"{AUDetection.__module__}.{AUDetection.__name__}",
        "init_args": {
            "net": {"class_path": f"{GLACNN.__module__}.{GLACNN.__name__}", "init_args": {"norm_momentum": 0.1}},
            "scheduler": {
                "class_path": "torch.optim.lr_scheduler.MultiStepLR",
                "init_args": {"milestones": [5], "gamma": 0.1},
            },
        },
    },
}


class TrainCLI(LightningCLI):
    """LightningCLI with our own flags; parses, and leaves the rest to ``run_fold``."""

    def __init__(self, args: Sequence[str]) -> None:
        super().__init__(
            FaceModule,
            FaceDataModule,
            subclass_mode_model=True,
            run=False,
            save_config_callback=None,
            auto_configure_optimizers=False,
            args=list(args),
            trainer_defaults={"devices": 1},
            parser_kwargs={"parser_mode": "omegaconf+", "exit_on_error": False, "allow_abbrev": False, "prog": PROGRAM},
        )

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the flags that stand beside --model, --data and --trainer."""
        parser.add_argument("--fold", type=int | Literal["all"], default=1, help="Test fold, counted from 1, or 'all'")
        parser.add_argument("--seed", type=int, default=0, help="Seed of weights, order, augmentation and splits")
        parser.add_argument("--experiment", type=str, default="gla", help="Folder of the runs, and W&B tag")
        parser.add_argument("--name", type=str, default="full", help="Row of the report, and W&B group")
        parser.add_argument("--runs", type=str, default="runs", help="Folder of all runs")
        again = "Train again although the run is done"
        parser.add_argument("--rerun", action=ActionYesNo, nargs="?", default=False, help=again)
        parser.add_argument("--patience", type=int | None, default=None, help="Stop after so many epochs without gain")
        known = "Score the training part too at the end, whole and not augmented; changes no other result"
        parser.add_argument("--score_training", type=bool, default=False, help=known)
        parser.add_argument("--project", type=str, default="fau", help="W&B project")
        parser.add_argument("--wandb", type=Mode, default="auto", help="auto: online where a key is set, else offline")
        faces = "Test faces to send to W&B with what was said of them: drawn ones, all (a licence may forbid it), none"
        parser.add_argument("--wandb_pictures", type=Pictures, default="drawn", help=faces)
        parser.add_argument("--wandb_model", type=bool, default=False, help="Send the tested checkpoint to W&B")
        rows = "Published rows that the report shows beside: bp4d, disfa, affwild2, or a .csv file (docs/published.md)"
        parser.add_argument("--published", type=list[str], default=[], help=rows)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what must agree, and set the default model."""
        parser.set_defaults(DEFAULTS)
        parser.link_arguments("fold", "data.fold", compute_fn=lambda fold: 1 if fold == "all" else fold)
        parser.link_arguments("seed", "data.seed")
        parser.link_arguments("data.label_set", "model.init_args.label_set")

    def _set_seed(self) -> None:  # seeding waits until the run is known to be needed
        pass

    def instantiate_classes(self) -> None:
        """Do nothing yet: a finished run need not build anything."""


def parse(args: Sequence[str]) -> TrainCLI:
    """Parse a command line.

    A class that takes another's place, by a flag or a file, starts from its own defaults: only what stands with it or
    after it counts. The same class named again keeps what was set before.

    Raises:
        FauError: If a setting is unknown, missing or ill-typed, or a configuration file cannot be read.
    """
    for word in args:
        if word.split("=")[0] in ("--model.label_set", "--model.init_args.label_set"):
            raise FauError("model.label_set follows data.label_set; set --data.label_set instead")
    saved, sys.argv = sys.argv, sys.argv[:1]  # Lightning warns where both are given
    try:
        with own_defaults():
            return TrainCLI(args)
    except (jsonargparse.ArgumentError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise FauError(broken_file(args) or one_sentence(error)) from error
    finally:
        sys.argv = saved


def resolve(cli: TrainCLI) -> dict[str, Any]:
    """Return the whole configuration as plain JSON values, linked values included."""
    text = cli.parser.dump(cli.config, format="json", skip_link_targets=False, skip_none=False)
    resolved: dict[str, Any] = json.loads(text)
    return resolved


def run_fold(args: Sequence[str]) -> int:
    """Parse a command line, find or make its run, train it and print its table.

    Raises:
        FauError: If a setting or the data are wrong.
    """
    with failure_told("disabled" if "disabled" in option_values(args, "wandb") else "auto"):
        return _run_fold(args)


def _run_fold(args: Sequence[str]) -> int:
    limit_threads()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # tips, and which accelerators are absent
    cli = parse(args)
    cli.config["name"] = agent_row(cli.config["name"])
    config = resolve(cli)
    _check(config)
    if config["fold"] == "all":
        return _all_folds(args, cli)
    datamodule = FaceDataModule(**cli.config["data"].as_dict())
    precision = str(config["trainer"]["precision"] or default_precision(str(config["trainer"]["accelerator"])))
    datamodule.setup("fit")  # what is wrong with the data is said before anything is written
    deciding, run = find_place(config, datamodule, precision)
    identity = run.path.name
    rerun = config["rerun"] and not _in_this_rerun(run)
    if is_main_process() and not rerun and run.status == "done":
        return _say_done(run, config)
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    try:
        built = cli.parser.instantiate_classes(cli.config)
    except ValueError as error:  # jsonargparse wraps what a constructor raises; a bug in one keeps its traceback
        raise our_error(error) or error from error
    trainer = built["trainer"].as_dict() | {"precision": precision}
    trainer["callbacks"] = [*(trainer["callbacks"] or []), TrainingProgress()]
    record = {
        **{key: config[key] for key in ("experiment", "name", "fold", "seed", "published")},
        **{"run_id": identity, "deciding": deciding, "config": config},
        **_data_record(datamodule),
        **{"task": built["model"].task, "threshold": built["model"].threshold},
        **{"allow_upsample": built["model"].transform.allow_upsample},
        **{"precision": precision, "devices": config["trainer"]["devices"]},
        "warnings": list(datamodule.split.notes),
        **{"attempt": _attempts(run) + 1 if rerun else 1, "rerun": os.environ.get("FAU_RERUN")},
    }
    fold = Fold(
        **{"run": run, "record": record, "module": built["model"], "datamodule": datamodule, "trainer": trainer},
        **{key: config[key] for key in ("patience", "score_training")},
        wandb=Tracking(config["project"], config["wandb"], config["wandb_pictures"], config["wandb_model"]),
    )
    if is_main_process():
        if rerun and run.path.exists():
            clear(run)
        elif run.status == "interrupted":
            print(f"run {identity} was interrupted; it goes on from its last epoch")
        run.path.mkdir(parents=True, exist_ok=True)
        write_atomically(run.path / "config.yaml", cli.parser.dump(cli.config, skip_none=False).encode())
    record = train_fold(fold)
    if is_main_process():
        print_run(record, run.path)
    return 0


def _check(config: dict[str, Any]) -> None:
    """Refuse what types let pass and training would trip over, before anything is written."""
    if config["experiment"] in ("", ".", "..") or "/" in config["experiment"]:
        raise FauError(f"experiment '{config['experiment']}' names one folder under --runs; give a name without '/'")
    for key, what in {"name": "a row of the report", "runs": "the folder of all runs"}.items():
        if not config[key].strip():
            raise FauError(f"--{key} is empty; it names {what}")
    if config["patience"] is not None and config["patience"] < 1:
        raise FauError(f"--patience {config['patience']} is too small; give 1 or more epochs")
    for rows in config["published"]:
        published_rows(rows)
    trainer = config["trainer"]
    if trainer["overfit_batches"]:
        raise FauError(
            f"trainer.overfit_batches {trainer['overfit_batches']} does not go with fau's loaders; "
            "set trainer.limit_train_batches instead"
        )
    for key, least in {"accumulate_grad_batches": 1, "limit_test_batches": 1e-9}.items():
        if trainer[key] is not None and trainer[key] < least:
            raise FauError(f"trainer.{key} {trainer[key]} is too small; give 1 or more, or leave it out")
    every, last = trainer["check_val_every_n_epoch"], trainer["max_epochs"]
    if config["data"]["validation"] != "none" and every and last and 0 < last < every:
        raise FauError(
            f"trainer.check_val_every_n_epoch {every} is more than trainer.max_epochs {last}, so no epoch would be "
            "validated and chosen; lower it, or set data.validation to none"
        )


def _data_record(datamodule: FaceDataModule) -> dict[str, Any]:
    info = datamodule.cropset.info
    return datamodule.record() | {
        "folds": datamodule.fold_count,
        "crop_set": {
            **{"id": datamodule.cropset.id, "name": info.name, "corpus": info.corpus, "size": info.size},
            **{"path": str(datamodule.cropset.path.absolute()), "recipe_version": info.recipe.get("version")},
        },
        "label_set": datamodule.label_set,
        "labels": datamodule.labels,
        "protocol": datamodule.protocol_name,
        "validation": datamodule.validation,
        "selection": {"groups": "val", "none": "last"}.get(datamodule.validation, datamodule.validation),
    }


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


def _say_done(run: RunDirectory, config: dict[str, Any]) -> int:
    record = run.read()
    record_trial(run, "done")
    log_finished(run.path, record, Tracking(config["project"], config["wandb"]))
    name = "" if record["name"] == config["name"] else f" under the name '{record['name']}'"
    print(f"run {record['run_id']} is done already{name}; --rerun trains it again")
    print_run(record, run.path)
    return 0


def _all_folds(args: Sequence[str], cli: TrainCLI) -> int:
    """Run the folds one after another, each as a run of its own."""
    if agents_run():
        raise FauError("a W&B agent's trial is one W&B run, and so one fold; let the sweep file vary fold instead")
    datamodule = FaceDataModule(**cli.config["data"].as_dict())
    status = 0
    for fold in range(1, datamodule.fold_count + 1):
        print(f"fold {fold} of {datamodule.fold_count}")
        command = [*args, "--fold", str(fold)]
        if cli.config["trainer"]["devices"] in (1, "1"):
            status = max(status, main(command))
        else:  # Lightning's DDP launcher runs the command line again, so each fold needs one of its own
            code = _run_apart([sys.executable, "-m", "fau.cli.train", *command])
            status = max(status, code if code >= 0 else 128 - code)  # killed by a signal
        if status in (EXIT_INTERRUPTED, EXIT_TERMINATED):
            break
    return status


def _run_apart(command: list[str]) -> int:
    """Run a command and return its exit code; SIGTERM goes on to it, and Ctrl-C leaves it the time to tidy up."""
    process = subprocess.Popen(command)
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:  # in a terminal it reached the child as well
        try:
            return process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


def main(argv: Sequence[str] | None = None) -> int:
    """Run fau-train and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    fresh = any(word.partition("=")[0] == "--rerun" for word in words)
    with plain_warnings(PROGRAM):
        again = "the same command without --rerun" if fresh else "the same command"
        return guarded(PROGRAM, lambda: run_fold(words), again)


if __name__ == "__main__":
    sys.exit(main())
