"""The contact sheets, and the page as a browser gets it."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from audit_crops import CLASSES, picture, write_crops

from fau.crops.audit import audit
from fau.crops.audit_page import page
from fau.crops.sheet import caption, grid, sheets
from fau.crops.store import CropSet

SIZE = 48


def shape(picture: np.ndarray) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


@pytest.fixture(scope="module")
def cropset(tmp_path_factory: pytest.TempPathFactory) -> CropSet:
    def change(crops: np.ndarray, rows: list[dict[str, Any]]) -> None:
        crops[9] = crops[2]
        rows[0]["id"] = "</style><script>alert(1)</script>"

    return write_crops(tmp_path_factory.mktemp("page") / "set", change=change, corpus="bp4d")


@pytest.fixture(scope="module")
def text(cropset: CropSet) -> str:
    found = audit(cropset, "halves", {"one": np.arange(12), "two": np.arange(12, 24)})
    return page(cropset, found, sheets(cropset, size=SIZE))


def test_sheets_have_the_size_of_their_faces(cropset: CropSet) -> None:
    found = sheets(cropset, size=SIZE)
    assert list(found) == ["mean_face", "landmarks", "expressions", "action_units", "sample"]
    assert shape(found["mean_face"]) == (2 * SIZE, 2 * SIZE)
    assert shape(found["landmarks"]) == (6 * 2 * SIZE, 2 * 2 * SIZE)
    assert shape(found["expressions"]) == (3 * SIZE, 6 * SIZE), "a column a class, a row a subject"
    # Three units, two a row; three faces with and three without, 8 px between, 24 px between units.
    assert shape(found["action_units"]) == (2 * (6 * SIZE + 8) + 24, 2 * SIZE)
    assert shape(found["sample"]) == (10 * SIZE, 3 * SIZE)
    assert shape(sheets(cropset)["sample"]) == (10 * 96, 3 * 96), "small crops are enlarged"


def test_sheets_show_what_they_say(cropset: CropSet) -> None:
    found = sheets(cropset, size=SIZE)
    # Second line and column of the expressions: the one crop with fear of the second subject, rows 4 to 7.
    np.testing.assert_array_equal(found["expressions"][SIZE : 2 * SIZE, SIZE : 2 * SIZE], cropset.crop(6))
    # AU12 is present in the first subject alone, and the sheet's second line is its.
    shown = found["action_units"][SIZE + 10 :, SIZE : 2 * SIZE]
    assert any((shown == cropset.crop(i)[10:]).all() for i in range(4))


def test_the_same_seed_draws_the_same(cropset: CropSet) -> None:
    first, again, other = (sheets(cropset, seed, SIZE)["action_units"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_single_images_without_subjects(tmp_path: Path) -> None:
    def change(crops: np.ndarray, rows: list[dict[str, Any]]) -> None:
        for i, row in enumerate(rows):
            row["subject"], row["sequence"], row["group"] = None, None, row["id"]
            row["expression"] = CLASSES[0] if i == 0 else CLASSES[1]
            row["au01"] = row["au02"] = row["au12"] = row["au01_int"] = None

    cropset = write_crops(tmp_path / "set", change=change, landmark_set="none")
    found = sheets(cropset, size=SIZE)
    assert list(found) == ["mean_face", "expressions", "sample"]
    assert shape(found["expressions"]) == (2 * SIZE, 6 * SIZE)
    assert (found["expressions"][SIZE:, :SIZE] == 128).all(), "nothing more of the first class"
    assert "<h2>Expressions</h2>" in page(cropset, audit(cropset), found)


def test_captions_stay_inside_small_crops() -> None:
    crop = picture(1, 32)
    assert caption(crop, "a text that is far too long").shape == crop.shape
    assert shape(grid([crop] * 3, 2)) == (64, 64)


def test_page_asks_the_network_for_nothing(text: str) -> None:
    assert "default-src 'none'" in text
    links = re.findall(r"(?:src|href)=\"([^\"]*)\"", text)
    assert links and all(link.startswith("data:image/jpeg;base64,") for link in links)
    assert not re.findall(r"url\(|@import|<script", text)


def test_pictures_in_the_page_have_the_size_it_says(text: str) -> None:
    images = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" width="(\d+)" height="(\d+)"', text)
    assert len(images) == 5
    for data, width, height in images:
        decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert shape(decoded) == (int(width), int(height))


def test_page_has_the_tables(text: str) -> None:
    for heading in ("Action units", "Expressions", "Rates by part, protocol halves", "Counts", "Alike across groups"):
        assert f"<h2>{heading}</h2>" in text
    assert "31,042" in text and "\N{MINUS SIGN}146,823" in text, "published counts, and the difference"
    assert "It shows pictures of BP4D: the licence says who may see them." in text


def test_names_are_escaped(text: str, cropset: CropSet, tmp_path: Path) -> None:
    def change(crops: np.ndarray, rows: list[dict[str, Any]]) -> None:
        crops[9] = crops[0]
        rows[0]["id"] = "</style><b>x"

    other = write_crops(tmp_path / "set", change=change, name="<i>mine")
    escaped = page(other, audit(other), {})
    assert "<b>x" not in escaped and "&lt;b&gt;x" in escaped and "<i>mine" not in escaped


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH (Debian: apt-get install chromium)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(text: str, tmp_path: Path, scheme: str) -> None:
    """The policy of the page blocks nothing of its own, pictures are drawn, and the scheme is followed."""
    file, shot = tmp_path / "preview.html", tmp_path / "shot.png"
    file.write_text(text, encoding="utf-8")
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging"]
    command += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=900,1200"]
    command += [f"--blink-settings=preferredColorScheme={int(scheme == 'light')}", f"--screenshot={shot}"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=True)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    drawn = cv2.imread(str(shot))
    corner, colours = drawn[2, 2].mean(), np.ptp(drawn.astype(int), axis=2)
    assert corner > 200 if scheme == "light" else corner < 60
    assert (colours > 60).mean() > 0.02, "the pictures are colourful, the rest is grey"
