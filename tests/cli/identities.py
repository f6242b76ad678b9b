"""The id of the run that fau-train would make."""

from __future__ import annotations

from fau.cli.train import parse, resolve
from fau.data.datamodule import FaceDataModule
from fau.hardware import default_precision
from fau.runs import run_id
from fau.training import deciding_settings


def identity(arguments: list[str]) -> str:
    """Return the id of the run that a command line asks for."""
    cli = parse(arguments)
    config = resolve(cli)
    data = FaceDataModule(**cli.config["data"].as_dict())
    data.setup("fit")
    precision = str(config["trainer"]["precision"] or default_precision("cpu"))
    return run_id(deciding_settings(config, data.describe(), precision, config["patience"]))
