"""Files of weights: read as tensors alone, held against a network, and which file a run was tested with."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fau.errors import FauError

# What torch raises for a file that is none of its own.
_UNREADABLE = (
    *(OSError, RuntimeError, EOFError, pickle.UnpicklingError, struct.error),
    *(AttributeError, IndexError, KeyError, TypeError, ValueError),
)


def read_state(file: Path) -> dict[str, Tensor]:
    """Return the state dict that a file holds, by itself or in a checkpoint.

    Raises:
        FauError: If there is no such file, or it holds no weights.
    """
    if not file.is_file():
        raise FauError(f"the weight file '{file}' does not exist; name a checkpoint, or a folder of a finished run")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise FauError(f"'{file}' cannot be read as weights; give a checkpoint that holds tensors alone") from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise FauError(f"'{file}' holds no state dict; give a checkpoint of the authors or of a run")
    return dict(state)


def network_part(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return the network's weights of a training module's state; None where it is no module of ours."""
    prefix = "net."
    return {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)} or None


def tested_checkpoint(run: Path) -> Path:
    """Return the checkpoint that a run was tested with.

    Raises:
        FauError: If the folder is no run, or it is not finished.
    """
    try:
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FauError(f"'{run}' is no folder of a run: its run.json cannot be read; name a run or a file") from error
    if record.get("status") != "done":
        raise FauError(f"the run '{run}' is not done; finish it before its weights are used")
    return run / "checkpoints" / ("last.ckpt" if record.get("selection") == "last" else "best.ckpt")


def misfits(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Return what of a state does not fit a network's own: other shapes, what is lacking, what has no place."""
    shapes = [
        f"{key} is {list(state[key].shape)} and not {list(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    lacking = [f"{key} is lacking" for key in own if key not in state]
    return shapes + lacking + [f"{key} has no place" for key in state if key not in own]


def listed(faults: list[str], limit: int = 60) -> str:
    """Return misfits in one line, no more than a limit."""
    rest = f"; and {len(faults) - limit} more" if len(faults) > limit else ""
    return "; ".join(faults[:limit]) + rest
