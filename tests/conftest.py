"""Fixtures that all tests share: few threads, no network, caches in a temporary folder."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from wandb_server import Server

# Before torch is imported anywhere: two test processes on two cores must not fight for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("FAU_THREADS", "1")

# A shell starts what runs in its background deaf to Ctrl-C, nohup to a hangup, and processes inherit that: the tests
# send both.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples everywhere, and no limit on the time of one, which a machine at work exceeds.
settings.register_profile("fau", deadline=None, derandomize=True)
settings.load_profile("fau")

# What a terminal, a launcher or an account would change in the tests.
_FOREIGN = ("WANDB_", "SLURM_", "SBATCH_", "FAU_RERUN", "FAU_TRIAL_RECORD", "FAU_LAUNCHER", "PL_", "MASTER_")
_FOREIGN += ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLUMNS", "LINES")


@pytest.hookimpl(optionalhook=True)  # not there with -p no:xdist
def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: a fifth of the time is waiting, for processes and their timeouts."""
    from fau.cores import usable_cores

    return usable_cores() + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest file: files go to the processes whole, and the last one would end alone."""
    items.sort(key=lambda item: item.path.name != "test_experiments.py")


@pytest.fixture(scope="session", autouse=True)
def _sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep W&B offline and every cache inside the session's temporary folder."""
    home = tmp_path_factory.mktemp("home")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # one cache for all workers
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith(_FOREIGN)]:
            patch.delenv(key)
        for name in ("NO_PROXY", "no_proxy"):  # of servers of the tests' own
            patch.setenv(name, "127.0.0.1,localhost")
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_DATA_DIR", str(home / "wandb-data"))
        patch.setenv("WANDB_CACHE_DIR", str(home / "wandb-cache"))
        patch.setenv("WANDB_CONFIG_DIR", str(home / "wandb-config"))
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        patch.setenv("NETRC", str(home / "netrc"))  # where a key would be
        patch.setenv("FAU_CACHE", str(shared / "fau-cache"))
        # W&B's client makes two folders at its import, which killed processes leave; a short path, for its socket.
        temporary = tempfile.mkdtemp(prefix="fau-tests-")
        patch.setenv("TMPDIR", temporary)
        patch.setattr(tempfile, "tempdir", temporary)
        yield
        shutil.rmtree(temporary, ignore_errors=True)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Let no test's random numbers depend on the tests that ran before it in the same process."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def tiny_cropset(_sealed: None) -> Path:
    """The smallest synthetic corpus, drawn once a session."""
    from fau.synthetic.cache import default_cropset

    return default_cropset("synthetic-tiny")


@pytest.fixture
def wandb_server(_sealed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A W&B server of the test's own on loopback; the environment sends this process and its children there."""
    from wandb_server import Server

    with Server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
        _forget_wandb()
        yield server
        _forget_wandb()


def _forget_wandb() -> None:
    """Make W&B's client, which reads its settings once a process, read them again."""
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


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
