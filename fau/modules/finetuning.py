"""Fine-tuning in two phases: first the head alone, then everything, deeper layers faster than early ones."""

from __future__ import annotations

import warnings
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from fau.errors import FauError
from fau.modules.base import FaceModule


class TwoPhases(Callback):
    """Trains the head alone, then the whole network, as text 001 fine-tunes its backbones.

    What is the head says the network's ``depths``. Frozen layers get no gradient, their dropout is off and their
    batch-norm statistics stand still. The phase follows from the epoch alone, so an interrupted run goes on in it.

    Args:
        head_epochs: Epochs of the first phase; 0 trains everything from the start.
        rate: Factor of all learning rates from the second phase on; 0.1 takes 1e-3 to 1e-4.
        layer_decay: What a layer's rate is of the next one's, towards the head; 1 gives all the same.
        frozen: Layers that never train, as the beginnings of their parameters' names (``features.conv1``).
        freeze_norm: Keep the statistics of the body's batch norms as they are in the second phase too.

    Raises:
        FauError: If a setting cannot work.
    """

    def __init__(
        self,
        head_epochs: int = 1,
        rate: float = 0.1,
        layer_decay: float = 1.0,
        frozen: list[str] | None = None,
        freeze_norm: bool = False,
    ) -> None:
        if head_epochs < 0:
            raise FauError(f"head_epochs {head_epochs} of TwoPhases is below 0; 0 trains everything from the start")
        if rate <= 0 or not 0 < layer_decay <= 1:
            raise FauError(
                f"TwoPhases needs a rate above 0 and a layer_decay above 0 and up to 1, not {rate} and {layer_decay}"
            )
        self.head_epochs = head_epochs
        self.rate = rate
        self.layer_decay = layer_decay
        self.frozen = tuple(frozen or ())
        self.freeze_norm = freeze_norm
        self._unused: set[str] = set()  # what the network itself froze, as only a part that is gone needed it

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Tell the module how rates fall, before it builds its optimiser.

        Raises:
            FauError: If the network has no such layers, or processes could not train them in two phases.
        """
        if stage != "fit":
            return
        module = _face_module(pl_module)
        names = [name for name, _ in module.net.named_parameters()]
        for prefix in self.frozen:
            if not any(_begins(name, prefix) for name in names):
                children = ", ".join(name for name, _ in module.net.named_children())
                raise FauError(
                    f"no layer of {type(module.net).__name__} begins with '{prefix}' (frozen); it has {children}"
                )
        if all(self._is_frozen(name) for name in names):
            raise FauError("frozen of TwoPhases names every layer, so nothing would train; leave one out")
        if trainer.max_epochs is not None and 0 < trainer.max_epochs <= self.head_epochs:
            warnings.warn(
                f"training ends after {trainer.max_epochs} epochs, in the first phase: the head alone trains; set "
                f"trainer.max_epochs above head_epochs ({self.head_epochs}) for the second",
                stacklevel=2,
            )
        finds = getattr(trainer.strategy, "_ddp_kwargs", {}).get("find_unused_parameters", False)
        if trainer.world_size > 1 and self.head_epochs and not finds:
            raise FauError(
                "the first phase leaves parameters unused: set trainer.strategy to ddp_find_unused_parameters_true"
            )
        self._unused = {name for name, parameter in module.net.named_parameters() if not parameter.requires_grad}
        module.layer_decay = self.layer_decay

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze what the phase leaves alone, and lower the rates once when the second begins."""
        net = _face_module(pl_module).net
        depths = net.depths()
        head = max(depths.values())
        only_head = trainer.current_epoch < self.head_epochs
        body = {name for name, depth in depths.items() if depth < head}
        still = {name for name in depths if self._is_frozen(name)} | (body if only_head else set())
        for name, parameter in net.named_parameters():
            # Not before DDP has wrapped the network: it would never synchronise what was frozen then.
            parameter.requires_grad_(name not in still and name not in self._unused)
        self._set_modes(net, still, body)
        if self.head_epochs and trainer.current_epoch == self.head_epochs:
            _scale_rates(trainer, self.rate)

    def _set_modes(self, net: nn.Module, still: set[str], body: set[str]) -> None:
        """Put what is frozen into evaluation mode, and all else into training mode."""
        net.train()
        for name, module in net.named_modules():
            own = {f"{name}.{key}" if name else key for key, _ in module.named_parameters()}
            norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
            if own and (own <= still or (self.freeze_norm and norm and own <= body)):
                module.eval()

    def _is_frozen(self, name: str) -> bool:
        return any(_begins(name, prefix) for prefix in self.frozen)


def _begins(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix.rstrip(".") + ".")


def _face_module(module: LightningModule) -> FaceModule:
    if not isinstance(module, FaceModule):
        raise FauError(f"TwoPhases trains fau's modules, not {type(module).__name__}")
    return module


def _scale_rates(trainer: Trainer, factor: float) -> None:
    """Multiply the rates, and what schedules start from; both are kept by checkpoints."""
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            group["lr"] *= factor
            if "initial_lr" in group:
                group["initial_lr"] *= factor
    for config in trainer.lr_scheduler_configs:
        schedule: Any = config.scheduler
        if hasattr(schedule, "base_lrs"):
            schedule.base_lrs = [rate * factor for rate in schedule.base_lrs]
