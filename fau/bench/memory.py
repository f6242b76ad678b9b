"""The memory that tensors take while something runs, counted and not sampled: the same on every machine."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that are alive at once, while it is entered.

    A storage counts from the operation that made it until the last tensor on it is gone, so what backward keeps is in
    it; scratch space within one operation is not. For a CPU; a GPU's allocator counts by itself.

    Args:
        present: Tensors that are there already and count as well: weights, gradients, an optimiser's state, a batch.

    Attributes:
        live: Bytes alive now.
        peak: The most that were alive at once.
    """

    def __init__(self, present: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: set[int] = set()
        for tensor in present:
            self._count(tensor)

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)  # torch keeps one Python object a storage as long as that lives
        if key in self._known:
            return
        self._known.add(key)
        self.live += (size := storage.nbytes())
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it made."""
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf)
        return made
