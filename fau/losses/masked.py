"""A loss before its division, so that processes can divide by the number of labels of all of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MaskedSum:
    """A loss before its division.

    Attributes:
        total: Scalar, the sum over the coded labels; connected to the logits even where nothing is coded, so that the
            gradient is then zero and no process of a DDP group goes without one.
        count: Scalar, the number of coded labels.
    """

    total: Tensor
    count: Tensor

    @classmethod
    def of(cls, loss: Tensor, coded: Tensor, label_weight: Tensor | None = None) -> MaskedSum:
        """Add a loss up over what is coded.

        Args:
            loss: (B, L) or (L,) or (B,); any value where not coded.
            coded: The same shape, bool.
            label_weight: (L,) factors of a label's whole term. They do not enter ``count``.
        """
        if label_weight is not None:
            loss = loss * label_weight.to(loss)
        return cls(torch.where(coded, loss, 0.0).sum(), coded.sum().to(loss.dtype))

    def mean(self, over: Tensor | None = None) -> Tensor:
        """Return the mean over the coded labels, 0 where there are none.

        Args:
            over: Divide by this instead of ``count``, such as its mean over all processes.
        """
        return self.total / (self.count if over is None else over).clamp(min=torch.finfo(self.total.dtype).tiny)


def full_precision(values: Tensor) -> Tensor:
    """Return values in float32 at least: sums of half-precision numbers lose digits, and overflow."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
