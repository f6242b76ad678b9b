"""Time JAA-Net's training step, forward pass, maps and losses, ours beside the authors', in one interleaved run.

    git clone https://github.com/ZhiwenShao/PyTorch-JAANet /tmp/PyTorch-JAANet
    python benchmarks/jaanet_speed.py /tmp/PyTorch-JAANet  # writes benchmarks/results/jaanet_speed.md
    python benchmarks/jaanet_speed.py /tmp/PyTorch-JAANet --device cuda --batch 64 --rounds 30 --out gpu.md
    python benchmarks/jaanet_speed.py /tmp/PyTorch-JAANet --curves 200 --size 64 --unit 2
    python benchmarks/jaanet_speed.py /tmp/PyTorch-JAANet --curves 200 --device cuda --batch 16

The settings take turns within each round; a ratio is the median over rounds of the ratio to the shipped code in the
same round. A step is forward, loss, backward and SGD, on a batch that is there. With --curves each is trained from the
same weights on the same batches instead, and the losses are compared (benchmarks/results/jaanet_curves.md).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
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
from jaanet_fidelity import SIDE, our_loss
from jaanet_official import Given, Official, load, losses, renamed, training_loss
from megraphau_official import commit
from torch import Tensor, nn

from fau.nets.jaanet import PUBLISHED, JAANet

# Training images/s of one H100 at 800 TFLOP/s in bfloat16 and 3.35 TB/s if nothing were in the way: three times the
# forward pass of version 2 at 176 px.
FLOOR = 15_200.0


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

    def __init__(self, arguments: argparse.Namespace, seed: int = 0) -> None:
        torch.manual_seed(seed)
        size, side, aus = arguments.batch, arguments.size, arguments.aus
        self.image = torch.randn(size, 3, side, side).to(arguments.device)
        self.label = torch.randint(0, 2, (size, aus)).to(self.image)
        points = 0.2 + 0.6 * torch.rand(size, 49, 2)
        for eye, x in ((slice(19, 25), 0.3), (slice(25, 31), 0.7)):  # their distance divides the landmark loss
            points[:, eye] = torch.tensor([x, 0.4]) + 0.05 * torch.rand(size, 6, 2)
        self.points = (side * points).to(self.image)
        self.weight = (0.5 + torch.arange(aus) / aus).to(self.image)
        self._functions = losses(arguments.checkout)

    def theirs(self, output: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of their script."""
        output = {key: value.to(self.label.dtype) for key, value in output.items()}
        return training_loss(self._functions, output, self.label, self.points, self.weight)

    def ours(self, output: Any) -> Tensor:
        """Return the same by our functions."""
        return our_loss(output, self.label, self.points, self.weight)


class Nets:
    """Makes both sides' networks with equal weights."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._module = load(arguments.checkout)
        torch.manual_seed(1)
        self._start = self._theirs()
        side = arguments.size
        with torch.no_grad():  # landmarks over the face
            self._start.align_net.align_output[1].bias.copy_(side / 2 + side / 4 * torch.randn(98))
        self._weights = self._start.state_dict()

    def _theirs(self) -> Official:
        arguments = self._arguments
        net = Official(self._module, arguments.aus, arguments.version, arguments.size, arguments.unit)
        return net.to(torch.get_default_dtype())

    def shipped(self) -> nn.Module:
        """Return theirs."""
        net = self._theirs()
        net.load_state_dict(self._weights)
        if torch.get_default_dtype() == torch.float32:  # NumPy, which makes their maps, has no bfloat16
            net.align_net.align_output.register_forward_hook(lambda *seen: seen[-1].float())
        return net.to(self._arguments.device)

    def ours(self, last: bool, compiled: str | None = None) -> nn.Module:
        """Return ours, compiled in a mode of ``torch.compile``."""
        arguments = self._arguments
        net = JAANet(
            arguments.aus,
            version=arguments.version,
            aus=PUBLISHED[arguments.aus],
            input_size=arguments.size,
            unit=arguments.unit,
        )
        net.to(torch.get_default_dtype()).load_state_dict(renamed(self._start, self._weights))
        net.to(arguments.device, memory_format=torch.channels_last if last else torch.contiguous_format)  # type: ignore[call-overload]
        if compiled:
            net.compile(mode=compiled)
        return net


def sgd(rate: float) -> Callable[[Any], torch.optim.Optimizer]:
    """Return the maker of the authors' optimiser, at a rate."""
    return lambda made: torch.optim.SGD(made, lr=rate, momentum=0.9, weight_decay=5e-4, nesterov=True)


def cases(arguments: argparse.Namespace, batch: Batch) -> dict[str, Case]:
    """Make the settings that take turns."""
    nets = Nets(arguments)
    planes = batch.image.contiguous(memory_format=torch.channels_last)
    slow = sgd(1e-5)  # noise teaches nothing, and could make landmarks diverge
    made = {
        SHIPPED: Case(nets.shipped(), batch.theirs, batch.image, False, slow),
        "ours, float32, contiguous": Case(nets.ours(False), batch.ours, batch.image, False, slow),
        "ours, float32, channels_last": Case(nets.ours(True), batch.ours, planes, False, slow),
        "official in bf16": Case(nets.shipped(), batch.theirs, batch.image, True, slow),
        "ours, bf16, contiguous": Case(nets.ours(False), batch.ours, batch.image, True, slow),
        "ours, bf16, channels_last": Case(nets.ours(True), batch.ours, planes, True, slow),
    }
    if arguments.device == "cuda":
        for name, mode in {"compiled": "max-autotune-no-cudagraphs", "CUDA graphs": "reduce-overhead"}.items():
            net = nets.ours(True, mode)
            made[f"ours, bf16, channels_last, {name}"] = Case(net, batch.ours, planes, True, slow)
    return made


def curves(arguments: argparse.Namespace) -> str:
    """Train both from the same weights on the same batches and return the table of their losses."""

    def trained(names: dict[str, tuple[bool, bool]]) -> dict[str, list[float]]:
        nets, batches = Nets(arguments), [Batch(arguments, seed) for seed in range(8)]
        planes = batches[0].image.contiguous(memory_format=torch.channels_last)
        made = {}
        for name, (own, bf16) in names.items():
            net, loss = (nets.ours(True), batches[0].ours) if own else (nets.shipped(), batches[0].theirs)
            if name == MOVED:
                move(net)
            made[name] = Case(net, loss, planes if own else batches[0].image, bf16, sgd(arguments.rate))
        return learn(made, batches, arguments.curves)

    found = {}
    if arguments.device == "cpu":
        torch.set_default_dtype(torch.float64)  # that of their maps
        found |= trained({"official, float64": (False, False), "ours, float64": (True, False)})
        torch.set_default_dtype(torch.float32)
    found |= trained({SHIPPED: (False, False), MOVED: (False, False)})
    found |= trained({"ours, float32, channels_last": (True, False), "official in bf16": (False, True)})
    found |= trained({"ours, bf16, channels_last": (True, True)})
    return curve_table(found)


def part_cases(arguments: argparse.Namespace, batch: Batch) -> dict[str, dict[str, Case]]:
    """Return the maps alone and the losses alone, forward."""
    nets = Nets(arguments)
    theirs: Any = nets.shipped()
    net: Any = nets.ours(False)
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
            for key, function in zip((SHIPPED, "ours, float32"), both, strict=True)
        }
        for name, both in functions.items()
    }


def main() -> None:
    """Measure and write the table."""
    made = parser(__doc__.splitlines()[0], "jaanet_speed.md")
    add_speed_options(made, batch=4, rounds=5)
    made.add_argument("--version", type=int, default=2, choices=[1, 2])
    made.add_argument("--aus", type=int, default=12, choices=[8, 10, 12])
    made.add_argument("--size", type=int, default=SIDE, help=f"side of the images in pixels; the authors' is {SIDE}")
    made.add_argument("--unit", type=int, default=8, help="unit of widths; the authors' is 8")
    made.add_argument("--rate", type=float, default=0.001, help="of learning, with --curves; the authors' is 0.01")
    arguments = made.parse_args()
    torch.set_num_threads(arguments.threads)
    source = f"ZhiwenShao/PyTorch-JAANet at commit {commit(arguments.checkout)}, {conditions(arguments)}"
    network = (
        f"Version {arguments.version}, {arguments.aus} AUs, {arguments.size} px, widths in units of {arguments.unit}"
    )
    if arguments.curves:
        write_curves(arguments, source, network)
        return
    batch = Batch(arguments)
    lines: list[str] = []
    for name, both in part_cases(arguments, batch).items():
        lines += rows(name, measure(both, "forward", 4 * arguments.rounds, arguments.device), arguments.batch)
        print("\n".join(lines[-2:]), flush=True)
    for what in ("training step", "forward"):
        seconds = measure(cases(arguments, batch), what, arguments.rounds, arguments.device)
        floor = FLOOR if what == "training step" and arguments.device == "cuda" else None
        lines += rows(what, seconds, arguments.batch, floor)
        print("\n".join(lines[-len(seconds) :]), flush=True)
    arguments.out.write_text(
        f"""# JAA-Net: speed beside the authors' code

`python benchmarks/jaanet_speed.py CHECKOUT --version {arguments.version} --batch {arguments.batch} --rounds \
{arguments.rounds} --device {arguments.device}`,
{source}
{network}, n = {arguments.rounds} interleaved rounds (maps and losses:
{4 * arguments.rounds}). Ratio: median over rounds of the shipped code's time by this one's in the same round, with the
quartiles. On a CPU times are processor time. Without loading or augmentation. Floor, on a GPU: what one H100 could
reach at most ({FLOOR:,.0f} images/s).

On a CPU a step is convolutions nearly alone, and they are the same in both codes: what is saved are the maps, the
losses and the calls. The shipped maps keep a GPU waiting for about 11 ms of Python an image: see --device cuda.

{SPEED_HEADS}
"""
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


def write_curves(arguments: argparse.Namespace, source: str, network: str) -> None:
    """Compare loss curves and write their table."""
    out = arguments.out.with_name(arguments.out.name.replace("_speed", "_curves"))
    made = curves(arguments)
    out.write_text(
        f"""# JAA-Net: loss curves beside the authors' code

`python benchmarks/jaanet_speed.py CHECKOUT --curves {arguments.curves} --version {arguments.version} --size \
{arguments.size} --unit {arguments.unit} --rate {arguments.rate:g} --batch {arguments.batch} --device \
{arguments.device}`,
{source}
{network}, batch {arguments.batch}, SGD at {arguments.rate:g} with Nesterov momentum; the same random weights, and the
same 8 batches of noise in turn.
{CURVES_EXPLAINED}

{made}
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
