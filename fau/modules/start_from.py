"""Starting from a run of other labels: what of its network is carried over, what stays at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.modules.sources import check_groups, find_run
from fau.nets.output import Net
from fau.nets.weight_files import listed, misfits, network_part, read_state, sha256, tested_checkpoint


def start_from_run(
    net: Net, labels: Sequence[str], setting: str, data: FaceDataModule
) -> tuple[dict[str, Any], list[str]]:
    """Load the weights of a run into a network, as far as they mean the same.

    The body is taken whole. Of the head, what has the same name and shape; of its last layer the rows of labels that
    both have, by name and never by position. All else keeps its random start.

    Args:
        net: The network.
        labels: Names of its outputs, in their order.
        setting: A run's folder, a run's id below ``runs``, or a folder of runs.
        data: The data of the fold, set up.

    Returns:
        What the run's record keeps, and sentences for its warnings.

    Raises:
        FauError: If there is no such run, it is not finished, it trained another network, or it learned from groups
            that are tested here.
    """
    run = find_run("start_from", setting, data)
    record = run.read()
    file = tested_checkpoint(run.path)
    state = network_part(read_state(file))
    there = record.get("labels", [])
    if state is None:
        raise FauError(f"'{file}' holds no network of fau; name another run in model.start_from")
    _check_architecture(net, record, run.path)
    notes = check_groups(run, data, "model.start_from")
    carried, fresh = _load(net, state, labels, there, run.path)
    started = {"run": str(run.path), "carried over": carried, "at random": fresh}
    started |= {"run_id": record["run_id"], "label_set": record["label_set"], "sha256": sha256(file)}
    return started, notes


def _check_architecture(net: Net, record: Mapping[str, Any], path: Path) -> None:
    """Refuse a network of another name: weights may fit by their shapes, and yet compute something else."""
    model = record.get("config", {}).get("model", {})
    found = model.get("init_args", {}).get("net")
    if not isinstance(found, dict) or "class_path" not in found:
        return
    there, here = str(found["class_path"]).rpartition(".")[2], type(net).__name__
    trunk = (found.get("init_args") or {}).get("name")
    if isinstance(trunk, str) and there == here and hasattr(net, "name"):
        there, here = f"{there} with {trunk.partition('.')[0]}", f"{here} with {str(net.name).partition('.')[0]}"
    if there != here:
        raise FauError(f"the run '{path}' trained {there}, and this is {here}; start from a run of the same network")


def _load(
    net: Net, state: Mapping[str, Tensor], labels: Sequence[str], there: Sequence[str], path: Path
) -> tuple[list[str], list[str]]:
    """Load what fits; return what was carried over, and what keeps its random start."""
    own, last, head = net.state_dict(), _last_layer(net), _head(net)
    outputs = {f"{last}.{key}" for key in ("weight", "bias")}.intersection(own)
    rest = {key: value for key, value in state.items() if key not in outputs}
    body = {key: value for key, value in rest.items() if key.partition(".")[0] not in head}
    faults = misfits(body, {key: value for key, value in own.items() if key.partition(".")[0] not in head})
    faults += [f"{key} is of {len(there)} labels and another shape" for key in outputs if not _rows_fit(
        state.get(key), own[key], len(there))]  # fmt: skip
    if faults:
        raise FauError(
            f"{len(faults)} weights of the run '{path}' do not fit this {type(net).__name__}, {listed(faults, 2)}; "
            "start from a run of the same network"
        )
    taken = {key: value for key, value in rest.items() if key in own and value.shape == own[key].shape}
    places = [there.index(label) if label in there else None for label in labels]
    for key in outputs:
        rows = [own[key][at] if place is None else state[key][place] for at, place in enumerate(places)]
        taken[key] = torch.stack([row.to(own[key].device) for row in rows])
    net.load_state_dict(taken, strict=False)

    names = [name for name, _ in net.named_parameters() if name not in outputs]
    parts = dict.fromkeys(_part(name, head) for name in names)
    sizes = {part: sum(own[name].numel() for name in names if name in taken and _part(name, head) == part)
             for part in parts}  # fmt: skip
    fresh = dict.fromkeys(_part(name, head) for name in names if name not in taken)
    kept = [label for label, place in zip(labels, places, strict=True) if place is not None]
    new = [label for label, place in zip(labels, places, strict=True) if place is None]
    carried = [f"{part}: {size:,}" for part, size in sizes.items() if size] + kept
    return carried, [*fresh, *(new if kept else [f"{last}, as no label is the same"])]


def _rows_fit(found: Tensor | None, own: Tensor, rows: int) -> bool:
    return found is not None and found.shape[1:] == own.shape[1:] and len(found) == rows


def _head(net: Net) -> set[str]:
    """Return the children of the network that are its head."""
    depths = net.depths()
    return {name.partition(".")[0] for name, depth in depths.items() if depth == max(depths.values())}


def _part(name: str, head: set[str]) -> str:
    """Return the part of a network that a weight is of: its child, in the head the child's child."""
    first, _, rest = name.partition(".")
    return f"{first}.{rest.partition('.')[0]}" if first in head and rest else first


def _last_layer(net: Net) -> str:
    """Return the name of the layer with a row for each label.

    Raises:
        FauError: If the head has none.
    """
    head = _head(net)
    layers: list[str] = [
        name
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
        and name.partition(".")[0] in head
        and layer.weight.shape[0] == net.num_outputs
    ]
    if not layers:
        raise FauError(
            f"{type(net).__name__} has no layer with a row for each label, so that labels of another run cannot be "
            "told apart; leave model.start_from out"
        )
    return layers[-1]
