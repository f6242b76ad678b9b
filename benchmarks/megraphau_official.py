"""The authors' ME-GraphAU out of a checkout of their repository (CVI-SZU/ME-GraphAU), for the comparisons beside this.

Nothing of it is in this project. Three things are changed on loading: trunks start from random weights instead of
files; stage 2's graph network takes its tensor's device, since on a CPU the shipped code uses a variable that it never
set; stage 1's links take torch's default type, so that it runs in float64 too.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import types
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

TRUNKS = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "swin_tiny": "swin_transformer_tiny",
    "swin_small": "swin_transformer_small",
    "swin_base": "swin_transformer_base",
}


def commit(checkout: Path) -> str:
    """Return the checkout's commit; for an unpacked archive, what its file COMMIT says."""
    named = checkout / "COMMIT"
    if named.exists():
        return named.read_text(encoding="utf-8").strip()
    result = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True)
    return result.stdout.strip() or "unknown"


def load(checkout: Path, layout: str = "megraphau") -> dict[int, types.ModuleType]:
    """Import the modules of stages 1 and 2, of ME-GraphAU or of OpenGraphAU, which lies in a folder of the same."""
    for name in [name for name in sys.modules if name.split(".")[0] == "model"]:
        del sys.modules[name]
    sys.path.insert(0, str(checkout / "OpenGraphAU" if layout == "opengraphau" else checkout))
    stages = {1: importlib.import_module("model.ANFL")}
    spec = importlib.util.find_spec("model.MEFL")
    if spec is None or spec.origin is None:
        raise SystemExit(f"{checkout} has no model/MEFL.py: give a checkout of CVI-SZU/ME-GraphAU")
    source = Path(spec.origin).read_text(encoding="utf-8")
    for shipped, working in (("dev = x.get_device()", "dev = x.device"), ("if dev >= 0:", "if True:")):
        if source.count(shipped) != 1:
            raise SystemExit(f"model/MEFL.py is not as it was at the commit compared: '{shipped}'")
        source = source.replace(shipped, working)
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    stages[2] = module
    for stage in stages.values():
        for name in TRUNKS.values():
            setattr(stage, name, partial(getattr(stage, name), pretrained=False))
    normalize = stages[1].normalize_digraph  # float32 alone, whatever the network is
    stages[1].normalize_digraph = lambda links: normalize(links.to(torch.get_default_dtype()))
    return stages


def loss_class(checkout: Path) -> Any:
    """Return their weighted asymmetric loss: that class alone, for the file around it needs more packages."""
    source = (checkout / "utils.py").read_text(encoding="utf-8")
    start = source.index("class WeightedAsymmetricLoss")
    following = source.find("\nclass ", start + 1)
    following = len(source) if following < 0 else following
    scope: dict[str, Any] = {"torch": torch, "nn": nn}
    exec(source[start : min(following, *_ends(source, start))], scope)
    return scope["WeightedAsymmetricLoss"]


def _ends(source: str, start: int) -> list[int]:
    return [end for end in (source.find(f"\n{word} ", start + 1) for word in ("def", "if")) if end > 0] or [len(source)]


def perturb(net: nn.Module, seed: int, size: int = 224) -> None:
    """Move affine parameters from their start, and batch-norm statistics from a batch's; stop dropped paths.

    At torch's start (mean 0, variance 1) a deep trunk in evaluation makes values so large that every softmax saturates.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(like: Tensor, scale: float) -> Tensor:
        return scale * torch.randn(like.shape, generator=generator).to(like)

    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm):
                module.weight.mul_(1 + noise(module.weight, 0.1))
                module.bias.add_(noise(module.bias, 0.1))
            if hasattr(module, "drop_prob"):
                module.drop_prob = 0.0
        for norm in norms:
            norm.momentum = 1.0
        net.train()(torch.randn(2, 3, size, size, generator=generator))
        for norm in norms:
            norm.momentum = 0.1
            kept = dict(norm.named_buffers())
            kept["running_mean"].add_(noise(kept["running_mean"], 0.1) * kept["running_var"].sqrt())
            kept["running_var"].mul_(1 + 0.3 * torch.rand(kept["running_var"].shape, generator=generator))
