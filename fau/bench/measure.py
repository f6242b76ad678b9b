"""Measuring several models in turns, so that other load on the machine falls on all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from fau.bench.subject import Subject
from fau.errors import FauError

LATENCY = (1, 16)  # batch sizes whose latency is told; the first is a camera's
_AGAIN = 5  # runs of the first a round: they are short


@dataclass
class Spread:
    """Durations in seconds, by their median and quartiles."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Half of all took longer."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """A quarter took less than the first, a quarter more than the second."""
        if len(self.seconds) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high


@dataclass
class Cost:
    """What one model costs.

    Attributes:
        name: How tables call it.
        network: Name of its class.
        size: Side of its input in pixels.
        parameters: Of the network.
        flops: Floating-point operations of scoring an image; see ``Subject.flops``.
        memory: Bytes of tensors at the peak of a training step.
        precision: As Lightning calls it.
        batch: Images of a training step.
        latency: Durations of scoring, by batch size.
        step: Durations of a training step.
    """

    name: str
    network: str
    size: int
    parameters: int
    flops: int
    memory: int
    precision: str
    batch: int
    latency: dict[int, Spread]
    step: Spread

    @property
    def frames_per_s(self) -> float:
        """Frames a second, one by one as they come from a camera."""
        return LATENCY[0] / self.latency[LATENCY[0]].median

    @property
    def train_images_per_s(self) -> float:
        """Training images a second, without loading and augmentation."""
        return self.batch / self.step.median

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values: every duration, and what tables show of them."""
        return {
            **{key: getattr(self, key) for key in ("name", "network", "size", "parameters", "flops", "memory")},
            **{"precision": self.precision, "batch": self.batch},
            "latency": {str(size): _plain(spread) for size, spread in self.latency.items()},
            "step": _plain(self.step),
            "frames_per_s": self.frames_per_s,
            "train_images_per_s": self.train_images_per_s,
        }


def _plain(spread: Spread) -> dict[str, Any]:
    low, high = spread.quartiles
    seconds = {"median": spread.median, "quartiles": [low, high], "n": len(spread.seconds)}
    return seconds | {"seconds": spread.seconds}


def measure(subjects: Sequence[Subject], rounds: int, tell: Callable[[str], None] = lambda _: None) -> list[Cost]:
    """Measure models, each once a round.

    Args:
        subjects: The models.
        rounds: Rounds that count.
        tell: Is told what is done next.

    Raises:
        FauError: If a model does not fit into the device's memory.
    """
    costs = []
    for subject in subjects:
        tell(f"{subject.name}: operations and memory")
        net = subject.module.net
        with _sentence(subject):
            flops, memory = subject.flops(), subject.step_memory()
        latency = {size: Spread() for size in LATENCY}
        costs.append(
            Cost(
                *(subject.name, type(net).__name__, net.input_size, subject.parameters, flops, memory),
                *(subject.precision, subject.batch, latency, Spread()),
            )
        )
    # One round to warm up; a second where graphs are compiled, which happens anew for the second batch size.
    for turn in range(-2 if any(subject.compiled for subject in subjects) else -1, rounds):
        for subject, cost in zip(subjects, costs, strict=True):
            tell(f"{subject.name}: " + ("warming up" if turn < 0 else f"round {turn + 1} of {rounds}"))
            with _sentence(subject):
                runs: list[tuple[Spread, Callable[[], None]]]
                runs = [(cost.latency[LATENCY[0]], partial(subject.score, LATENCY[0]))] * _AGAIN
                runs += [(cost.latency[size], partial(subject.score, size)) for size in LATENCY[1:]]
                for spread, run in [*runs, (cost.step, subject.step)]:
                    began = time.perf_counter()
                    run()
                    if turn >= 0:
                        spread.seconds.append(time.perf_counter() - began)
    return costs


@contextmanager
def _sentence(subject: Subject) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise FauError(
            f"'{subject.name}' does not fit into the memory of {subject.device} at batch {subject.batch}; "
            "give a smaller --batch"
        ) from error
