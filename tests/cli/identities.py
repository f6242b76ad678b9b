"""The id of the run that fau-train would make."""

from __future__ import annotations

from typing import Any

from fau.cli.train_parser import parse, resolve
from fau.data.datamodule import FaceDataModule
from fau.hardware import default_precision
from fau.identity import find_place


def resolved(arguments: list[str]) -> tuple[dict[str, Any], FaceDataModule, str]:
    """Return the configuration, the data and the precision that a command line asks for."""
    cli = parse(arguments)
    config = resolve(cli)
    data = FaceDataModule(**cli.config["data"].as_dict())
    data.setup("fit")
    return config, data, str(config["trainer"]["precision"] or default_precision("cpu"))


def identity(arguments: list[str]) -> str:
    """Return the id of the run that a command line asks for."""
    return find_place(*resolved(arguments))[1].path.name
