"""The owner's folder as a tree: archives in place, nothing outside, natural order."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fau.corpora.identify import identify, told_what_it_is
from fau.corpora.paths import listed
from fau.corpora.tree import Tree, inside, join, natural
from fau.errors import FauError

AU_OCC = ("F001_T10.csv", "F001_T2.csv", "notes.txt")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with loose files and an archive."""
    root = tmp_path / "raw"
    (root / "AU_OCC").mkdir(parents=True)
    for name in AU_OCC:
        (root / "AU_OCC" / name).write_text(name)
    with zipfile.ZipFile(root / "F001.zip", "w") as archive:
        archive.writestr("F001/T1/10.jpg", b"ten")
        archive.writestr("F001/T1/9.jpg", b"nine")
        archive.writestr("readme.txt", b"\xef\xbb\xbfh\xc3\xa9")
    return root


def test_an_archive_is_a_folder(root: Path) -> None:
    tree = Tree(root)
    assert tree.folder() == (["AU_OCC", "F001.zip"], [])
    assert tree.folder("F001.zip/F001/T1") == ([], ["9.jpg", "10.jpg"])
    assert tree.read("F001.zip/F001/T1/9.jpg") == b"nine"
    assert tree.text("F001.zip/readme.txt") == "hé"
    with tree.open("F001.zip/F001/T1/10.jpg") as stream:
        stream.seek(1)
        assert stream.read() == b"en"
    assert tree.is_file("F001.zip/F001/T1/9.jpg") and not tree.is_file("F001.zip/F001/T1/8.jpg")
    assert tree.is_folder("F001.zip/F001") and not tree.is_folder("F001.zip/F002")
    assert tree.on_disk("AU_OCC/notes.txt") == root / "AU_OCC" / "notes.txt"
    assert tree.on_disk("F001.zip/readme.txt") is None


def test_the_root_may_be_an_archive(root: Path) -> None:
    tree = Tree(root / "F001.zip")
    assert [path for path, _ in tree.walk()] == ["", "F001", "F001/T1"]
    assert pickle.loads(pickle.dumps(tree)).read("F001/T1/9.jpg") == b"nine"


def test_find_matches_the_end_of_a_path_in_any_case(root: Path) -> None:
    tree = Tree(root)
    assert tree.find("au_occ/*.CSV") == ["AU_OCC/F001_T2.csv", "AU_OCC/F001_T10.csv"]
    assert tree.find("*.jpg", "notes.txt") == [
        "AU_OCC/notes.txt",
        "F001.zip/F001/T1/9.jpg",
        "F001.zip/F001/T1/10.jpg",
    ]
    assert tree.find("OCC/*.csv") == []


@pytest.mark.parametrize("name", ["../out.jpg", "/etc/passwd", "a/../../b", "C:/x", "..\\x"])
def test_a_member_outside_its_archive_is_refused(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good/1.jpg", b"")
        archive.writestr(name, b"")
    with pytest.raises(FauError, match="no path inside its folder"):
        Tree(tmp_path).find("*.jpg")


def test_a_link_inside_an_archive_is_not_followed(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("link.jpg")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    assert Tree(tmp_path).find("*.jpg") == []


def test_a_loop_of_links_is_said(root: Path) -> None:
    (root / "AU_OCC" / "again").symlink_to(root, target_is_directory=True)
    with pytest.raises(FauError, match="link to a folder that contains it"):
        list(Tree(root).walk())


def test_a_link_to_another_disk_is_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").write_bytes(b"x")
    (root / "images").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert "images/1.jpg" in Tree(root).find("*.jpg")


def test_what_is_no_delivery_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FauError, match="does not exist"):
        Tree(tmp_path / "none")
    with pytest.raises(FauError, match="neither a folder nor a zip archive"):
        Tree(root / "AU_OCC" / "notes.txt")
    (root / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(FauError, match=r"broken\.zip' cannot be read"):
        Tree(root).find("*.jpg")
    with pytest.raises(FauError, match="no folder 'F009'"):
        Tree(root).folder("F001.zip/F009")
    with pytest.raises(FauError, match="cannot be read"):
        Tree(root).read("AU_OCC/none.csv")


def test_leftovers_of_desktops_are_not_there(root: Path) -> None:
    before = list(Tree(root).walk())
    junk = (
        "._F001.zip",
        "AU_OCC/._F001_T2.csv",
        ".DS_Store",
        "AU_OCC/Thumbs.db",
        "Desktop.ini",
        "__MACOSX/happy/1.jpg",
    )
    with zipfile.ZipFile(root / "F001.zip", "a") as archive:
        for name in junk:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"\0\5\x16\7")
            archive.writestr(f"F001/T1/{name}", b"\0\5\x16\7")
            archive.writestr(name, b"\0\5\x16\7")
    tree = Tree(root)
    assert list(tree.walk()) == before
    assert sorted(listed(tree, pl.Series(["AU_OCC/x.csv"]))) == sorted(f"AU_OCC/{name}" for name in AU_OCC)
    assert not any("._" in path for match in identify(tree) for _, path in match.found)


def test_names_that_are_not_utf_8(root: Path) -> None:
    raw = os.fsencode(root)
    for place in (b"/caf\xe9.jpg", b"/AU_OCC/\xff.jpg"):
        Path(os.fsdecode(raw + place)).write_bytes(place)
    Path(os.fsdecode(raw + b"/\xe9")).mkdir()
    Path(os.fsdecode(raw + b"/\xe9/1.jpg")).write_bytes(b"1")
    tree = Tree(root)
    paths = [path for path in tree.find("*.jpg") if ".zip" not in path]
    assert [tree.read(path) for path in paths] == [b"/caf\xe9.jpg", b"/AU_OCC/\xff.jpg", b"1"]
    assert all(path.encode() and tree.is_file(path) and tree.on_disk(path) for path in paths)
    assert set(listed(tree, pl.Series(paths))) >= set(paths)
    with zipfile.ZipFile(root / "b.zip", "w") as archive:
        archive.writestr("é", b"")
    (root / "b.zip").write_bytes((root / "b.zip").read_bytes().replace("é".encode(), b"\xe9\xe9"))
    with pytest.raises(FauError, match=r"the archive '.*b\.zip' cannot be read"):
        tree.folder("b.zip")


@pytest.mark.parametrize(("name", "target"), [("link.zip", "link.zip"), ("link", "link"), ("gone.zip", "nowhere.zip")])
def test_a_link_to_nothing_is_named(root: Path, name: str, target: str) -> None:
    (root / name).symlink_to(root / target)
    with pytest.raises(FauError, match=rf"/{name}' cannot be read: "):
        list(Tree(root).walk())


def test_a_damaged_member_is_said(root: Path) -> None:
    file = root / "F001.zip"
    content = bytearray(file.read_bytes())
    content[content.index(b"nine")] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(FauError, match="from its archive"):
        Tree(root).read("F001.zip/F001/T1/9.jpg")


@given(st.lists(st.tuples(st.text("abAU_.", max_size=3), st.integers(0, 10**6), st.text("ab.", max_size=3))))
def test_natural_order_counts(names: list[tuple[str, int, str]]) -> None:
    keys = [natural(f"{head}{number:0{pad}d}{tail}") for pad in (1, 4) for head, number, tail in names]
    sorted(keys)  # raises where two names do not compare
    same_head = sorted({number for _, number, _ in names})
    assert sorted((f"au{number}.txt" for number in same_head), key=natural) == [f"au{n}.txt" for n in same_head]


@given(st.text("a./\\: 0", max_size=12))
def test_a_path_in_a_list_never_leaves_its_folder(path: str) -> None:
    try:
        clean = inside(path, "list.txt")
    except FauError:
        return
    assert clean and not clean.startswith("/") and ".." not in clean.split("/") and "\\" not in clean


def test_joining_names() -> None:
    assert join("", "a") == "a" and join("b", "a") == "b/a"


def test_an_archive_inside_an_archive_is_named(root: Path, tmp_path: Path) -> None:
    tree = Tree(root)
    list(tree.walk())
    assert tree.packed_twice() == ""
    outer = tmp_path / "all.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(root / "F001.zip", "BP4D/F001.zip")
        archive.write(root / "F001.zip", "BP4D/F002.zip")
    tree = Tree(outer)
    list(tree.walk())
    inner = f"'BP4D/F001.zip' and 1 more archives inside the archive '{outer}' cannot be read there; unpack '{outer}'"
    assert tree.packed_twice() == inner
    with pytest.raises(FauError, match=r"^no frames; 'BP4D/F001\.zip' and 1 more"), told_what_it_is(outer, "bp4d"):
        raise FauError("no frames")
