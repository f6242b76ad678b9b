"""What README, docs and the heads of experiments and sweeps print is what the programs take: all of it is parsed."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import fau.cli
from fau.cli import bench, data, ensemble, explain, report, sweep
from fau.cli.train_parser import parse

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
HEADS = sorted(path for folder in ("experiments", "sweeps") for path in (REPOSITORY / folder).rglob("*.yaml"))
PROGRAMS = {
    "fau-data": data.main,
    "fau-ensemble": ensemble.main,
    "fau-explain": explain.main,
    "fau-report": report.main,
    "fau-sweep": sweep.main,
}
_COMMAND = r"fau-(?:train|bench|data|ensemble|explain|report|sweep)(?= |$|`)[^`\n]*"


def _commands(file: Path) -> Iterator[tuple[str, bool]]:
    """Yield the commands of a page or a head, and whether each stands on a line of its own: then it is whole."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".yaml":
        text = re.sub(r"^# ?", "", "\n".join(line for line in text.splitlines() if line.startswith("#")), flags=re.M)
    text = re.sub(r"\\\n\s*", "", text)  # goes on in the next line
    for found in re.finditer(rf"^(?:\$ | {{2,}})?({_COMMAND})$", text, re.M):
        yield found[1], True
    for found in re.finditer(rf"`({_COMMAND})`", text):
        yield found[1], False


def _words(command: str) -> list[str]:
    return [word.removesuffix("...") for word in shlex.split(command, comments=True)]


FOUND = {(command, whole): file for file in (*PAGES, *HEADS) for command, whole in _commands(file)}
OTHERS = [(command, whole) for command, whole in FOUND if _words(command)[0] in PROGRAMS]
# README's and published rows' have tests of their own; of the others' heads only the files are looked for.
TRAININGS = [(command, FOUND[command, whole]) for command, whole in FOUND if _words(command)[0] == "fau-train"]


@pytest.fixture(scope="module")
def unmanned(request: pytest.FixtureRequest) -> Iterator[None]:
    """The programs parse, and then do nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for found in pkgutil.iter_modules(fau.cli.__path__, "fau.cli."):
            module = importlib.import_module(found.name)
            if hasattr(module, "guarded"):
                patch.setattr(module, "guarded", lambda *_, **__: 0)
        patch.chdir(REPOSITORY)
        yield


def test_commands_are_found() -> None:
    assert {_words(command)[0] for command, whole in OTHERS if whole} >= {*PROGRAMS} - {"fau-ensemble", "fau-report"}
    assert len(OTHERS) > 60 and len(TRAININGS) > 60


@pytest.mark.parametrize(("command", "whole"), OTHERS)
def test_a_printed_command_parses(
    command: str, whole: bool, unmanned: None, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *words = _words(command)
    if not words and not whole:  # the program's name
        return
    try:
        status = PROGRAMS[program](words)
    except SystemExit as error:
        status = int(error.code or 0)
    said = capsys.readouterr().err
    # In a sentence only what matters may stand: `fau-sweep --ensemble`.
    assert status == 0 or (not whole and "the following arguments are required" in said), said
    for word in words:
        assert not word.startswith("sweeps/") or Path(word).is_file(), f"{FOUND[command, whole]} names {word}"


@pytest.mark.parametrize("command", [command for command, file in TRAININGS if file in PAGES[1:]])
def test_a_training_of_the_docs_parses(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    words = _words(command)[1:]
    parse([word for word in words if word != "--print_config"])


def test_trainings_name_files_that_are_there() -> None:
    for command, file in TRAININGS:
        for word in _words(command):
            assert not word.startswith("experiments/") or (REPOSITORY / word).is_file(), f"{file} names {word}"


@pytest.mark.parametrize("command", [command for command, _ in FOUND if _words(command)[0] == "fau-bench"])
def test_a_printed_benchmark_parses(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    _, rest = bench._parser().parse_known_args(_words(command)[1:])
    files, flags = bench._split([word for word in rest if not word.startswith("runs/")])  # are not there
    for file in files:
        parse([f"--config={file}", *flags])
