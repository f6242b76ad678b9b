"""Time JAA-Net's training step, forward pass, maps and losses, ours beside the authors', in one interleaved run.

    git clone https://github.com/ZhiwenShao/PyTorch-JAANet /tmp/PyTorch-JAANet
    python benchmarks/jaanet_speed.py /tmp/PyTorch-JAANet  # writes benchmarks/results/jaanet_speed.md
    python benchmarks/jaanet_speed.py /tmp/PyTorch-JAANet --device cuda --batch 64 --rounds 30 --out gpu.md

The settings take turns within each round; a ratio is the median over rounds of the ratio to the shipped code in the
same round. A step is forward, loss, backward and SGD, on a batch that is there.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from jaanet_fidelity import SIDE, our_loss
from jaanet_official import Given, Official, load, losses, renamed, training_loss
from megraphau_official import commit
from megraphau_speed import Case, measure, rows
from torch import Tensor, nn

from fau.hardware import describe_hardware
from fau.nets.jaanet import PUBLISHED, JAANet


class _Call(nn.Module):
    """A function by itself, in a network's place."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__()
        self.function = function
        self.none = nn.Parameter(torch.zeros(1))  # an optimiser takes no empty list

    def forward(self, _: Tensor) -> Any:
        return self.function()


class Batch:
    """Random images with labels and landmarks, and both sides' losses for them."""

    def __init__(self, checkout: Path, aus: int, size: int, device: str) -> None:
        torch.manual_seed(0)
        self.image = torch.randn(size, 3, SIDE, SIDE, device=device)
        self.label = torch.randint(0, 2, (size, aus), device=device).float()
        self.points = SIDE * torch.rand(size, 49, 2, device=device)
        self.weight = 0.5 + torch.rand(aus, device=device)
        self.functions = losses(checkout)

    def theirs(self, output: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of their script."""
        output = {key: value.float() for key, value in output.items()}
        return training_loss(self.functions, output, self.label, self.points, self.weight)

    def ours(self, output: Any) -> Tensor:
        """Return the same by our functions."""
        return our_loss(output, self.label, self.points, self.weight)


def cases(arguments: argparse.Namespace, batch: Batch) -> dict[str, Case]:
    """Make the settings that take turns, with equal weights."""
    device = torch.device(arguments.device)
    module = load(arguments.checkout)
    torch.manual_seed(1)
    start = Official(module, arguments.aus, arguments.version)
    with torch.no_grad():
        start.align_net.align_output[1].bias.copy_(SIDE / 2 + SIDE / 4 * torch.randn(98))
    weights = start.state_dict()

    def theirs() -> nn.Module:
        net = Official(module, arguments.aus, arguments.version)
        net.load_state_dict(weights)
        net.align_net.align_output.register_forward_hook(lambda *seen: seen[-1].float())  # NumPy has no bfloat16
        return net.to(device)

    def ours(last: bool, compiled: bool = False) -> nn.Module:
        net = JAANet(arguments.aus, version=arguments.version, aus=PUBLISHED[arguments.aus])
        net.load_state_dict(renamed(start, weights))
        net.to(device, memory_format=torch.channels_last if last else torch.contiguous_format)  # type: ignore[call-overload]
        if compiled:
            net.compile(mode="max-autotune-no-cudagraphs")
        return net

    planes = batch.image.contiguous(memory_format=torch.channels_last)
    made = {
        "official as shipped, float32": Case(theirs(), batch.theirs, batch.image, bf16=False),
        "ours, float32, contiguous": Case(ours(False), batch.ours, batch.image, bf16=False),
        "ours, float32, channels_last": Case(ours(True), batch.ours, planes, bf16=False),
        "official in bf16": Case(theirs(), batch.theirs, batch.image, bf16=True),
        "ours, bf16, contiguous": Case(ours(False), batch.ours, batch.image, bf16=True),
        "ours, bf16, channels_last": Case(ours(True), batch.ours, planes, bf16=True),
    }
    if arguments.device == "cuda":
        made["ours, bf16, channels_last, compiled"] = Case(ours(True, True), batch.ours, planes, bf16=True)
    for case in made.values():
        case.optimizer = torch.optim.SGD(case.net.parameters(), lr=1e-5, momentum=0.9, weight_decay=5e-4, nesterov=True)
    return made


def part_cases(arguments: argparse.Namespace, batch: Batch) -> dict[str, dict[str, Case]]:
    """Return the maps alone and the losses alone, forward."""
    theirs = Official(load(arguments.checkout), arguments.aus, arguments.version).to(arguments.device)
    net = JAANet(arguments.aus, version=arguments.version, aus=PUBLISHED[arguments.aus]).to(arguments.device)
    with torch.no_grad():
        their_output, output = theirs(batch.image), net(batch.image)
    align = theirs.align_net
    align.align_feat, align.align_output = Given(batch.image), Given(batch.points.flatten(1))
    functions: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "maps alone": (
            lambda: align(batch.image)[2].to(batch.image.device),
            lambda: net.initial_maps(batch.points),
        ),
        "losses alone, forward": (lambda: batch.theirs(their_output), lambda: batch.ours(output)),
    }
    return {
        name: {
            key: Case(_Call(function), batch.ours, batch.image, bf16=False)
            for key, function in zip(("official as shipped, float32", "ours, float32"), both, strict=True)
        }
        for name, both in functions.items()
    }


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="folder of the authors' repository")
    parser.add_argument("--version", type=int, default=2, choices=[1, 2])
    parser.add_argument("--aus", type=int, default=12, choices=[8, 10, 12])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="what to say of the machine, such as other load")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "jaanet_speed.md")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    batch = Batch(arguments.checkout, arguments.aus, arguments.batch, arguments.device)
    lines: list[str] = []
    for name, made in part_cases(arguments, batch).items():
        lines += rows(name, measure(made, "forward", 4 * arguments.rounds, arguments.device), arguments.batch)
        print("\n".join(lines[-2:]), flush=True)
    for what in ("training step", "forward"):
        seconds = measure(cases(arguments, batch), what, arguments.rounds, arguments.device)
        lines += rows(what, seconds, arguments.batch)
        print("\n".join(lines[-len(seconds) :]), flush=True)
    hardware = ", ".join(f"{key} {value}" for key, value in describe_hardware().items())
    arguments.out.write_text(
        f"""# JAA-Net: speed beside the authors' code

`python benchmarks/jaanet_speed.py CHECKOUT --version {arguments.version} --batch {arguments.batch} --rounds \
{arguments.rounds} --device {arguments.device}`,
ZhiwenShao/PyTorch-JAANet at commit {commit(arguments.checkout)}, torch {torch.__version__}, {arguments.threads} thread.
Hardware: {hardware}. {arguments.note}
Version {arguments.version}, {arguments.aus} AUs, {SIDE} px, n = {arguments.rounds} interleaved rounds (maps and losses:
{4 * arguments.rounds}). Ratio: median over rounds of the shipped code's time by this one's in the same round, with the
quartiles. On a CPU times are processor time. Without loading or augmentation.

On a CPU a step is convolutions nearly alone, and they are the same in both codes: what is saved are the maps, the
losses and the calls. The shipped maps keep a GPU waiting for about 11 ms of Python an image: see --device cuda.

| what | code | ms | images/s | ratio to shipped |
|:--|:--|--:|--:|--:|
"""
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
