"""Where W&B's key and settings are looked for: where its own client finds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from wandb.sdk.lib import urls
from wandb.sdk.lib.wbauth import read_netrc_auth, write_netrc_auth

from fau.tracking.settings import PUBLIC_HOSTS, has_key, resolve_mode, setting

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Leave a key for a server as ``wandb login`` does, on a machine that has none yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    return lambda host: write_netrc_auth(host=host, api_key=KEY)


def test_without_a_key_runs_are_offline(login: Callable[[str], None]) -> None:
    assert not has_key()
    assert resolve_mode("auto") == "offline"


@pytest.mark.parametrize("host", [urls.DEFAULT_BASE_URL, *(f"https://{host}" for host in PUBLIC_HOSTS)])
def test_a_login_to_the_public_server_counts(host: str, login: Callable[[str], None]) -> None:
    login(host)
    assert has_key()
    assert resolve_mode("auto") == "online"
    assert read_netrc_auth(host=urls.DEFAULT_BASE_URL) == KEY  # as its own client thinks


def test_a_server_of_ones_own_has_a_key_of_its_own(
    login: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    login("http://localhost:8080")
    assert not has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "http://localhost:8080")
    assert has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "http://localhost:8081")
    assert not has_key()


def test_what_cannot_be_read_is_no_key(
    login: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_bytes(b"machine caf\xe9 login user password secret\n")
    assert not has_key()

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "NETRC", "WANDB_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)  # as in a container that runs as some number
    assert resolve_mode("auto") == "offline"


def test_the_clients_settings_file_counts(
    login: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login("http://localhost:8080")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings").write_text("[default]\nbase_url = http://localhost:8080\n")
    assert has_key()
    assert resolve_mode("auto") == "online"
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text("[default]\nmode = offline\n")  # as `wandb offline` leaves it
    assert resolve_mode("auto") == "offline"
    monkeypatch.setenv("WANDB_MODE", "online")
    assert resolve_mode("auto") == "online"
    (tmp_path / "wandb" / "settings").write_text("no settings\n")
    assert setting("base_url") is None


@pytest.mark.parametrize(("named", "mode"), [("dryrun", "offline"), ("offline", "offline"), ("disabled", "disabled")])
def test_the_variable_decides(
    named: str, mode: str, login: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert resolve_mode("auto") == "online"
    monkeypatch.setenv("WANDB_MODE", named)
    assert resolve_mode("auto") == mode


def test_an_agents_trial_is_online(login: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    assert resolve_mode("auto") == "offline"
    monkeypatch.setenv("WANDB_RUN_ID", "r1")
    assert resolve_mode("auto") == "online"
