"""What README prints is what fau-train takes (of the other programs: ``test_docs``), and what it names is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fau.cli.train_parser import parse
from fau.corpora.registry import corpora

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def _commands(program: str) -> list[list[str]]:
    """Return the commands of a program that README prints, in blocks, tables and sentences, as words."""
    printed = re.findall(rf"(?:^\$ |`)({program}(?: [^`\n]*)?)(?=`|$)", README, re.MULTILINE)
    found = [shlex.split(text, comments=True)[1:] for text in dict.fromkeys(printed)]
    return [words for words in found if words and words[0] != "..."]


@pytest.mark.parametrize("words", _commands("fau-train"), ids=" ".join)
def test_training_commands_parse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    parse([word for word in words if word != "--print_config"])


def test_every_corpus_has_its_row_and_its_page() -> None:
    prepared = {words[1] for words in _commands("fau-data") if words[0] == "prepare"}
    assert prepared == set(corpora())
    for name, reader in corpora().items():
        page = (REPOSITORY / "docs" / "corpora" / f"{name}.md").read_text(encoding="utf-8")
        assert f"docs/corpora/{name}.md" in README
        assert f"fau-data prepare {name} RAW OUT" in page and "icence" in page, reader.title


def test_links_lead_somewhere() -> None:
    for file in (REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name} links to {target}"
