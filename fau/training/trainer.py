"""Lightning's trainer of a fold: its callbacks, its logger, and what of its settings is refused."""

from __future__ import annotations

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher, _SubprocessScriptLauncher

from fau.errors import FauError
from fau.modules.callbacks import EpochLog, StayStopped, WholeCheckpoints, checkpoints
from fau.modules.launcher import WatchedLauncher
from fau.runs import record_trial
from fau.tracking.agents import agents_run_begun
from fau.tracking.run import make_logger
from fau.training.fold import Fold


def build_trainer(fold: Fold, log: EpochLog) -> Trainer:
    """Build the trainer, and begin the W&B run.

    Args:
        fold: What is to be trained.
        log: Writes the epochs.

    Raises:
        FauError: If Lightning refuses a setting, or one of them does not go with this program.
    """
    settings = dict(fold.trainer)
    callbacks: list[Callback] = list(settings.pop("callbacks", None) or [])
    if fold.patience is not None:
        if not fold.selects:
            raise FauError("--patience needs a validation part; leave it out where data.validation is 'none'")
        # Not strict: an epoch without a validation score, for want of a positive in it, neither stops nor counts.
        callbacks.append(EarlyStopping(fold.module.monitor, mode="max", patience=fold.patience, strict=False))
    callbacks.append(StayStopped())
    # The log comes before the checkpoints: a run killed between them does the epoch again and replaces its row.
    callbacks += [log, *checkpoints(fold.run, fold.selects, fold.module.monitor)]
    resumed = (fold.run.checkpoints / "last.ckpt").exists()
    logger = make_logger(fold.run.path, fold.record, fold.wandb, resumed)
    agents_run_begun(fold.run.path, resumed)
    plugins = settings.get("plugins") or []
    settings |= {
        "plugins": [*(plugins if isinstance(plugins, list) else [plugins]), WholeCheckpoints()],
        "logger": [logger] if logger is not None else False,
        "callbacks": callbacks,
        "default_root_dir": fold.run.path,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": True,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": settings.get("log_every_n_steps") or 50,
        "use_distributed_sampler": False,  # ours pad and shard exactly
    }
    try:
        trainer = Trainer(**settings)
    except (MisconfigurationException, ValueError) as error:
        raise FauError(f"Lightning refuses the trainer's settings: {' '.join(str(error).split())}") from error
    if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
        raise FauError(
            f"trainer.strategy '{settings['strategy']}' leaves its results in processes that end with it; use ddp"
        )
    if settings.get("sync_batchnorm") and trainer.world_size > 1 and trainer.strategy.root_device.type != "cuda":
        raise FauError("trainer.sync_batchnorm needs GPUs, one a process; leave it out on the CPU")
    if isinstance(trainer.strategy.launcher, _SubprocessScriptLauncher):
        trainer.strategy._launcher = WatchedLauncher(
            trainer.strategy.launcher, lost=lambda: record_trial(fold.run, "interrupted")
        )
    return trainer
