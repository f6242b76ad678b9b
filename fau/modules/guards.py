"""What stops a training that can come to nothing, in one sentence in place of a table of NaN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fau.errors import FauError

# Half precision without loss scaling: gradients, and the 1e-8 that Adam divides by, are 0 there.
_UNSCALED = ("16-true", "transformer-engine-float16")
# Weights of 8 bits' mantissa: a step below 1/256 of a weight leaves it as it is.
_COARSE = ("bf16-true",)


def check_precision(precision: str) -> None:
    """Refuse a precision in which losses or updates underflow.

    Raises:
        FauError: If it is one.
    """
    if precision in _COARSE:
        raise FauError(
            f"trainer.precision {precision} keeps the weights too coarsely for small updates; set bf16-mixed, which "
            "keeps them in 32 bits"
        )
    if precision in _UNSCALED:
        raise FauError(
            f"trainer.precision {precision} has no loss scaling, so that small gradients and Adam's eps become 0; set "
            "16-mixed, which has, or bf16-mixed, which needs none"
        )


@contextmanager
def batch_norm_explained(net: nn.Module) -> Iterator[None]:
    """Turn torch's refusal to normalise a single value into a sentence.

    Raises:
        FauError: If a batch norm had one value a channel.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise FauError(
            f"{type(net).__name__} has a batch norm that cannot train on one sample; set data.batch_size to 2 or more "
            "for each process"
        ) from error


def check_finite(net: nn.Module, epoch: int) -> None:
    """Check that a network is one still; once an epoch, since it waits for the device.

    Args:
        net: The network.
        epoch: The epoch that was trained last, counted from 0.

    Raises:
        FauError: If a weight, or a statistic of a batch norm, is not finite.
    """
    for name, value in net.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise FauError(
                f"training diverged in epoch {epoch + 1}: {name} is not finite; lower model.optimizer's lr, or set "
                "trainer.precision to 32-true if it is lower"
            )
