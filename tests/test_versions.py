"""Which code made a result: a commit where fau's own source tree is one, and the package's version elsewhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fau import __version__, versions


def _repository(folder: Path) -> str:
    """Make a repository with one commit of all that is there, and return the commit."""
    settings = ("user.name=t", "user.email=t@example.org", "commit.gpgsign=false")
    git = ["git", "-C", str(folder), *(word for setting in settings for word in ("-c", setting))]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "t"]):
        subprocess.run([*git, *words], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is taken for that of the package."""
    folder = tmp_path / "fau"
    folder.mkdir()
    monkeypatch.setattr(versions, "__file__", str(folder / "versions.py"))
    return folder


def test_a_source_tree_is_its_commit(package: Path) -> None:
    (package / "__init__.py").write_text("one = 1\n")
    commit = _repository(package.parent)[:12]
    assert versions.code_version() == f"{__version__}+{commit}"
    (package / "__init__.py").write_text("another = 2\n")
    assert versions.code_version() == f"{__version__}+{commit}-dirty"


def test_somebody_elses_repository_says_nothing(package: Path) -> None:
    (package.parent / "theirs.py").write_text("")
    _repository(package.parent)
    (package / "__init__.py").write_text("")
    assert versions.code_version() == __version__
