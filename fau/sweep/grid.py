"""Parameters of a sweep: what may stand in the file, and the grid that they span.

The rules are those of W&B's own schema, so that a file which passes here is taken by ``wandb sweep`` as it stands.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fau.errors import FauError

# W&B's schema for the names of parameters.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_DISTRIBUTIONS = ("constant", "categorical", "int_uniform", "q_uniform")
_KEYS = {"value", "values", "parameters", "distribution", "min", "max", "q"}
_SEARCH_KEYS = {"mu", "sigma", "a", "b", "probabilities"}
_TO_AGENT = "run the file by `wandb sweep` and `wandb agent`, or list `values`"

Axis = tuple[tuple[str, ...], list[Any]]


def expand(parameters: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Yield the points of the grid in W&B's order: names sorted, the last one changes fastest.

    Args:
        parameters: The ``parameters`` of a sweep file.
        where: The file, for error messages.

    Yields:
        Names and values; a nested ``parameters`` becomes a nested dict. Equal points come once.

    Raises:
        FauError: If a parameter is malformed, holds null, or is one that a grid cannot have.
    """
    axes = list(_axes(parameters, (), where))
    for combination in itertools.product(*(_distinct(values) for _, values in axes)):
        point: dict[str, Any] = {}
        for (path, _), value in zip(axes, combination, strict=True):
            inner = point
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = value
        yield point


def _axes(parameters: Mapping[str, Any], outer: tuple[str, ...], where: str) -> Iterator[Axis]:
    for name in parameters:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise FauError(f"{where}: parameter name {name!r} must be letters, digits, '_', '.', '-', a letter first")
    for name in sorted(parameters):
        path, specification = (*outer, name), parameters[name]
        label = f"{where}: parameter '{'.'.join(path)}'"
        if not isinstance(specification, Mapping):
            raise FauError(f"{label} must hold `value` or `values`, not {specification!r}")
        _check_keys(specification, label)
        if "parameters" in specification:
            inner = specification["parameters"]
            if not isinstance(inner, Mapping) or not inner:
                raise FauError(f"{label}: `parameters` must name at least one parameter")
            yield from _axes(inner, path, where)
        else:
            values = _values(specification, label)
            for value in values:
                _check_value(value, label)
            yield path, values


def _check_keys(specification: Mapping[str, Any], label: str) -> None:
    unknown = [key for key in specification if key not in _KEYS]
    if search := [key for key in unknown if key in _SEARCH_KEYS]:
        raise FauError(f"{label} has `{search[0]}`, which a grid cannot have; {_TO_AGENT}")
    if unknown:
        raise FauError(f"{label} has the unknown key {unknown[0]!r}; it may hold {', '.join(sorted(_KEYS))}")
    kinds = [key for key in ("value", "values", "parameters") if key in specification]
    if "min" in specification or "max" in specification:
        kinds.append("min/max")
    if len(kinds) != 1:
        found = f"has {' and '.join(kinds)} at once" if kinds else "is empty"
        raise FauError(f"{label} {found}; give exactly one of `value`, `values`, `parameters`, `min` with `max`")
    distribution = specification.get("distribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        raise FauError(f"{label} has distribution {distribution!r}, which a grid cannot have; {_TO_AGENT}")


def _values(specification: Mapping[str, Any], label: str) -> list[Any]:
    if "value" in specification:
        return [specification["value"]]
    if "values" in specification:
        values = specification["values"]
        if not isinstance(values, list) or not values:
            raise FauError(f"{label}: `values` must be a list with at least one entry, not {values!r}")
        return values
    return _range(specification, label)


def _range(specification: Mapping[str, Any], label: str) -> list[Any]:
    """Return the numbers between ``min`` and ``max`` as W&B's grid takes them: integers, or steps of ``q``."""
    low, high, step = (_number(specification, key, label) for key in ("min", "max", "q"))
    whole = isinstance(low, int) and isinstance(high, int)
    distribution = specification.get("distribution", "int_uniform" if whole else None)
    if distribution == "int_uniform" and isinstance(low, int) and isinstance(high, int) and low <= high:
        return list(range(low, high + 1))
    if distribution == "q_uniform" and low < high and step > 0:
        values: list[Any] = np.arange(low, high, step).tolist()
        return values
    raise FauError(f"{label} is a range that a grid cannot walk; {_TO_AGENT}")


def _number(specification: Mapping[str, Any], key: str, label: str) -> int | float:
    value = specification.get(key, 1.0 if key == "q" else None)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise FauError(f"{label}: `{key}` must be a number, not {value!r}")


def _check_value(value: Any, label: str) -> None:
    if value is None:
        raise FauError(
            f"{label} holds null, which would reach the command as the text 'None'; "
            "put the null into an overlay file and sweep over `config`"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise FauError(f"{label} holds {value}, which JSON and so W&B cannot carry")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise FauError(f"{label} holds a dict with the key {key!r}; keys must be text")
            _check_value(inner, label)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            _check_value(inner, label)
    elif not isinstance(value, str | bool | int | float):
        raise FauError(f"{label} holds {value!r} ({type(value).__name__}); put it in quotes to pass it as text")


def _distinct(values: list[Any]) -> list[Any]:
    """Drop repetitions; like W&B's grid, count 1 and 1.0 as the same value, but not 1 and true."""

    def key(value: Any) -> str:
        whole = isinstance(value, float) and value.is_integer()
        return json.dumps(int(value) if whole else value, sort_keys=True)

    return list({key(value): value for value in reversed(values)}.values())[::-1]
