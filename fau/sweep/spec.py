"""Sweep files: W&B's own syntax, read and checked without a server."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from fau.errors import FauError
from fau.sweep import command as commands
from fau.sweep.grid import expand

# Top level of W&B's schema (sweeps 0.3.0), whose validator needs NumPy below 2 and so cannot be installed beside fau.
_KEYS = {
    *("apiVersion", "kind", "controller", "description", "program", "job", "image_uri", "entity", "project", "method"),
    *("command", "name", "run_cap", "metric", "metrics", "scheduler", "early_terminate", "parameters"),
}
_ONLINE_KEYS = ("controller", "scheduler", "early_terminate", "metrics", "job", "image_uri")
_TEXT_KEYS = ("description", "program", "entity", "project", "name")
_TRAIN = "fau-train"
# Parameters that repeat a configuration; they are not part of its name.
_REPLICATES = ("fold", "seed")


@dataclass(frozen=True)
class Trial:
    """One point of the grid.

    Attributes:
        number: Position in the sweep, from 1.
        values: Names and values of its parameters.
        argv: The words of its command.
        row: How tables call its configuration: the name in its overlay, and the values that the sweep varies.
        replicate: Its fold and seed where the sweep varies them, such as ``fold 2``.
    """

    number: int
    values: Mapping[str, Any]
    argv: tuple[str, ...]
    row: str
    replicate: str

    @property
    def is_fau_train(self) -> bool:
        """Whether the command starts with ``fau-train``, so that we know what its words mean."""
        return Path(self.argv[0]).name == _TRAIN

    @property
    def title(self) -> str:
        """Row and replicate."""
        return f"{self.row} {self.replicate}".strip()

    @property
    def shell_line(self) -> str:
        """The command as one could type it."""
        return shlex.join(self.argv)

    def config_files(self) -> list[Path]:
        """Return the files that the command names by ``--config``, in order; none if it is not ``fau-train``'s."""
        return [Path(word) for word in option_values(self.argv, "config")] if self.is_fau_train else []

    @cached_property
    def starts_from_runs(self) -> bool:
        """Whether it starts from weights of other runs, which earlier trials may have to train."""
        return self.is_fau_train and any(self._names_a_run(setting) for setting in ("stage1", "start_from"))

    def _names_a_run(self, setting: str) -> bool:
        """Whether a setting of the model is set, as the last word on it has it."""
        contents = [_setting(load_yaml(file), "model", "init_args") for file in self.config_files()]
        found = [content[setting] for content in contents if isinstance(content, Mapping) and setting in content]
        found += option_values(self.argv, f"model.{setting}") + option_values(self.argv, f"model.init_args.{setting}")
        return bool(found) and found[-1] not in (None, "null")

    def follows(self, other: Trial) -> bool:
        """Whether it has to wait until ``other`` has ended: an earlier trial of its fold and seed."""
        return self.starts_from_runs and other.number < self.number and other.replicate == self.replicate


@dataclass(frozen=True)
class Sweep:
    """A sweep file and its trials.

    Attributes:
        file: The file.
        name: Its ``name``, or the file's.
        trials: The grid, in W&B's order, cut at ``run_cap``.
        configuration: The file's content.
    """

    file: Path
    name: str
    trials: tuple[Trial, ...]
    configuration: Mapping[str, Any] = field(repr=False)

    @property
    def rows(self) -> list[str]:
        """The rows, in order of appearance."""
        return list(dict.fromkeys(trial.row for trial in self.trials))


def _setting(content: Any, *keys: str) -> Any:
    """Return a setting of a configuration by its path of keys; None where it is not set."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def option_values(argv: Sequence[str], name: str) -> list[str]:
    """Return what a command line gives an option, as ``--name=value`` or ``--name value``."""
    values = []
    for word, following in itertools.pairwise([*argv, ""]):
        if word.startswith(f"--{name}="):
            values.append(word.partition("=")[2])
        elif word == f"--{name}":
            values.append(following)
    return values


def load_yaml(file: Path) -> Any:
    """Read a YAML file as W&B does, and refuse a key that stands twice.

    Raises:
        FauError: If the file is missing, is not YAML, or repeats a key.
    """
    try:
        return yaml.load(file.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise FauError(f"'{file}' cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FauError(f"'{file}' is not valid YAML: {' '.join(str(error).split())}") from error


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader for which a key that stands twice is an error, not a silent loss of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[str] = []
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.append(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def load(file: Path, extra: Sequence[str] = (), json_folder: Path = Path()) -> Sweep:
    """Read, check and expand a sweep file.

    Args:
        file: The file, in W&B's sweep syntax.
        extra: Words to add to each command.
        json_folder: Where the files of ``${args_json_file}`` are to lie.

    Raises:
        FauError: If the file is missing, empty or malformed, asks for what only W&B's server can do, or names a
            configuration file that does not exist.
    """
    configuration = load_yaml(file)
    if not configuration:
        raise FauError(f"'{file}' is empty; a sweep file needs `method`, `command` and `parameters`")
    where = f"'{file}'"
    _check(configuration, where)
    try:
        trials = _trials(configuration, where, extra, json_folder)
    except FauError as error:
        raise FauError(str(error) if where in str(error) else f"{where}: {error}") from error
    _check_config_files(trials, where)
    return Sweep(file, str(configuration.get("name") or file.stem), tuple(trials), configuration)


def _check(configuration: Any, where: str) -> None:
    if not isinstance(configuration, Mapping):
        raise FauError(f"{where} must hold `method`, `command` and `parameters`, not a {type(configuration).__name__}")
    if "parameters" not in configuration and {"experiment", "model", "data", "trainer"} & set(configuration):
        raise FauError(f"{where} is an experiment, not a sweep; fau-train --config trains it")
    for key in configuration:
        if key not in _KEYS:
            raise FauError(f"{where} has the unknown key {key!r}; W&B knows {', '.join(sorted(_KEYS))}")
    method = configuration.get("method")
    if method is None:
        raise FauError(f"{where} names no `method`; write `method: grid`")
    if method != "grid":
        raise FauError(
            f"{where} has method {method!r}, and fau-sweep walks grids only; "
            f"run this file by `wandb sweep {where.strip(chr(39))}` and `wandb agent`"
        )
    for key in _ONLINE_KEYS:
        if configuration.get(key):
            raise FauError(
                f"{where} asks for `{key}`, which needs W&B's server; "
                "take it out, or use `wandb sweep` and `wandb agent`"
            )
    for key in _TEXT_KEYS:
        if key in configuration and not isinstance(configuration[key], str):
            raise FauError(f"{where}: `{key}` must be text, not {configuration[key]!r}")
    cap = configuration.get("run_cap", 1)
    if not isinstance(cap, int) or isinstance(cap, bool) or cap < 1:
        raise FauError(f"{where}: `run_cap` must be a whole number of 1 or more, not {cap!r}")
    command = configuration.get("command", list(commands.DEFAULT_COMMAND))
    if not isinstance(command, list) or not command:
        raise FauError(f"{where}: `command` must be a list of words, not {command!r}")
    parameters = configuration.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        raise FauError(f"{where} has no `parameters`, so there is nothing to sweep; give at least one with `values`")


def _trials(configuration: Mapping[str, Any], where: str, extra: Sequence[str], folder: Path) -> list[Trial]:
    points = list(itertools.islice(expand(configuration["parameters"], where), configuration.get("run_cap")))
    varying = _varying(points)
    command, program = configuration.get("command", commands.DEFAULT_COMMAND), configuration.get("program")
    names: dict[Path, str] = {}
    trials = []
    for number, values in enumerate(points, start=1):
        argv = commands.build(command, program, values, folder / f"config-{number}.json")
        if not argv:
            raise FauError("the command has no words left once its macros are filled in")
        trial = Trial(number, values, (*argv, *extra), "", " ".join(_replicate(values)))
        trial = replace(trial, row=_row(trial, varying, names))
        if trial.is_fau_train and "all" in option_values(argv, "fold"):
            raise FauError("a trial is one fold, so `fold` cannot be 'all'; list the folds, such as [1, 2, 3]")
        if trial.is_fau_train and varying and "name" not in values:
            # The overlays' names alone would put these configurations into one row of the report.
            trial = replace(trial, argv=(*trial.argv, f"--name={trial.row}"))
        trials.append(trial)
    return trials


def _varying(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the parameters that tell configurations apart and are not in an overlay's name."""
    seen: dict[str, Any] = {}
    varying = dict[str, None]()
    for point in points:
        for name, value in _flat(point):
            if name not in (*_REPLICATES, "config", "name") and seen.setdefault(name, value) != value:
                varying[name] = None
    return list(varying)


def _replicate(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in _flat(values):
        if name in _REPLICATES:
            yield f"{name} {value}"


def _row(trial: Trial, varying: Sequence[str], names: dict[Path, str]) -> str:
    if "name" in trial.values:
        return str(trial.values["name"])
    files = trial.config_files()
    if not files and isinstance(trial.values.get("config"), str):
        files = [Path(str(trial.values["config"]))]
    parts = [f"{name}={value}" for name, value in _flat(trial.values) if name in varying]
    if files:
        if files[-1] not in names:
            names[files[-1]] = _overlay_name(files[-1])
        parts.insert(0, names[files[-1]])
    return " ".join(parts) or "default"


def _flat(values: Mapping[str, Any], outer: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{outer}{name}.")
        else:
            yield f"{outer}{name}", value


def _overlay_name(file: Path) -> str:
    """Return the ``name`` that an overlay carries, or else the file's."""
    content = load_yaml(file) if file.is_file() else None
    name = content.get("name") if isinstance(content, Mapping) else None
    return str(name or file.stem)


def _check_config_files(trials: Sequence[Trial], where: str) -> None:
    files = dict.fromkeys(file for trial in trials for file in trial.config_files())
    if missing := [str(file) for file in files if not file.is_file()]:
        raise FauError(
            f"{where} names configuration files that do not exist: {', '.join(missing)}; "
            f"paths count from the current folder, {Path.cwd()}"
        )
