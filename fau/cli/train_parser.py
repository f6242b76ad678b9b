"""The command line of ``fau-train``: its flags, the defaults, and what of it is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Literal

import jsonargparse
import torch
from jsonargparse import ActionYesNo
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from omegaconf.errors import OmegaConfBaseException

from fau.cli.class_change import own_defaults
from fau.cli.parse_errors import broken_file, one_sentence, with_file
from fau.cores import usable_cores
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.modules.base import FaceModule
from fau.modules.detection import AUDetection
from fau.nets.gla import GLACNN
from fau.report.published import asked as published_rows
from fau.tracking.settings import Mode, Pictures

PROGRAM = "fau-train"
_DESCRIPTION = (
    "Train a network on one fold, or on each in turn, and test it; asked again, go on or say that it is done. Settings "
    "are flags, or stand in files given by --config; what comes later on the command line wins. --print_config shows "
    "all settings with what was given, those of the network and the optimiser too."
)

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
    """LightningCLI with our own flags; parses, and builds nothing."""

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
            parser_kwargs={
                **{"parser_mode": "omegaconf+", "exit_on_error": False, "allow_abbrev": False},
                **{"prog": PROGRAM, "description": _DESCRIPTION},
            },
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
        raise FauError(broken_file(args) or with_file(one_sentence(error), args)) from error
    finally:
        sys.argv = saved


def resolve(cli: TrainCLI) -> dict[str, Any]:
    """Return the whole configuration as plain JSON values, linked values included."""
    text = cli.parser.dump(cli.config, format="json", skip_link_targets=False, skip_none=False)
    resolved: dict[str, Any] = json.loads(text)
    return resolved


def check(config: dict[str, Any]) -> None:
    """Refuse what types let pass and training would trip over, before anything is written.

    Args:
        config: As ``resolve`` gives it.

    Raises:
        FauError: If a setting is out of its range, or does not go with another.
    """
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
    devices = trainer["devices"]
    crowded = str(devices).isdecimal() and int(devices) > usable_cores()
    if trainer["accelerator"] == "auto" and crowded and not torch.accelerator.is_available():
        raise FauError(
            f"trainer.devices {devices} asks for as many GPUs, and none is seen here; leave it out, or give "
            "--trainer.accelerator cpu for that many processes on this CPU"
        )
