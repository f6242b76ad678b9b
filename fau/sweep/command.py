"""The command of a trial, word for word as W&B's agent makes it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fau.errors import FauError

DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")

# wandb_agent.py, 0.31: the only macro that may stand inside a longer word.
_ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


def argument_forms(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Write the values of a trial in each of the forms that a command may ask for.

    Args:
        values: Names and values, in order.

    Returns:
        The words of each macro that depends on values alone.
    """
    pairs = [f"{name}={value}" for name, value in values.items()]
    flags = [f"--{pair}" for pair in pairs]
    return {
        "args": flags,
        "args_no_hyphens": pairs,
        "args_no_equals": [word for name, value in values.items() for word in (f"--{name}", str(value))],
        "args_no_boolean_flags": [
            f"--{name}" if value is True else flag
            for (name, value), flag in zip(values.items(), flags, strict=True)
            if value is not False
        ],
        "args_json": [json.dumps(dict(values))],
        "args_append_hydra": [f"+{pair}" for pair in pairs],
        "args_override_hydra": [f"++{pair}" for pair in pairs],
    }


def build(command: Sequence[Any], program: str | None, values: Mapping[str, Any], json_file: Path) -> list[str]:
    """Fill in the macros of a command.

    Args:
        command: The words of the sweep file's ``command``.
        program: The file's ``program``.
        values: The values of the trial.
        json_file: Where ``${args_json_file}`` is to lie; this function writes nothing.

    Returns:
        The words to execute.

    Raises:
        FauError: If a macro is unknown, where the agent would drop it without a word, or needs a missing ``program``.
    """
    macros = argument_forms(values) | {
        "env": ["/usr/bin/env"],
        "interpreter": ["python"],
        "args_json_file": [str(json_file)],
    }
    if program is not None:
        macros["program"] = [program]
    words: list[str] = []
    for entry in command:
        # An unset variable is replaced by its own name: that is what the agent does.
        word = _ENVIRONMENT.sub(lambda match: os.environ.get(match[1], match[1]), str(entry))
        if not (word.startswith("${") and word.endswith("}")):
            words.append(word)
        elif word[2:-1] in macros:
            words += macros[word[2:-1]]
        elif word == "${program}":
            raise FauError("the command asks for ${program}, and the sweep file names no `program`")
        else:
            raise FauError(f"the command holds the unknown macro {word}; known are {', '.join(sorted(macros))}")
    return words
