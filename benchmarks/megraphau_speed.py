"""Time ME-GraphAU's training step and forward pass, ours beside the authors', in one interleaved run.

    git clone https://github.com/CVI-SZU/ME-GraphAU /tmp/ME-GraphAU
    python benchmarks/megraphau_speed.py /tmp/ME-GraphAU  # writes benchmarks/results/megraphau_speed.md
    python benchmarks/megraphau_speed.py /tmp/ME-GraphAU --device cuda --batch 64 --rounds 30 --out gpu.md
    python benchmarks/megraphau_speed.py /tmp/ME-GraphAU --curves 200 --trunk resnet18 --size 96 --stages 2
    python benchmarks/megraphau_speed.py /tmp/ME-GraphAU --curves 200 --device cuda --batch 64 --stages 2

The settings take turns within each round, so that other load falls on all alike; a ratio is the median over rounds of
the ratio to the shipped code in the same round. A step is forward, loss, backward and AdamW, on a batch that is there.
With --curves each is trained from the same weights on the same batches instead, and the losses are compared
(benchmarks/results/megraphau_curves.md).
"""

from __future__ import annotations

import argparse
import os
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from compared import (
    CURVES_EXPLAINED,
    MOVED,
    SHIPPED,
    SPEED_HEADS,
    Case,
    add_speed_options,
    conditions,
    curve_table,
    learn,
    measure,
    move,
    parser,
    rows,
)
from megraphau_official import TRUNKS, commit, load, loss_class
from torch import Tensor, nn
from torch.nn import functional

from fau.losses import edge_cross_entropy, weighted_asymmetric
from fau.nets.megraphau import MEGraphAUStage1, MEGraphAUStage2
from fau.nets.megraphau_edges import EdgeFeatures
from fau.nets.megraphau_weights import from_authors

# Training images/s of one H100 at 800 TFLOP/s in bfloat16 and 3.35 TB/s if nothing were in the way, by stage: three
# times the forward pass of ResNet-50 at 224 px, in stage 2 without the edge tensor.
FLOORS = {1: 24_400.0, 2: 20_800.0}


class Batch:
    """Random images with labels, and both sides' losses for them."""

    def __init__(self, arguments: argparse.Namespace, seed: int = 0) -> None:
        torch.manual_seed(seed)
        aus, size, device = arguments.aus, arguments.batch, torch.device(arguments.device)
        self.image = torch.randn(size, 3, arguments.size, arguments.size).to(device)
        self.label = torch.randint(0, 2, (size, aus)).to(self.image)
        self.weight = (0.5 + torch.arange(aus) / aus).to(self.image)
        self._mask = torch.ones_like(self.label, dtype=torch.bool)
        self._relation = (2 * self.label.unsqueeze(2) + self.label.unsqueeze(1)).long().view(-1)
        self._theirs = loss_class(arguments.checkout)(weight=self.weight)

    def theirs(self, output: Any) -> Tensor:
        """Return the loss of their script."""
        scores, edges = output if isinstance(output, tuple) else (output, None)
        loss: Tensor = self._theirs(scores.to(self.label.dtype), self.label)
        if edges is not None:
            loss = loss + 0.05 * functional.cross_entropy(edges.to(self.label.dtype).view(-1, 4), self._relation)
        return loss

    def ours(self, output: Any) -> Tensor:
        """Return the same by our functions."""
        loss = weighted_asymmetric(output.probability, self.label, self._mask, self.weight).mean()
        if output.edge_logits is not None:
            loss = loss + 0.05 * edge_cross_entropy(output.edge_logits, self.label, self._mask).mean()
        return loss


class Nets:
    """Makes both sides' networks with equal weights."""

    def __init__(self, arguments: argparse.Namespace, stage: int) -> None:
        self._arguments, self._stage = arguments, stage
        self._module = load(arguments.checkout)[stage]
        torch.manual_seed(1)
        self._weights = self._theirs().state_dict()

    def _theirs(self) -> nn.Module:
        arguments = self._arguments
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)  # they are made in no other
        net: nn.Module = self._module.MEFARG(num_classes=arguments.aus, backbone=TRUNKS[arguments.trunk])
        torch.set_default_dtype(dtype)
        net = net.to(dtype)
        if self._stage == 2:  # no buffers, so that .to() leaves them
            gnn: Any = net.head.gnn
            gnn.start, gnn.end = gnn.start.to(dtype), gnn.end.to(dtype)
        return net

    def shipped(self) -> nn.Module:
        """Return theirs."""
        net = self._theirs()
        net.load_state_dict(self._weights)
        return net.to(self._arguments.device)

    def ours(self, last: bool = True, compiled: str | None = None) -> nn.Module:
        """Return ours, compiled in a mode of ``torch.compile``."""
        made = MEGraphAUStage1 if self._stage == 1 else MEGraphAUStage2
        options = {"drop_path_rate": 0.0} if self._arguments.curves and "swin" in self._arguments.trunk else None
        net = made(self._arguments.aus, trunk=self._arguments.trunk, input_size=self._arguments.size, options=options)
        net.load_state_dict(from_authors(self._weights))
        net.to(torch.get_default_dtype())
        net.to(self._arguments.device, memory_format=torch.channels_last if last else torch.contiguous_format)  # type: ignore[call-overload]
        if compiled:
            net.compile(mode=compiled)
        return net


def cases(arguments: argparse.Namespace, stage: int) -> dict[str, Case]:
    """Make the settings that take turns."""
    nets, batch = Nets(arguments, stage), Batch(arguments)
    planes = batch.image.contiguous(memory_format=torch.channels_last)
    made = {
        SHIPPED: Case(nets.shipped(), batch.theirs, batch.image, bf16=False),
        "ours, float32, channels_last": Case(nets.ours(), batch.ours, planes, bf16=False),
        "official in bf16": Case(nets.shipped(), batch.theirs, batch.image, bf16=True),
        "ours, bf16, channels_last": Case(nets.ours(), batch.ours, planes, bf16=True),
    }
    if arguments.device == "cuda":
        for name, mode in {"compiled": "max-autotune-no-cudagraphs", "CUDA graphs": "reduce-overhead"}.items():
            made[f"ours, bf16, channels_last, {name}"] = Case(nets.ours(compiled=mode), batch.ours, planes, bf16=True)
    return made


def curves(arguments: argparse.Namespace, stage: int) -> str:
    """Train both from the same weights on the same batches and return the table of their losses."""

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=1e-4, weight_decay=5e-4)

    def trained(names: dict[str, tuple[bool, bool]]) -> dict[str, list[float]]:
        nets, batches = Nets(arguments, stage), [Batch(arguments, seed) for seed in range(8)]
        planes = batches[0].image.contiguous(memory_format=torch.channels_last)
        made = {}
        for name, (own, bf16) in names.items():
            net, loss = (nets.ours(), batches[0].ours) if own else (nets.shipped(), batches[0].theirs)
            if name == MOVED:
                move(net)
            made[name] = Case(net, loss, planes if own else batches[0].image, bf16, adamw)
        return learn(made, batches, arguments.curves)

    found = {}
    if arguments.device == "cpu":
        torch.set_default_dtype(torch.float64)
        found |= trained({"official, float64": (False, False), "ours, float64": (True, False)})
        torch.set_default_dtype(torch.float32)
    found |= trained({SHIPPED: (False, False), MOVED: (False, False)})
    found |= trained({"ours, float32, channels_last": (True, False), "official in bf16": (False, True)})
    found |= trained({"ours, bf16, channels_last": (True, True)})
    return curve_table(found)


class _Edges(nn.Module):
    """An edge block alone, on features and tokens that are there."""

    def __init__(self, block: nn.Module, features: Tensor, tokens: Tensor, shipped: bool) -> None:
        super().__init__()
        self.block, self.shipped = block, shipped
        self.features, self.tokens = features.requires_grad_(), tokens.requires_grad_()

    def forward(self, _: Tensor) -> Tensor:
        self.features.grad = self.tokens.grad = None
        edges: Tensor = self.block(self.features, self.tokens)
        return edges.mean(dim=-2) if self.shipped else edges


def edge_cases(arguments: argparse.Namespace, aus: int, channels: int, batch: int) -> dict[str, Case]:
    """The edge block (FAM, ARM, projection, batch norm, mean) by itself, with so many nodes."""
    device = torch.device(arguments.device)
    torch.manual_seed(0)
    theirs = load(arguments.checkout)[2].GEM(channels, aus).to(device)
    ours = EdgeFeatures(channels, aus).to(device)
    renamed = from_authors({f"head.edge_extractor.{key}": value for key, value in theirs.state_dict().items()})
    ours.load_state_dict({key.removeprefix("edges."): value for key, value in renamed.items()})
    tokens = torch.randn(batch, 49, channels, device=device).relu()
    features = torch.randn(batch, aus, 49, channels, device=device).relu()
    kept = features.transpose(1, 2).contiguous()

    def loss(edges: Tensor) -> Tensor:
        return edges.float().square().sum()

    return {
        SHIPPED: Case(_Edges(theirs, features, tokens.clone(), True), loss, tokens, False),
        "ours, float32": Case(_Edges(ours, kept, tokens.clone(), False), loss, tokens, False),
    }


def main() -> None:
    """Measure and write the table."""
    made = parser(__doc__.splitlines()[0], "megraphau_speed.md")
    add_speed_options(made, batch=8, rounds=7)
    made.add_argument("--trunk", default="resnet50", choices=sorted(TRUNKS))
    made.add_argument("--aus", type=int, default=12)
    made.add_argument("--size", type=int, default=224, help="side of the images in pixels; the authors' is 224")
    made.add_argument("--stages", type=int, nargs="+", default=[1, 2])
    arguments = made.parse_args()
    torch.set_num_threads(arguments.threads)
    source = f"CVI-SZU/ME-GraphAU at commit {commit(arguments.checkout)}, {conditions(arguments)}"
    network = f"{arguments.trunk}, {arguments.aus} AUs, {arguments.size} px"
    if arguments.curves:
        write_curves(arguments, source, network)
        return
    lines: list[str] = []
    for stage in arguments.stages:
        for what in ("training step", "forward"):
            seconds = measure(cases(arguments, stage), what, arguments.rounds, arguments.device)
            on_gpu = what == "training step" and arguments.device == "cuda" and arguments.trunk == "resnet50"
            floor = FLOORS[stage] if on_gpu else None
            lines += rows(f"stage {stage}, {what}", seconds, arguments.batch, floor)
            print("\n".join(lines[-len(seconds) :]), flush=True)
    for aus in (arguments.aus, 27):
        batch = min(arguments.batch, 4) if arguments.device == "cpu" else arguments.batch
        seconds = measure(edge_cases(arguments, aus, 512, batch), "training step", arguments.rounds, arguments.device)
        lines += rows(f"edge block alone, {aus} nodes, 512 wide, batch {batch}, training step", seconds, batch)
        print("\n".join(lines[-2:]), flush=True)
    arguments.out.write_text(
        f"""# ME-GraphAU: speed beside the authors' code

`python benchmarks/megraphau_speed.py CHECKOUT --trunk {arguments.trunk} --batch {arguments.batch} --rounds \
{arguments.rounds} --device {arguments.device}`,
{source}
{network}, n = {arguments.rounds} interleaved rounds. Ratio: median over rounds of
the shipped code's time by this one's in the same round, with the quartiles. On a CPU times are processor time. Without
loading or augmentation. Floor, on a GPU: what one H100 could reach at most ({FLOORS[1]:,.0f} and {FLOORS[2]:,.0f}
images/s in stages 1 and 2).

{SPEED_HEADS}
"""
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


def write_curves(arguments: argparse.Namespace, source: str, network: str) -> None:
    """Compare loss curves and write their tables."""
    out = arguments.out.with_name(arguments.out.name.replace("_speed", "_curves"))
    tables = [f"## Stage {stage}\n\n{curves(arguments, stage)}" for stage in arguments.stages]
    out.write_text(
        f"""# ME-GraphAU: loss curves beside the authors' code

`python benchmarks/megraphau_speed.py CHECKOUT --curves {arguments.curves} --trunk {arguments.trunk} --size \
{arguments.size} --batch {arguments.batch} --stages {" ".join(map(str, arguments.stages))} --device {arguments.device}`,
{source}
{network}, batch {arguments.batch}, AdamW at 1e-4; the same random weights, and the same 8 batches of noise in turn.
{CURVES_EXPLAINED}

"""
        + "\n\n".join(tables)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
