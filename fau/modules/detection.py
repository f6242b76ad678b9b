"""Detection of action units: several labels a frame, present or absent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from fau.labels import au_label, label_set
from fau.losses import masked_bce
from fau.metrics import au_metrics
from fau.modules.base import Arrays, Batch, FaceModule
from fau.nets.gla import GLACNN
from fau.nets.output import Net, NetOutput

def _adam(parameters):  # placeholder
    return torch.optim.Adam(parameters, lr=1e-3)
