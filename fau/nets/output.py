"""What every network takes and gives, so that modules need not know which one they train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn

from fau.errors import FauError


@dataclass
class NetOutput:
    """The result of one forward pass.

    Attributes:
        logits: (B, L), one per label, before the sigmoid; half precision under autocast.
        attention: (B, H, W) weights over the positions of the last feature map, float32, summing to 1 per image;
            None where the network has no attention.
    """

    logits: Tensor
    attention: Tensor | None = None

    @property
    def scores(self) -> Tensor:
        """Probabilities (B, L) in [0, 1], float32 at least: half precision would tie what training tells apart."""
        return torch.sigmoid(self.logits.to(torch.promote_types(self.logits.dtype, torch.float32)))


@dataclass
class ProbabilityOutput(NetOutput):
    """The result of a network whose outputs are probabilities by themselves, and no logits.

    Attributes:
        logits: (B, L), the logits of the probabilities, cut where they leave 1e-6..1 - 1e-6; for what asks for logits.
        probability: (B, L), as the network gives them: 0..1 but for rounding, float32 at least.
    """

    probability: Tensor = field(kw_only=True)

    @classmethod
    def of(cls, probability: Tensor, **others: Any) -> Self:
        """Make the output from probabilities and a subclass's own fields."""
        return cls(torch.logit(probability, eps=1e-6), probability=probability, **others)

    @property
    def scores(self) -> Tensor:
        """Probabilities (B, L) in [0, 1]."""
        return self.probability.clamp(0, 1)


class Net(nn.Module):
    """Base of all networks.

    A subclass takes ``num_outputs`` as its first positional parameter (the training module fills it in from the label
    set), and its settings after it, each with a default: these are the keys of a configuration.

    Attributes:
        num_outputs: Number of labels L.
        input_size: Side of the square image that the network is made for, in pixels.
        mean: Per-channel mean, RGB on the scale 0..1, that the input is normalised by.
        std: Per-channel standard deviation, same scale.
        landmarks: The landmark set, ``49`` or ``68``, that ``forward`` takes as its second argument; None without. A
            class attribute, or set in the constructor.
    """

    landmarks: str | None = None
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    __call__: Callable[..., NetOutput]

    def __init__(self, num_outputs: int, input_size: int) -> None:
        super().__init__()
        if num_outputs < 1:
            raise FauError(f"{type(self).__name__} needs num_outputs of 1 or more, not {num_outputs}")
        if input_size < 1:
            raise FauError(f"{type(self).__name__} needs an input_size of 1 pixel or more, not {input_size}")
        self.num_outputs = num_outputs
        self.input_size = input_size

    def forward(self, image: Tensor) -> NetOutput:
        """Score a batch.

        Args:
            image: (B, 3, H, W) float, normalised by ``mean`` and ``std``; channels_last is the faster layout.

        A network with ``landmarks`` takes besides ``points: Tensor | None = None``, (B, K, 2) float32: x and y in
        pixels of ``image``, pixel centres at whole numbers, NaN where not known.
        """
        raise NotImplementedError

    def depths(self) -> dict[str, int]:
        """Return how deep each parameter lies, from 0 at the image; the deepest is the head, the rest the body.

        By default each child of the network is a step, in the order in which they were made; a network that knows its
        layers better says so. Fine-tuning freezes and slows layers by it.
        """
        steps = {name: step for step, (name, _) in enumerate(self.named_children())}
        return {name: steps.get(name.partition(".")[0], 0) for name, _ in self.named_parameters()}


def check_output(net: Net, output: object, images: int) -> None:
    """Check what a network, which may be a user's own, gave for a batch.

    Raises:
        FauError: If it is no ``NetOutput`` with ``logits`` of shape (images, num_outputs).
    """
    wanted = f"forward returns NetOutput(logits) with logits of shape ({images}, {net.num_outputs}) for {images} images"
    if not isinstance(output, NetOutput):
        raise FauError(f"network {type(net).__name__} gave a {type(output).__name__}; {wanted}")
    if output.logits.shape != (images, net.num_outputs):
        raise FauError(f"network {type(net).__name__} gave logits of shape {tuple(output.logits.shape)}; {wanted}")
