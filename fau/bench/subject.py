"""One model under measurement: its module, a batch of noise, and the runs whose time counts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fau.bench.memory import LiveMemory
from fau.data.datamodule import FaceDataModule
from fau.data.dataset import BatchDataset
from fau.data.sampling import BatchKey
from fau.errors import FauError
from fau.modules.base import FaceModule

# Lightning's names of the precisions that are measured, and what autocast computes in.
PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
ALIASES = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


class _Alone:
    """As much of a trainer as a module asks for in a step: one process, one epoch, no end."""

    world_size = 1
    global_rank = current_epoch = global_step = 0
    max_epochs = 1
    estimated_stepping_batches = 10**6


class Subject:
    """A module with data and optimiser on a device, ready to score and to train.

    Args:
        name: How tables call it.
        module: The module; its loss and its optimiser are what is measured.
        data: Its data module, whose crops are those that the network's transform wants.
        batch: Crops of a training step.
        sizes: Batch sizes that will be scored.
        device: Where it runs.
        precision: A key of ``PRECISIONS``.

    Raises:
        FauError: If module and data do not fit, or the module trains by several optimisers.
    """

    def __init__(
        self,
        name: str,
        module: FaceModule,
        data: FaceDataModule,
        batch: int,
        sizes: tuple[int, ...],
        device: torch.device,
        precision: str,
    ) -> None:
        self.name, self.module, self.batch, self.device, self.precision = name, module, batch, device, precision
        module.trainer = cast(Any, _Alone())
        module.use_training_data(data)
        module.to(device)
        self.optimizer = _optimizer(module.configure_optimizers())
        for group in self.optimizer.param_groups:
            group["lr"] = 0.0  # the same work, and noise teaches nothing that could diverge
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "16-mixed")
        self._host = {size: _batch(data, size) for size in {1, batch, *sizes}}
        self._needed = {"image"} if module.net.landmarks is None else {"image", "landmarks"}
        self._train = {key: value.to(device) for key, value in self._host[batch].items()}

    @property
    def parameters(self) -> int:
        """Parameters of the network."""
        return sum(parameter.numel() for parameter in self.module.net.parameters())

    @property
    def compiled(self) -> bool:
        """Whether ``torch.compile`` makes the network's code when it first runs."""
        return self.module.net._compiled_call_impl is not None

    def flops(self) -> int:
        """Count the floating-point operations of scoring one image.

        Two a multiply-add, of convolutions, matrix products and attention; norms, activations, pooling and the
        transform are not counted (torch.utils.flop_counter).
        """
        self.module.eval()
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), torch.compiler.set_stance("force_eager"), counter:
            self.module(self._on_device(1))
        return int(counter.get_total_flops())

    def score(self, size: int) -> None:
        """Take uint8 crops in the host's memory to scores there."""
        self.module.eval()
        with torch.inference_mode(), self._autocast():
            self.module(self._on_device(size)).scores.cpu()

    def step(self) -> None:
        """Train once on a batch that is on the device: transform, forward, loss, backward, optimiser."""
        self.module.train()
        self.optimizer.zero_grad()
        with self._autocast():
            loss = self.module.loss(self.module(self._train), self._train)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self.optimizer)
        self._scaler.update()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def step_memory(self) -> int:
        """Return the bytes that tensors take at the peak of a training step, what lasts between steps included.

        On a CPU without compilation, which would change them.
        """
        self.step()  # makes the optimiser's state
        lasting = self._lasting()
        if self.device.type != "cuda":
            with torch.compiler.set_stance("force_eager"), LiveMemory(lasting) as memory:
                self.step()
            peak: int = memory.peak
            return peak
        others = torch.cuda.memory_allocated(self.device) - sum(tensor.nbytes for tensor in lasting)
        torch.cuda.reset_peak_memory_stats(self.device)
        self.step()
        return int(torch.cuda.max_memory_allocated(self.device)) - others

    def _lasting(self) -> list[Tensor]:
        parameters = list(self.module.parameters())
        state = [value for entry in self.optimizer.state.values() for value in entry.values()]
        return [
            *parameters,
            *(parameter.grad for parameter in parameters if parameter.grad is not None),
            *(buffer for module in self.module.modules() for buffer in module._buffers.values() if buffer is not None),
            *(value for value in state if isinstance(value, Tensor) and value.device.type == self.device.type),
            *self._train.values(),
        ]

    def _on_device(self, size: int) -> dict[str, Tensor]:
        return {key: value.to(self.device) for key, value in self._host[size].items() if key in self._needed}

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = PRECISIONS[self.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)


def _optimizer(made: Any) -> torch.optim.Optimizer:
    made = made["optimizer"] if isinstance(made, Mapping) else made
    if not isinstance(made, torch.optim.Optimizer):
        raise FauError("fau-bench measures modules with one optimiser")
    return made


def _batch(data: FaceDataModule, size: int) -> dict[str, Tensor]:
    dataset = BatchDataset(data.cropset, data.targets, data.landmarks)
    rows = data.split.train[np.arange(size) % len(data.split.train)]
    return dataset[BatchKey(0, rows)]
