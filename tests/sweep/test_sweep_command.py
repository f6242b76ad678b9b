import copy
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from fau.errors import FauError
from fau.sweep.command import DEFAULT_COMMAND, argument_forms, build

scalars = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
trials = st.dictionaries(
    st.from_regex(r"[a-z][a-z_.]{0,6}", fullmatch=True),
    scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=3), scalars, max_size=2),
    max_size=4,
)
words = st.sampled_from(
    [
        *("${env}", "${interpreter}", "${program}", "${args}", "${args_no_hyphens}", "${args_no_boolean_flags}"),
        *("${args_json}", "${args_no_equals}", "${args_append_hydra}", "${args_override_hydra}", "${args_json_file}"),
        *("fau-train", "--lr=${args}", "--home=${envvar:FAU_TEST_SET}", "${envvar:FAU_TEST_UNSET}", "x", "$"),
    ]
)


def agents_words(command: list[str], program: str, values: dict[str, Any], json_file: Path) -> list[str]:
    """Fill in a command as wandb_agent.Agent._command_run does, by the agent's own functions."""
    variables = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    variables |= {"interpreter": ["python"], "program": [program], "args_json_file": [str(json_file)]}
    variables["env"] = ["/usr/bin/env"]
    made: list[str] = []
    for word in create_sweep_command(copy.copy(command)):
        macro = word.startswith("${") and word.endswith("}")
        made += variables.get(word[2:-1]) or [] if macro else [word]
    return made


@given(trials, st.lists(words, min_size=1, max_size=5))
def test_words_are_those_of_the_agent(values: dict[str, Any], command: list[str]) -> None:
    os.environ["FAU_TEST_SET"] = "/home/x"
    os.environ.pop("FAU_TEST_UNSET", None)
    file = Path("config-1.json")
    assert build(command, "train.py", values, file) == agents_words(command, "train.py", values, file)


def test_the_agents_default_command() -> None:
    assert list(DEFAULT_COMMAND) == create_sweep_command(None)
    assert build(DEFAULT_COMMAND, "a.py", {"x": 1}, Path("j"))[1:] == ["python", "a.py", "--x=1"]


def test_values_are_passed_as_they_stand() -> None:
    values = {"model.attention": False, "data": {"fold": 1, "aug": "a"}, "lr": 1e-4, "l": [1, 2]}
    forms = argument_forms(values)
    assert forms["args"] == ["--model.attention=False", "--data={'fold': 1, 'aug': 'a'}", "--lr=0.0001", "--l=[1, 2]"]
    assert forms["args_no_boolean_flags"] == ["--data={'fold': 1, 'aug': 'a'}", "--lr=0.0001", "--l=[1, 2]"]


def test_unknown_macros_and_a_missing_program_are_named() -> None:
    with pytest.raises(FauError, match=r"\$\{arg\}.*args_json"):
        build(["x", "${arg}"], None, {}, Path("j"))
    with pytest.raises(FauError, match="names no `program`"):
        build(DEFAULT_COMMAND, None, {}, Path("j"))
