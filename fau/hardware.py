"""What the machine offers, and the precision that follows from it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from fau.cores import usable_cores
from fau.errors import FauError


def cpu_has_bf16() -> bool:
    """Tell whether the CPU multiplies bfloat16 matrices itself; where it does not, bf16 is slower than float32."""
    get_capabilities = getattr(torch.cpu, "get_capabilities", None)  # newer than the least torch that we accept
    if get_capabilities is not None:
        found = get_capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:  # not Linux
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def default_precision(accelerator: str = "auto") -> str:
    """Choose Lightning's ``precision`` for this machine.

    Args:
        accelerator: Lightning's ``accelerator``: "auto" takes a GPU where there is one.

    Returns:
        "bf16-mixed" where the hardware computes in bfloat16, else "32-true".
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "32-true"
    return "bf16-mixed" if cpu_has_bf16() else "32-true"


def limit_threads() -> None:
    """Let torch use no more threads than cores; a container's quota is otherwise unknown to it.

    ``FAU_THREADS`` decides where it is set, as a sweep does that runs trials side by side; else ``OMP_NUM_THREADS``.

    Raises:
        FauError: If ``FAU_THREADS`` is no positive number.
    """
    asked = os.environ.get("FAU_THREADS")
    if asked is not None:
        if not asked.isdecimal() or int(asked) < 1:
            raise FauError(f"the environment's FAU_THREADS must be a number of threads from 1 on, not '{asked}'")
        torch.set_num_threads(int(asked))
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))


def describe_hardware() -> dict[str, str | int | list[str]]:
    """Return the machine for a run record: cpu, cores, gpus and threads (of torch, in this process)."""
    return {
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
