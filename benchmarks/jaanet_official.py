"""The authors' JAA-Net out of a checkout of ZhiwenShao/PyTorch-JAANet, for the comparisons beside this.

Nothing of it is in this project. Their six parts are put together here as their training scripts do. Two things are
changed on loading: linear layers that are made for 176 px alone take other sizes, and of the file of losses only these
are run, for the others need more packages.
"""

from __future__ import annotations

import ast
import importlib.util
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fau.nets.jaanet_weights import PARTS, from_authors

LOSSES = ("dice_loss", "au_softmax_loss", "au_dice_loss", "landmark_loss", "attention_refine_loss")


def load(checkout: Path) -> types.ModuleType:
    """Import their networks."""
    spec = importlib.util.spec_from_file_location("jaanet_of_the_authors", checkout / "network.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{checkout} has no network.py: give a checkout of ZhiwenShao/PyTorch-JAANet")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def losses(checkout: Path) -> dict[str, Any]:
    """Return their loss functions by name."""
    tree = ast.parse((checkout / "util.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in LOSSES]
    scope: dict[str, Any] = {"torch": torch, "nn": nn, "np": np}
    exec(compile(tree, "util.py", "exec"), scope)
    return scope


class Official(nn.Module):
    """Their six parts under one roof.

    Args:
        module: Their networks.
        aus: AUs: 12, 10 or 8.
        version: 1 or 2.
        size: Side of the input in pixels; theirs is 176.
        unit: Unit of widths; theirs is 8.
    """

    def __init__(self, module: types.ModuleType, aus: int, version: int, size: int = 176, unit: int = 8) -> None:
        super().__init__()
        self.version = version
        flat = 20 * unit * (size // 4 // 2 // 2 // 2) ** 2
        self.region_learning = module.HMRegionLearning(3, unit)
        self.align_net = module.AlignNet(size, size // 4, aus, 49, 8 * unit, unit)
        self.local_attention_refine = module.LocalAttentionRefine(aus, unit)
        self.local_au_net = getattr(module, f"LocalAUNetv{version}")(aus, 8 * unit, unit)
        self.global_au_feat = module.HLFeatExtractor(8 * unit, unit)
        self.au_net = module.AUNet(aus, 3 * flat, unit)
        if flat != 4000:
            self.align_net.align_output[0] = nn.Linear(flat, 64 * unit)
            for head in self.local_au_net.local_aus_output if version == 2 else ():
                head[0] = nn.Linear(flat, 8 * unit)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return all that theirs gives for a batch."""
        features = self.region_learning(image)
        aligned, landmarks, initial = self.align_net(features)
        initial = initial.to(image.device)  # their script moves it too
        maps = self.local_attention_refine(initial.detach())
        made = self.local_au_net(features, maps)
        local, local_scores = made if self.version == 2 else (made, None)
        joined = torch.cat(
            (aligned, self.global_au_feat(features), local.detach() if self.version == 2 else local), dim=1
        )
        output = {"log": self.au_net(joined), "landmarks": landmarks, "initial maps": initial, "maps": maps}
        return output if local_scores is None else output | {"local log": local_scores}


class Given(nn.Module):
    """In a layer's place: what it gives."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, _: Tensor) -> Tensor:
        """Return it for any input."""
        return self.value


def training_loss(
    functions: Mapping[str, Any], output: Mapping[str, Tensor], label: Tensor, landmarks: Tensor, weight: Tensor
) -> Tensor:
    """Return the loss of their training script, for labels (B, N) and landmarks (B, 49, 2)."""
    eyes = landmarks[:, 25:31].mean(dim=1) - landmarks[:, 19:25].mean(dim=1)
    loss: Tensor = 0.5 * functions["landmark_loss"](output["landmarks"], landmarks.flatten(1), eyes.square().sum(dim=1))
    for name in ("log", "local log"):
        if name in output:
            loss = loss + functions["au_softmax_loss"](output[name], label.long(), weight=weight)
            loss = loss + functions["au_dice_loss"](output[name], label.long(), weight=weight)
    if "local log" not in output:
        resized = functional.interpolate(output["initial maps"], size=output["maps"].size(2))
        loss = loss + 2e-4 / 2 * functions["attention_refine_loss"](output["maps"], resized.detach())
    return loss


def renamed(net: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors by their keys, of the parts of ``Official``, our names."""
    if any(key.split(".")[0] not in PARTS for key in tensors):
        raise SystemExit(f"{type(net).__name__} has keys outside {', '.join(PARTS)}")
    return from_authors(tensors)
