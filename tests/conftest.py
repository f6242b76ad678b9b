"""Fixtures that all tests share: few threads, no network, caches in a temporary folder."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch is imported anywhere: two test processes on two cores must not fight for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("FAU_THREADS", "1")

# A shell starts what runs in its background deaf to Ctrl-C, and processes inherit that: the tests send some.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep W&B offline and every cache inside the session's temporary folder."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith(("WANDB_", "SLURM_"))]:
            patch.delenv(key)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_DATA_DIR", str(home / "wandb-data"))
        patch.setenv("WANDB_CACHE_DIR", str(home / "wandb-cache"))
        patch.setenv("WANDB_CONFIG_DIR", str(home / "wandb-config"))
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        patch.setenv("FAU_CACHE", str(home / "fau"))
        yield


@pytest.fixture(scope="session")
def tiny_cropset(_sealed: None) -> Path:
    """The smallest synthetic corpus, drawn once a session."""
    from fau.synthetic.corpus import default_cropset

    return default_cropset("synthetic-tiny")


@pytest.fixture(scope="session")
def face_model() -> Path:
    """MediaPipe's model file; skips where MediaPipe, a library that it needs, or the model is missing."""
    from fau.crops.detect import SYSTEM_LIBRARIES, find_model
    from fau.errors import FauError

    pytest.importorskip("mediapipe", reason="the extra mediapipe is not installed")
    try:
        for name in SYSTEM_LIBRARIES:
            ctypes.CDLL(name)
        return find_model()
    except (OSError, FauError) as error:
        pytest.skip(str(error))
