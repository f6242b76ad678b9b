"""What the comparisons with the authors' code share: networks in turns, loss curves, and the tables of all of them."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fau.hardware import describe_hardware

LIMITS = {torch.float32: 1e-5, torch.float64: 1e-9}  # of a fidelity table
SHIPPED = "official as shipped, float32"
MOVED = "official, float32, weights moved"


class Batch(Protocol):
    """Images with both sides' losses for them."""

    image: Tensor

    def theirs(self, output: Any) -> Tensor:
        """Return the loss of their script."""

    def ours(self, output: Any) -> Tensor:
        """Return the same by our functions."""


class Case:
    """One network under one precision, with its optimiser and batch.

    Args:
        net: The network.
        loss: Takes its output.
        image: Its input.
        bf16: Whether it runs under autocast to bfloat16.
        optimizer: Makes its optimiser; the default is AdamW.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Callable[[Any], Tensor],
        image: Tensor,
        bf16: bool,
        optimizer: Callable[[Any], torch.optim.Optimizer] = lambda made: torch.optim.AdamW(
            made, 1e-5, weight_decay=5e-4
        ),
    ) -> None:
        self.net, self.loss, self.image, self.bf16 = net, loss, image, bf16
        self.optimizer = optimizer(net.parameters())

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.image.device.type, dtype=torch.bfloat16) if self.bf16 else nullcontext()

    def step(self) -> Tensor:
        """Train once and return the loss."""
        self.net.train()
        self.optimizer.zero_grad()
        with self._precision():
            output = self.net(self.image)
        loss = self.loss(output)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def forward(self) -> None:
        """Score once."""
        self.net.eval()
        with torch.no_grad(), self._precision():
            self.net(self.image)


def measure(made: Mapping[str, Case], what: str, rounds: int, device: str) -> dict[str, list[float]]:
    """Return seconds of each setting by round, after two rounds to warm up; processor seconds on a CPU."""
    clock = time.perf_counter if device == "cuda" else time.process_time  # one thread: other load does not count
    seconds: dict[str, list[float]] = {name: [] for name in made}
    warm_up = 3 if device == "cuda" else 1  # compiling, then recording CUDA graphs
    for turn in range(rounds + warm_up):
        for name, case in made.items():
            run = case.step if what == "training step" else case.forward
            if device == "cuda":
                torch.cuda.synchronize()
            began = clock()
            run()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn >= warm_up:
                seconds[name].append(clock() - began)
    return seconds


def rows(title: str, seconds: Mapping[str, list[float]], batch: int, floor: float | None = None) -> list[str]:
    """Write lines of a speed table: median seconds, images a second, the ratio within rounds with its quartiles.

    Args:
        title: What was run.
        seconds: Of each setting by round, the shipped code first.
        batch: Images a run.
        floor: Images a second that the device could reach at most; None leaves the share of it out.
    """
    first = next(iter(seconds.values()))
    lines = []
    for name, values in seconds.items():
        ratios = [a / b for a, b in zip(first, values, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        median = statistics.median(values)
        ratio = "1" if name.startswith("official as") else f"{middle:.2f} ({low:.2f}-{high:.2f})"
        duration = f"{1e3 * median:.{0 if median > 0.01 else 2}f}"
        share = f"{100 * batch / median / floor:.1f} %" if floor else ""
        lines.append(f"| {title} | {name} | {duration} | {batch / median:.2f} | {ratio} | {share} |")
    return lines


SPEED_HEADS = "| what | code | ms | images/s | ratio to shipped | share of the floor |\n|:--|:--|--:|--:|--:|--:|"


def learn(made: Mapping[str, Case], batches: Sequence[Batch], steps: int) -> dict[str, list[float]]:
    """Train each from where it is on the same batches in the same order, and return its losses, a step each.

    Args:
        made: The networks; names that start with "ours" take our losses.
        batches: Taken in turn, again and again.
        steps: Of the optimiser.
    """
    curves: dict[str, list[float]] = {}
    for name, case in made.items():
        losses = []
        last = case.image.is_contiguous(memory_format=torch.channels_last)
        for step in range(steps):
            batch = batches[step % len(batches)]
            case.image = batch.image.contiguous(memory_format=torch.channels_last) if last else batch.image
            case.loss = batch.ours if name.startswith("ours") else batch.theirs
            losses.append(case.step())
        curves[name] = torch.stack(losses).double().tolist()
        print(f"{name}: {curves[name][0]:.6f} to {curves[name][-1]:.6f}", flush=True)
    return curves


CURVES_EXPLAINED = """Cells are means of the training loss over steps; the last two are the greatest |a - b| / |b| of
a step's loss, b the curve that it is held to, within the first ten steps and within all. Rounding grows from step to
step wherever networks are trained, as the shipped code with its weights moved by a ten-millionth shows: so float64
tells whether the two are one function, and float32 and bfloat16 whether they learn alike."""


def curve_table(curves: Mapping[str, list[float]], windows: int = 5) -> str:
    """Return the curves as Markdown: means over windows of steps, and each one's greatest distance from the shipped.

    Args:
        curves: Losses by step.
        windows: Number of windows.
    """
    steps = len(next(iter(curves.values())))
    spans = list(pairwise(round(steps * part / windows) for part in range(windows + 1)))
    heads = ["code", *(f"steps {low + 1}-{high}" for low, high in spans), "held to", "10 steps", f"{steps} steps"]
    lines = []
    for name, values in curves.items():
        means = [f"{statistics.mean(values[low:high]):.6f}" for low, high in spans]
        other = "official, float64" if name.endswith("float64") else SHIPPED
        differences = [abs(a - b) / abs(b) for a, b in zip(values, curves[other], strict=True)]
        apart = [other, f"{max(differences[:10]):.1e}", f"{max(differences):.1e}"]
        lines.append([name, *means, *(apart if name != other else [""] * 3)])
    return table(heads, lines)


def move(net: nn.Module) -> None:
    """Move weights by a ten-millionth of themselves, as rounding might."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in net.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
            parameter.mul_(1 + 1e-7 * noise.to(parameter))


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return Markdown of a table; columns are right-aligned where all their cells look like numbers."""
    kept = [list(line) for line in lines]
    numbers = [all(not line[at] or line[at][0] in "-0123456789" for line in kept) for at in range(len(heads))]
    rule = ["--:" if number else ":--" for number in numbers]
    written = [f"| {' | '.join(line)} |" for line in [list(heads), *kept]]
    return "\n".join([written[0], f"|{'|'.join(rule)}|", *written[1:]])


def fidelity_table(keys: Sequence[str], columns: Sequence[str], found: Sequence[tuple[list[str], Any, Any]]) -> str:
    """Return differences as Markdown.

    Args:
        keys: Headings of what was compared.
        columns: Kinds of differences.
        found: What was compared, its precision, and its differences by kind.
    """
    lines = [[*case, *(f"{made[key]:.1e}" if key in made else "" for key in columns)] for case, _, made in found]
    return table([*keys, *columns], lines)


def verdict(found: Sequence[tuple[list[str], Any, Any]], more: Sequence[str] = ()) -> str:
    """Say whether all differences are within the limits, or which are not.

    Args:
        found: As ``fidelity_table`` takes it.
        more: Sentences on what else is beyond them.
    """
    beyond = list(more)
    for case, dtype, made in found:
        held = [key for key in made if dtype == torch.float64 or not key.startswith("gradients")]
        beyond += [f"{' '.join(case)}: {key} {made[key]:.1e}" for key in held if made[key] > LIMITS[dtype]]
    return "All are within these limits." if not beyond else "Beyond these limits: " + "; ".join(beyond) + "."


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Return max|a - b| / max|b|."""
    ours, theirs = ours.detach(), theirs.detach()
    return float((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max().clamp(min=1e-300))


def worst(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    """Return the greatest relative difference over tensors of equal keys; scale: the greatest entry of each tensor."""
    if set(ours) != set(theirs):
        raise SystemExit(f"of one side alone: {sorted(set(ours) ^ set(theirs))[:4]}")
    return max(relative(ours[key], theirs[key]) for key in theirs)


def parser(description: str, out: str) -> argparse.ArgumentParser:
    """Return a parser with what every comparison takes.

    Args:
        description: What the script does.
        out: Name of its result, below ``benchmarks/results``.
    """
    made = argparse.ArgumentParser(description=description)
    made.add_argument("checkout", type=Path, help="folder of the authors' repository")
    made.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / out)
    return made


def add_speed_options(made: argparse.ArgumentParser, batch: int, rounds: int) -> None:
    """Add what a speed script takes besides."""
    made.add_argument("--batch", type=int, default=batch)
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--note", default="", help="what to say of the machine, such as other load")
    made.add_argument("--curves", type=int, metavar="STEPS", help="compare loss curves in place of speed")


def conditions(arguments: argparse.Namespace) -> str:
    """Return the sentences on libraries and hardware."""
    hardware = ", ".join(f"{key} {value}" for key, value in describe_hardware().items())
    return f"torch {torch.__version__}, {arguments.threads} thread.\nHardware: {hardware}. {arguments.note}".rstrip()
