"""Files of weights: checked, read as tensors alone, held against a network; and which file a run was tested with."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import struct
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor

from fau.errors import FauError

# What torch raises for a file that is none of its own.
_UNREADABLE = (
    *(OSError, RuntimeError, EOFError, pickle.UnpicklingError, struct.error),
    *(AttributeError, IndexError, KeyError, TypeError, ValueError),
)
_CHECKSUM = "#sha256="  # between a path and the first digits of its checksum, as packages' addresses have it
_DIGITS = re.compile(r"[0-9a-f]{8,64}")  # 8 are what torch's hub puts into the names of its files


def path_of(setting: str) -> Path:
    """Return the path in a setting such as ``resnet50.pth#sha256=0676ba61``, whose second part may be missing."""
    return Path(setting.partition(_CHECKSUM)[0])


def sha256(file: Path) -> str:
    """Return the checksum of a file's content, 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checked(setting: str) -> Path:
    """Return the path in a setting; where a checksum follows, the file has it.

    Raises:
        FauError: If the file's checksum is another, or what follows is none.
    """
    file, mark, wanted = path_of(setting), *setting.partition(_CHECKSUM)[1:]
    wanted = wanted.lower()
    if mark and not _DIGITS.fullmatch(wanted):
        raise FauError(
            f"'{wanted}' after '{_CHECKSUM}' is no checksum of '{file}'; give its first 8 or more hexadecimal digits"
        )
    if mark and file.is_file():
        found = sha256(file)
        if not found.startswith(wanted):
            raise FauError(
                f"the weight file '{file}' has the SHA-256 {found[: max(len(wanted), 16)]} and not {wanted}; fetch it "
                f"again, or correct what follows '{_CHECKSUM}'"
            )
    return file


def read_state(file: Path) -> dict[str, Tensor]:
    """Return the state dict that a file holds, by itself or in a checkpoint.

    Args:
        file: The file, perhaps with its checksum behind its name (``checked``).

    Raises:
        FauError: If there is no such file, it holds no weights, or its checksum is another.
    """
    file = checked(str(file))
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
    """Return what of a state does not fit a network's own, in turns: other shapes, what lacks, what has no place."""
    shapes = [
        f"{key} is {list(state[key].shape)} and not {list(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    lacking = [f"{key} is lacking" for key in own if key not in state]
    surplus = [f"{key} has no place" for key in state if key not in own]
    return [fault for turn in zip_longest(shapes, lacking, surplus) for fault in turn if fault]


def listed(faults: list[str], limit: int = 6) -> str:
    """Return misfits in one line, no more than a limit: another architecture has hundreds."""
    rest = f"; and {len(faults) - limit} more" if len(faults) > limit else ""
    return "; ".join(faults[:limit]) + rest
