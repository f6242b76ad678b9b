import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fau.errors import FauError
from fau.sweep.grid import expand

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
scalars = st.booleans() | st.integers(-5, 5) | st.floats(-2, 2).map(lambda x: x + 0.0) | st.text(max_size=4)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(names, scalars, max_size=2)
leaves = st.one_of(
    values.map(lambda value: {"value": value}),
    st.lists(values, min_size=1, max_size=3).map(lambda several: {"values": several}),
)
parameters = st.dictionaries(
    names,
    st.recursive(
        leaves,
        lambda inner: st.dictionaries(names, inner, min_size=1, max_size=2).map(lambda d: {"parameters": d}),
        max_leaves=4,
    ),
    min_size=1,
    max_size=3,
)


def distinct(several: list[Any]) -> int:
    return len({json.dumps(int(v) if isinstance(v, float) and v.is_integer() else v, sort_keys=True) for v in several})


def size(specification: dict[str, Any]) -> int:
    total = 1
    for leaf in specification.values():
        if "parameters" in leaf:
            total *= size(leaf["parameters"])
        elif "values" in leaf:
            total *= distinct(leaf["values"])
    return total


@given(parameters)
def test_the_grid_is_the_product_of_distinct_values_without_repetition(specification: dict[str, Any]) -> None:
    points = list(expand(specification, "'x.yaml'"))
    assert len(points) == size(specification)
    assert all(list(point) == sorted(specification) for point in points)
    assert points == list(expand(dict(reversed(specification.items())), "'x.yaml'"))


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=4, unique=True), min_size=1, max_size=4))
def test_the_last_name_changes_fastest(axes: list[list[int]]) -> None:
    specification = {f"p{i}": {"values": axis} for i, axis in enumerate(axes)}
    assert [tuple(point.values()) for point in expand(specification, "'x'")] == list(itertools.product(*axes))


def test_order_is_that_of_wandbs_own_grid() -> None:
    # sweeps 0.3.0, next_run over {fold: [1, 2], config: [b, a], deep: {x: [0, 1]}}: names sorted, last fastest.
    specification = {
        "fold": {"values": [1, 2]},
        "config": {"values": ["b", "a"]},
        "deep": {"parameters": {"x": {"values": [0, 1]}}},
    }
    points = list(expand(specification, "'x'"))
    assert points[0] == {"config": "b", "deep": {"x": 0}, "fold": 1}
    assert points[1] == {"config": "b", "deep": {"x": 0}, "fold": 2}
    assert points[2] == {"config": "b", "deep": {"x": 1}, "fold": 1}
    assert points[4] == {"config": "a", "deep": {"x": 0}, "fold": 1}


def test_ranges_are_those_of_wandbs_grid() -> None:
    assert [p["n"] for p in expand({"n": {"min": 1, "max": 3}}, "'x'")] == [1, 2, 3]
    steps = {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.5}
    assert [p["n"] for p in expand({"n": steps}, "'x'")] == [0.0, 0.5]


def test_equal_values_count_once_but_true_is_not_one() -> None:
    assert [p["x"] for p in expand({"x": {"values": [1, 1.0, True, 1]}}, "'x'")] == [1, True]


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ({"x": {"values": [1, None]}}, ["'x'", "null", "overlay"]),
        ({"x": {"value": None}}, ["'x'", "null"]),
        ({"x": {"value": {"a": [None]}}}, ["'x'", "null"]),
        ({"a": {"parameters": {"b": {"values": [None]}}}}, ["'a.b'", "null"]),
        ({"x": {"values": []}}, ["'x'", "at least one"]),
        ({"x": {"values": 3}}, ["'x'", "list"]),
        ({"x": 3}, ["'x'", "`value`"]),
        ({"x": {}}, ["'x'", "empty"]),
        ({"x": {"value": 1, "values": [1]}}, ["'x'", "at once"]),
        ({"x": {"valeus": [1]}}, ["'x'", "'valeus'"]),
        ({"x": {"min": 0.1, "max": 1.0}}, ["'x'", "wandb agent"]),
        ({"x": {"min": 0.1}}, ["'x'", "`max`"]),
        ({"x": {"distribution": "normal", "mu": 0}}, ["'x'", "wandb agent"]),
        ({"x": {"distribution": "log_uniform_values", "min": 1, "max": 2}}, ["log_uniform_values", "wandb agent"]),
        ({"x": {"values": [1, 2], "probabilities": [0.5, 0.5]}}, ["probabilities", "wandb agent"]),
        ({"x": {"value": float("inf")}}, ["'x'", "inf"]),
        ({"x": {"value": {1: 2}}}, ["'x'", "keys must be text"]),
        ({"x y": {"value": 1}}, ["'x y'"]),
        ({"x": {"parameters": {}}}, ["'x'", "at least one"]),
    ],
)
def test_what_is_malformed_is_named(specification: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(FauError) as caught:
        list(expand(specification, "'x.yaml'"))
    assert all(word in str(caught.value) for word in ["'x.yaml'", *words]), caught.value
