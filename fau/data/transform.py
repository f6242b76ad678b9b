"""The one transform on the device: uint8 crops and their landmarks become what a network takes."""

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
        resize: Side in pixels that crops are brought to before a window of the input's size is cut out of them; None
            brings them to the input's size and cuts nothing.

    Raises:
        FauError: If the window is larger than what it is cut from.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        input_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        allow_upsample: bool = False,
        resize: int | None = None,
    ) -> None:
        super().__init__()
        if resize is not None and resize < input_size:
            raise FauError(
                f"model.resize {resize} is below the network's input of {input_size} px, which is cut out of it; give "
                f"{input_size} or more, or leave it out"
            )
        self.input_size = input_size
        self.allow_upsample = allow_upsample
        self.resize = input_size if resize is None else resize
        # The network brings both; checkpoints need not.
        self.register_buffer("mean", 255.0 * torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1), False)
        self.register_buffer("std", 255.0 * torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1), False)

    def check(self, size: int) -> None:
        """Check before training that crops of ``size`` px will do.

        Raises:
            FauError: If they are smaller than what is asked for and may not be enlarged.
        """
        if size < self.resize and not self.allow_upsample:
            what = "the network's input of" if self.resize == self.input_size else "model.resize, which is"
            raise FauError(
                f"crops of {size} px are smaller than {what} {self.resize} px; use a crop set of "
                f"{self.resize} px or more, or --model.allow_upsample true, which enlarges them"
            )

    def forward(self, image: Tensor, window: Tensor | None = None) -> Tensor:
        """Convert, resize, cut and normalise.

        Args:
            image: uint8 (B, H, W, 3), H = W.
            window: (B, 2) in 0..1, where each window lies between left and right, and between top and bottom; None
                takes the centre.

        Returns:
            float32 (B, 3, input_size, input_size), channels_last in memory.

        Raises:
            FauError: If crops are smaller than asked for and may not be enlarged.
        """
        self.check(image.shape[1])
        # NHWC memory seen as NCHW is channels_last already: nothing is copied but the conversion to float.
        planes = image.permute(0, 3, 1, 2)
        if image.shape[1] != self.resize:
            planes = functional.interpolate(
                planes.to(self.mean.dtype), size=(self.resize, self.resize), mode="bilinear", antialias=True
            )
        planes = self._cut(planes, window).to(self.mean.dtype)
        planes = (planes - self.mean) / self.std
        return planes.contiguous(memory_format=torch.channels_last)

    def points(self, points: Tensor, size: int, window: Tensor | None = None) -> Tensor:
        """Move landmarks as ``forward`` moves the pixels.

        Args:
            points: (B, K, 2), x and y in pixels of the crops, their centres at whole numbers; NaN = not known, as are
                those that are not ``believed``.
            size: Height and width of the crops.
            window: As for ``forward``.

        Returns:
            float32 (B, K, 2) in pixels of the network's input.
        """
        points = points.float()
        if size != self.resize:  # else not one bit changes
            points = (points + 0.5) * (self.resize / size) - 0.5
        return points - self._corner(window, len(points)).to(points).unsqueeze(1)

    def _corner(self, window: Tensor | None, count: int) -> Tensor:
        """Return x and y (B, 2), whole numbers, of the windows' first pixels."""
        spare = self.resize - self.input_size
        if window is None:
            return torch.full((count, 2), spare // 2)
        return (window * (spare + 1)).long().clamp(0, spare)

    def _cut(self, planes: Tensor, window: Tensor | None) -> Tensor:
        side = self.input_size
        if self.resize == side:
            return planes
        if window is None:
            start = (self.resize - side) // 2
            return planes[:, :, start : start + side, start : start + side]
        corners = self._corner(window, len(planes))
        steps = torch.arange(side, device=planes.device)
        columns, rows = corners[:, :1] + steps, corners[:, 1:] + steps
        samples = torch.arange(len(planes), device=planes.device)[:, None, None]
        cut: Tensor = planes.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]]
        return cut.permute(0, 3, 1, 2)
