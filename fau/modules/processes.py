"""Which process of a DDP group this is."""

from __future__ import annotations

from lightning.pytorch.utilities import rank_zero_only


def is_main_process() -> bool:
    """Tell whether this is rank 0, also before Lightning's launcher has made the others."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0
