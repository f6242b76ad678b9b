"""The one transform on the device: uint8 crops become what a network takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fau.errors import FauError


class BatchTransform(nn.Module):
    """Turns a batch of uint8 crops into normalised float images of the network's input size.

    Args:
        input_size: Height and width in pixels that the network takes.
        mean: Mean of each channel, on a scale of 0..1.
        std: Standard deviation of each channel, on the same scale.
        allow_upsample: Whether smaller crops may be enlarged; enlarging adds no detail and costs time, so it is an
            error unless asked for.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, input_size: int, mean: Sequence[float], std: Sequence[float], allow_upsample: bool = False
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.allow_upsample = allow_upsample
        # The network brings both; checkpoints need not.
        self.register_buffer("mean", 255.0 * torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1), False)
        self.register_buffer("std", 255.0 * torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1), False)

    def check(self, size: int) -> None:
        """Check before training that crops of ``size`` px will do.

        Raises:
            FauError: If they are smaller than the network's input and may not be enlarged.
        """
        if size < self.input_size and not self.allow_upsample:
            raise FauError(
                f"crops of {size} px are smaller than the network's input of {self.input_size} px; use a crop set of "
                f"{self.input_size} px or more, or set allow_upsample to enlarge them"
            )

    def forward(self, image: Tensor) -> Tensor:
        """Convert, resize and normalise.

        Args:
            image: uint8 (B, H, W, 3), H = W.

        Returns:
            float32 (B, 3, input_size, input_size), channels_last in memory.

        Raises:
            FauError: If crops are smaller than the input and may not be enlarged.
        """
        self.check(image.shape[1])
        # NHWC memory seen as NCHW is channels_last already: nothing is copied but the conversion to float.
        planes = image.permute(0, 3, 1, 2).to(self.mean.dtype)
        if image.shape[1] != self.input_size:
            planes = functional.interpolate(
                planes, size=(self.input_size, self.input_size), mode="bilinear", antialias=True
            )
        planes = (planes - self.mean) / self.std
        return planes.contiguous(memory_format=torch.channels_last)
