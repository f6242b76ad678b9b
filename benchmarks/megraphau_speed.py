"""Time ME-GraphAU's training step and forward pass, ours beside the authors', in one interleaved run.

    git clone https://github.com/CVI-SZU/ME-GraphAU /tmp/ME-GraphAU
    python benchmarks/megraphau_speed.py /tmp/ME-GraphAU  # writes benchmarks/results/megraphau_speed.md
    python benchmarks/megraphau_speed.py /tmp/ME-GraphAU --device cuda --batch 64 --rounds 30 --out gpu.md

The settings take turns within each round, so that other load falls on all alike; a ratio is the median over rounds of
the ratio to the shipped code in the same round. A step is forward, loss, backward and AdamW, on a batch that is there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from megraphau_official import TRUNKS, commit, load, loss_class
from torch import Tensor, nn
from torch.nn import functional

from fau.hardware import describe_hardware
from fau.losses import edge_cross_entropy, weighted_asymmetric
from fau.nets.megraphau import MEGraphAUStage1, MEGraphAUStage2
from fau.nets.megraphau_edges import EdgeFeatures
from fau.nets.megraphau_weights import from_authors


class Case:
    """One network under one precision, with its optimiser and batch."""

    def __init__(self, net: nn.Module, loss: Callable[[Any], Tensor], image: Tensor, bf16: bool) -> None:
        self.net, self.loss, self.image, self.bf16 = net, loss, image, bf16
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5, weight_decay=5e-4)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.image.device.type, dtype=torch.bfloat16) if self.bf16 else nullcontext()

    def step(self) -> None:
        """Train once."""
        self.net.train()
        self.optimizer.zero_grad()
        with self._precision():
            output = self.net(self.image)
        self.loss(output).backward()
        self.optimizer.step()

    def forward(self) -> None:
        """Score once."""
        self.net.eval()
        with torch.no_grad(), self._precision():
            self.net(self.image)


def cases(arguments: argparse.Namespace, stage: int) -> dict[str, Case]:
    """Make the settings that take turns, with equal weights."""
    device = torch.device(arguments.device)
    torch.manual_seed(0)
    aus, batch = arguments.aus, arguments.batch
    image = torch.randn(batch, 3, 224, 224, device=device)
    label = torch.randint(0, 2, (batch, aus), device=device).float()
    weight = 0.5 + torch.rand(aus, device=device)
    mask = torch.ones_like(label, dtype=torch.bool)
    relation = (2 * label.unsqueeze(2) + label.unsqueeze(1)).long().view(-1)
    shipped_loss = loss_class(arguments.checkout)(weight=weight)

    def their_loss(output: Any) -> Tensor:
        scores, edges = output if isinstance(output, tuple) else (output, None)
        loss: Tensor = shipped_loss(scores.float(), label)
        if edges is not None:
            loss = loss + 0.05 * functional.cross_entropy(edges.float().view(-1, 4), relation)
        return loss

    def our_loss(output: Any) -> Tensor:
        loss = weighted_asymmetric(output.probability, label, mask, weight).mean()
        if output.edge_logits is not None:
            loss = loss + 0.05 * edge_cross_entropy(output.edge_logits, label, mask).mean()
        return loss

    def theirs() -> nn.Module:
        net: nn.Module = load(arguments.checkout)[stage].MEFARG(num_classes=aus, backbone=TRUNKS[arguments.trunk])
        return net.to(device)

    weights = {key: value.cpu() for key, value in theirs().state_dict().items()}

    def ours(compiled: bool = False) -> nn.Module:
        net = (MEGraphAUStage1 if stage == 1 else MEGraphAUStage2)(aus, trunk=arguments.trunk)
        net.load_state_dict(from_authors(weights))
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compiled:
            net.compile(mode="max-autotune-no-cudagraphs")
        return net

    def shipped() -> nn.Module:
        net = theirs()
        net.load_state_dict(weights)
        return net

    planes = image.contiguous(memory_format=torch.channels_last)
    made = {
        "official as shipped, float32": Case(shipped(), their_loss, image, bf16=False),
        "ours, float32, channels_last": Case(ours(), our_loss, planes, bf16=False),
        "official in bf16": Case(shipped(), their_loss, image, bf16=True),
        "ours, bf16, channels_last": Case(ours(), our_loss, planes, bf16=True),
    }
    if arguments.device == "cuda":
        made["ours, bf16, channels_last, compiled"] = Case(ours(compiled=True), our_loss, planes, bf16=True)
    return made


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
        "official as shipped, float32": Case(_Edges(theirs, features, tokens.clone(), True), loss, tokens, False),
        "ours, float32": Case(_Edges(ours, kept, tokens.clone(), False), loss, tokens, False),
    }


def measure(made: dict[str, Case], what: str, rounds: int, device: str) -> dict[str, list[float]]:
    """Return seconds of each setting by round, after one round to warm up; processor seconds on a CPU."""
    clock = time.perf_counter if device == "cuda" else time.process_time  # one thread: other load does not count
    seconds: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(rounds + 1):
        for name, case in made.items():
            run = case.step if what == "training step" else case.forward
            if device == "cuda":
                torch.cuda.synchronize()
            began = clock()
            run()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(clock() - began)
    return seconds


def rows(title: str, seconds: dict[str, list[float]], batch: int) -> list[str]:
    """Write lines of the table: median seconds, images a second, and the ratio within rounds with its quartiles."""
    first = next(iter(seconds.values()))
    lines = []
    for name, values in seconds.items():
        ratios = [a / b for a, b in zip(first, values, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        median = statistics.median(values)
        ratio = "1" if name.startswith("official as") else f"{middle:.2f} ({low:.2f}-{high:.2f})"
        duration = f"{1e3 * median:.{0 if median > 0.01 else 2}f}"
        lines.append(f"| {title} | {name} | {duration} | {batch / median:.2f} | {ratio} |")
    return lines


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="folder of the authors' repository")
    parser.add_argument("--trunk", default="resnet50", choices=sorted(TRUNKS))
    parser.add_argument("--aus", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--stages", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="what to say of the machine, such as other load")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "megraphau_speed.md")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lines: list[str] = []
    for stage in arguments.stages:
        for what in ("training step", "forward"):
            seconds = measure(cases(arguments, stage), what, arguments.rounds, arguments.device)
            lines += rows(f"stage {stage}, {what}", seconds, arguments.batch)
            print("\n".join(lines[-len(seconds) :]), flush=True)
    for aus in (arguments.aus, 27):
        batch = min(arguments.batch, 4) if arguments.device == "cpu" else arguments.batch
        seconds = measure(edge_cases(arguments, aus, 512, batch), "training step", arguments.rounds, arguments.device)
        lines += rows(f"edge block alone, {aus} nodes, 512 wide, batch {batch}, training step", seconds, batch)
        print("\n".join(lines[-2:]), flush=True)
    hardware = ", ".join(f"{key} {value}" for key, value in describe_hardware().items())
    arguments.out.write_text(
        f"""# ME-GraphAU: speed beside the authors' code

`python benchmarks/megraphau_speed.py CHECKOUT --trunk {arguments.trunk} --batch {arguments.batch} --rounds \
{arguments.rounds} --device {arguments.device}`,
CVI-SZU/ME-GraphAU at commit {commit(arguments.checkout)}, torch {torch.__version__}, {arguments.threads} thread.
Hardware: {hardware}. {arguments.note}
{arguments.trunk}, {arguments.aus} AUs, 224 px, n = {arguments.rounds} interleaved rounds. Ratio: median over rounds of
the shipped code's time by this one's in the same round, with the quartiles. On a CPU times are processor time. Without
loading or augmentation.

| what | code | ms | images/s | ratio to shipped |
|:--|:--|--:|--:|--:|
"""
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
