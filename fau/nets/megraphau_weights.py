"""Weights of ME-GraphAU from files: the authors' checkpoints under our names, and runs of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from fau.errors import FauError
from fau.nets.weight_files import listed, misfits, network_part, read_state, tested_checkpoint

_RENAMED = {
    "global_linear.fc": "project.linear",
    "global_linear.bn": "project.norm",
    "head.sc": "classify.weight",
    # stage 1
    "head.gnn.U": "graph.own",
    "head.gnn.V": "graph.others",
    "head.gnn.bnv": "graph.norm",
    # stage 2
    "head.edge_extractor.FAM.linear_q": "edges.face.query",
    "head.edge_extractor.FAM.linear_k": "edges.face.key",
    "head.edge_extractor.FAM.linear_v": "edges.face.value",
    "head.edge_extractor.ARM.linear_q": "edges.pair.query",
    "head.edge_extractor.ARM.linear_k": "edges.pair.key",
    "head.edge_extractor.ARM.linear_v": "edges.pair.value",
    "head.edge_extractor.edge_proj": "edges.project",
    "head.edge_extractor.bn": "edges.norm",
    "head.edge_fc": "classify_edges",
    **{f"head.gnn.E{layer + 1}": f"layers.{layer}.edges" for layer in range(2)},
    **{f"head.gnn.bnv{layer + 1}": f"layers.{layer}.node_norm" for layer in range(2)},
    **{f"head.gnn.bne{layer + 1}": f"layers.{layer}.edge_norm" for layer in range(2)},
}
# OpenGraphAU, stage 2
_RENAMED |= {f"head.gnn.graph_layers.{layer}.E": f"layers.{layer}.edges" for layer in range(2)}
_RENAMED |= {f"head.gnn.graph_layers.{layer}.bnv": f"layers.{layer}.node_norm" for layer in range(2)}
_RENAMED |= {f"head.gnn.graph_layers.{layer}.bne": f"layers.{layer}.edge_norm" for layer in range(2)}
_VECTORS = {"head.main_sc": 0, "head.sub_sc": 1}  # its classifier's two parts: ours is one
_MERGED = re.compile(r"head\.(?:main_)?class_linears\.(\d+)\.(fc|bn)\.(\w+)")  # one block an AU: ours are one matrix
# Four matrices of a layer: ours are one.
_GATES = re.compile(r"head\.gnn\.(?:graph_layers\.(\d)\.)?([UVAB])([12]?)\.weight")
_NOT_WEIGHTS = re.compile(r"backbone\..*(relative_position_index|attn_mask)$")  # Swin's tables, made anew
_MERGE_PART = re.compile(r"backbone\.layers\.(\d+)\.downsample\.")  # timm counts it to the next layer


def from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of an authors' checkpoint our names and shapes.

    The map is linear, so that it serves gradients and running statistics as well. Keys that it does not know stay.

    Args:
        state: Their state dict of either stage, with or without the ``module.`` of their data-parallel wrapper.

    Raises:
        FauError: If the blocks of the AUs are not all there.
    """
    renamed: dict[str, Tensor] = {}
    blocks: dict[str, dict[int, Tensor]] = {}
    for full_key, value in state.items():
        key = full_key.removeprefix("module.")
        if _NOT_WEIGHTS.fullmatch(key):
            continue
        if merged := _MERGED.fullmatch(key):
            number, layer, name = merged.groups()
            blocks.setdefault(f"features.{'linear' if layer == 'fc' else 'norm'}.{name}", {})[int(number)] = value
        elif (gate := _GATES.fullmatch(key)) and (gate[1] or gate[3]):  # stage 1 has a U and a V of no layer
            layer = int(gate[1]) if gate[1] else int(gate[3]) - 1
            blocks.setdefault(f"layers.{layer}.nodes.weight", {})["UVAB".index(gate[2])] = value
        elif key in _VECTORS:
            blocks.setdefault("classify.weight", {})[_VECTORS[key]] = value
        elif key.startswith("backbone."):
            key = _MERGE_PART.sub(lambda found: f"backbone.layers.{int(found[1]) + 1}.downsample.", key)
            renamed[f"trunk.model.{key.removeprefix('backbone.')}"] = value
        else:
            stem, _, name = key.rpartition(".")
            renamed[_RENAMED[key] if key in _RENAMED else f"{_RENAMED.get(stem, stem)}.{name}"] = value
    for key, parts in blocks.items():
        if sorted(parts) != list(range(len(parts))):
            raise FauError(f"the checkpoint has blocks {sorted(parts)} of {key}, and lacks others; is the file whole?")
        ordered = [parts[number] for number in range(len(parts))]
        renamed[key] = ordered[0] if key.endswith("num_batches_tracked") else torch.cat(ordered)
    return renamed


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Read weights of ME-GraphAU, under our names.

    Args:
        path: A checkpoint of the authors, a checkpoint of a run of ours, or a run's folder: then the checkpoint that
            the run was tested with.

    Raises:
        FauError: If there is no such file, or it holds no weights.
    """
    path = Path(path)
    state = read_state(tested_checkpoint(path) if path.is_dir() else path)
    ours = network_part(state)
    if ours is not None:
        return ours
    if any(key.startswith("trunk.") for key in state):  # a network of ours
        return state
    return from_authors(state)


def load_weights(net: nn.Module, path: Path | str, stage: int) -> None:
    """Load all weights of a network, or none.

    Raises:
        FauError: If the file lacks some, has others, or has them in other shapes; they are listed.
    """
    state = read_weights(path)
    own = net.state_dict()
    faults = misfits(state, own)
    if faults:
        other = 2 if "edges.project.weight" in state else 1 if "graph.own.weight" in state else stage
        hint = f"; it is of stage {other}" if other != stage else ""
        raise FauError(
            f"{len(faults)} weights of '{path}' do not fit stage {stage} of ME-GraphAU{hint}: {listed(faults)}"
        )
    net.load_state_dict(state)


def start_from_stage1(net: nn.Module, path: Path | str) -> list[str]:
    """Carry over to a network of stage 2 what stage 1 has of it: trunk, projection, AU features, classifier.

    Its graph layer has no counterpart and stays behind; edges and gated layers keep their random start.

    Returns:
        The parts carried over, with the number of their weights, such as ``features: 3,164,160``.

    Raises:
        FauError: If one of those parts is lacking or does not fit; they are listed.
    """
    state = {key: value for key, value in read_weights(path).items() if not key.startswith("graph.")}
    own = {key: value for key, value in net.state_dict().items() if key.split(".")[0] in _SHARED}
    faults = misfits(state, own)
    if faults:
        raise FauError(f"'{path}' is no stage 1 of this network: {listed(faults)}")
    net.load_state_dict(state, strict=False)
    names = [name for name, _ in net.named_parameters()]
    return [
        f"{part}: {sum(state[name].numel() for name in names if name.startswith(f'{part}.')):,}" for part in _SHARED
    ]


_SHARED = ("trunk", "project", "features", "classify")
