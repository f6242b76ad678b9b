"""What people pass on of a corpus is known as that corpus, like the owner's delivery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faces import Faces
from trees import ckplus, fer2013, ferplus, rafdb, table

from fau.corpora.identify import identify
from fau.corpora.tree import Tree


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (rafdb.build_community, "rafdb"),
        (fer2013.build_icml, "fer2013"),
        (fer2013.build_folders, "fer2013"),
        (ferplus.build_pictures, "ferplus"),
        (ckplus.build_48, "ckplus"),
        (ckplus.build_unpacked, "ckplus"),
        (table.build_libreface, "table"),
        (table.build_hu, "table"),
    ],
)
def test_a_variant_is_known(tmp_path: Path, faces: Faces, build: Callable[[Path, Faces], None], name: str) -> None:
    build(tmp_path, faces)
    best = identify(Tree(tmp_path))[0]
    assert best.corpus.name == name
    assert best.fits
