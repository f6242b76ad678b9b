"""Weights of JAA-Net from files: the authors' six files under our names, and runs of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fau.errors import FauError
from fau.nets.au_maps import RULES_49
from fau.nets.weight_files import listed, misfits, network_part, read_state, tested_checkpoint

# The authors save a file for each part, `<part>_<epoch>.pth`.
PARTS = ("region_learning", "align_net", "local_attention_refine", "local_au_net", "global_au_feat", "au_net")
# Where theirs is one layer a patch or an AU, numbered by `group`, ours is one layer of groups.
_RENAMED = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"region_learning\.multiscale_feat\.(?P<at>\d)\.conv\.(?P<rest>\w+)", "region.{at}.conv.{rest}"),
        (r"region_learning\.multiscale_feat\.(?P<at>\d)\.bn\.(?P<rest>\w+)", "region.{at}.norm.{rest}"),
        (
            r"region_learning\.multiscale_feat\.(?P<at>\d)\.local_conv_branch(?P<branch>\d)\.(?P<kind>bn|conv)s"
            r"\.(?P<group>\d+)\.(?P<rest>\w+)",
            "region.{at}.branches.{branch}.{kind}.{rest}",
        ),
        (r"align_net\.align_feat\.feat_extract\.(?P<rest>.+)", "align.{rest}"),
        (r"align_net\.align_output\.(?P<rest>.+)", "landmark_head.{rest}"),
        (r"local_attention_refine\.local_aus_attention\.(?P<group>\d+)\.(?P<rest>.+)", "refine.{rest}"),
        (r"local_au_net\.local_aus_branch\.(?P<group>\d+)\.feat_extract\.(?P<rest>.+)", "local.{rest}"),
        (r"local_au_net\.local_aus_output\.(?P<group>\d+)\.(?P<rest>.+)", "local_head.{rest}"),
        (r"global_au_feat\.feat_extract\.(?P<rest>.+)", "whole.{rest}"),
        (r"au_net\.au_output\.(?P<rest>.+)", "head.{rest}"),
    )
]


def from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of the authors' six parts our names and shapes.

    The map is linear, so that it serves gradients and running statistics as well. Keys that it does not know stay.

    Args:
        state: Their state dicts, each key behind its part's name: ``au_net.au_output.0.weight``.

    Raises:
        FauError: If the layers of the patches or AUs are not all there.
    """
    renamed: dict[str, Tensor] = {}
    groups: dict[str, dict[int, Tensor]] = {}
    for key, value in state.items():
        name, group = _name(key)
        if group is None:
            renamed[name] = value
        else:
            groups.setdefault(name, {})[group] = value
    for name, parts in groups.items():
        if sorted(parts) != list(range(len(parts))):
            raise FauError(f"the checkpoint has layers {sorted(parts)} of {name}, and lacks others; is it whole?")
        ordered = [parts[number] for number in range(len(parts))]
        renamed[name] = ordered[0] if name.endswith("num_batches_tracked") else torch.cat(ordered)
    return renamed


def _name(key: str) -> tuple[str, int | None]:
    """Return our name of a key of theirs, and its group where it is one of several."""
    for pattern, name in _RENAMED:
        if found := pattern.fullmatch(key):
            given = found.groupdict()
            if "branch" in given:
                given["branch"] = str(int(given["branch"]) - 1)
                given["kind"] = {"bn": "norm"}.get(given["kind"], given["kind"])
            return name.format(**given), int(given["group"]) if "group" in given else None
    return key, None


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Read weights of JAA-Net, under our names.

    Args:
        path: A folder with one file of each of the authors' parts, a checkpoint of a run of ours, or a run's folder:
            then the checkpoint that the run was tested with.

    Raises:
        FauError: If a file is lacking or holds no weights, or the folder has several epochs of a part.
    """
    path = Path(path)
    if path.is_dir() and not (path / "run.json").exists():
        state: dict[str, Tensor] = {}
        for part in PARTS:
            files = sorted(path.glob(f"{part}_*.pth"))
            if len(files) != 1:
                raise FauError(f"'{path}' holds {len(files)} files {part}_*.pth; leave in it one epoch of each part")
            state |= {f"{part}.{key.removeprefix('module.')}": value for key, value in read_state(files[0]).items()}
        return from_authors(state)
    state = read_state(tested_checkpoint(path) if path.is_dir() else path)
    return network_part(state) or state


def load_weights(net: nn.Module, path: Path | str) -> None:
    """Load all weights of a network, or none.

    Raises:
        FauError: If some are lacking, others are there, or they have other shapes; they are listed.
    """
    state = read_weights(path)
    faults = misfits(state, net.state_dict())
    if faults:
        raise FauError(f"{len(faults)} weights of '{path}' do not fit this JAA-Net: {listed(faults)}")
    net.load_state_dict(state)


_SHARED = ("region", "align", "landmark_head", "whole")  # what knows nothing of single AUs
_PER_AU = ("refine", "local")  # the heads on the branches start anew, as the authors leave them


def start_from_other_aus(
    net: nn.Module, path: Path | str, there: Sequence[int], here: Sequence[int]
) -> tuple[list[str], list[str]]:
    """Carry over what a JAA-Net of other AUs has for this one, as the authors start DISFA's from BP4D's.

    Trunk, alignment and global branch are taken as they are; each AU's branch from that of the same AU, else from the
    first that looks at the same place (AU25 from AU23, AU26 from AU17), else it stays at its random start; and so do
    the heads.

    Args:
        net: The network.
        path: As for ``read_weights``.
        there: AUs of the weights, in their order.
        here: AUs of the network, in the order of its outputs.

    Returns:
        What was carried over, such as ``region: 1,615,392`` with the number of its weights, or ``AU25 from AU23``; and
        what was not, such as ``head`` or ``AU9``.

    Raises:
        FauError: If the weights are not those of so many AUs, or a part is lacking or does not fit; they are listed.
    """
    state, own = read_weights(path), net.state_dict()
    if not there or _outputs(state) != len(there):
        raise FauError(f"'{path}' holds no JAA-Net whose action units are known; name a run, or the authors' folder")
    sources = [_source(au, there) for au in here]
    taken = {key: value for key, value in state.items() if key.split(".")[0] in _SHARED}
    for key in (key for key in own if key.split(".")[0] in _PER_AU and key in state):
        taken[key] = state[key]
        if state[key].ndim == 0:  # a batch norm's count of steps
            continue
        parts, fresh = state[key].chunk(len(there)), own[key].chunk(len(here))
        if parts[0].shape == fresh[0].shape:
            taken[key] = torch.cat([fresh[i] if at is None else parts[at] for i, at in enumerate(sources)])
    faults = misfits(taken, {key: value for key, value in own.items() if key in taken or key.split(".")[0] in _SHARED})
    if faults:
        raise FauError(f"{len(faults)} weights of '{path}' do not fit this JAA-Net: {listed(faults)}")
    net.load_state_dict(taken, strict=False)
    names = [name for name, _ in net.named_parameters()]
    carried = [
        f"{part}: {sum(own[name].numel() for name in names if name.startswith(f'{part}.')):,}" for part in _SHARED
    ]
    pairs = list(zip(here, sources, strict=True))
    carried += [f"AU{au} from AU{there[at]}" for au, at in pairs if at is not None]
    heads = dict.fromkeys(name.split(".")[0] for name in names if name.split(".")[0] not in (*_SHARED, *_PER_AU))
    return carried, [*heads, *(f"AU{au}" for au, at in pairs if at is None)]


def outputs_of(path: Path | str) -> int:
    """Return the number of AUs of weights, as ``read_weights`` reads them; 0 where they are of no JAA-Net."""
    return _outputs(read_weights(path))


def _outputs(state: Mapping[str, Tensor]) -> int:
    return state["head.1.bias"].numel() // 2 if "head.1.bias" in state else 0


def _source(au: int, there: Sequence[int]) -> int | None:
    """Return the place in a list of the AU itself, or of the first that looks at the same place; None without."""
    if au in there:
        return list(there).index(au)
    return next((at for at, other in enumerate(there) if RULES_49[other] == RULES_49[au]), None)
