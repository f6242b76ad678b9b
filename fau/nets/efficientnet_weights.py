"""EfficientNets of the package efficientnet-pytorch and of its lite kin, under timm's names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from fau.errors import FauError

TENSORFLOW_NORM_EPS = 1e-3  # of the batch norms that these weights were trained with; PyTorch's own is 1e-5
_ROOT = {"conv_stem": "conv_stem", "bn0": "bn1", "conv_head": "conv_head", "bn1": "bn2", "fc": "classifier"}
_SQUEEZE = {"se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand"}
# A block that widens its input first, and one that does not: the first stage's.
_WIDENING = {"expand_conv": "conv_pw", "bn0": "bn1", "depthwise_conv": "conv_dw", "bn1": "bn2",
             "project_conv": "conv_pwl", "bn2": "bn3"} | _SQUEEZE  # fmt: skip
_PLAIN = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"} | _SQUEEZE
_BLOCK = re.compile(r"_blocks\.(?P<block>\d+)\._(?P<layer>\w+)\.(?P<rest>\w+)")
_ROOT_KEY = re.compile(r"_(?P<layer>\w+)\.(?P<rest>\w+)")


def is_efficientnet_pytorch(state: Mapping[str, Tensor]) -> bool:
    """Tell whether a state has the names of efficientnet-pytorch."""
    return "_conv_stem.weight" in state and "_blocks.0._depthwise_conv.weight" in state


def to_timm(state: Mapping[str, Tensor], model: nn.Module, name: str) -> dict[str, Tensor]:
    """Give weights of efficientnet-pytorch timm's names; keys that it does not know stay.

    That package numbers the blocks through, timm by stages. It pads as TensorFlow does, at the right and below where
    the padding is odd, and so do timm's models whose names begin with ``tf_``: in others the same weights would run,
    and compute something else.

    Args:
        state: The weights.
        model: timm's model.
        name: Its name.

    Raises:
        FauError: If the model is no EfficientNet, or one that pads otherwise.
    """
    stages = getattr(model, "blocks", None)
    norm = getattr(model, "bn1", None)
    if not isinstance(stages, nn.Sequential) or not all(isinstance(stage, nn.Sequential) for stage in stages):
        raise FauError(
            f"the weights are an EfficientNet's and {name} is none; set the net's name, or take other weights"
        )
    if getattr(norm, "eps", None) != TENSORFLOW_NORM_EPS:
        raise FauError(
            f"the weights are of efficientnet-pytorch, which pads as TensorFlow does, and {name} does not; "
            f"set the net's name to tf_{name.removeprefix('tf_')}"
        )
    places = [f"blocks.{at}.{inner}" for at, stage in enumerate(stages) for inner in range(len(stage))]  # type: ignore[arg-type]
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if (found := _BLOCK.fullmatch(key)) and int(found["block"]) < len(places):
            layers = _WIDENING if f"_blocks.{found['block']}._expand_conv.weight" in state else _PLAIN
            own = f"{places[int(found['block'])]}.{layers.get(found['layer'], found['layer'])}.{found['rest']}"
        elif (found := _ROOT_KEY.fullmatch(key)) and found["layer"] in _ROOT:
            own = f"{_ROOT[found['layer']]}.{found['rest']}"
        else:
            own = key
        renamed[own] = value
    return renamed
