"""What an audit counts, beside what was published, and in the parts of a division."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_crops import write_crops
from rich.console import Console

from fau.crops.audit import audit, origin, printed
from fau.crops.audit_counts import count
from fau.crops.audit_rates import missing, rates
from fau.crops.audit_text import print_audit
from fau.crops.store import CropSet
from fau.errors import FauError


@pytest.fixture(scope="module")
def cropset(tmp_path_factory: pytest.TempPathFactory) -> CropSet:
    def change(crops: np.ndarray, rows: list[dict[str, Any]]) -> None:
        for i, row in enumerate(rows):
            row["split"] = "train" if i < 16 else "test"

    return write_crops(tmp_path_factory.mktemp("audit") / "set", change=change)


def test_counts_stand_beside_the_published(cropset: CropSet) -> None:
    published = {
        **{"crops": 30, "subjects": 6, "sequences": 12, "au01": 12, "au12": 5, "au04": 7},
        **{"happiness": 6, "train/happiness": 4, "test/fear": 1, "surprise": 3, "train": 16},
        **{"S000": 4, "S009": 9, "S000/T0": 2},
    }
    found = {c.key: (c.kind, c.here, c.difference) for c in count(cropset.manifest, published)}
    assert found["crops"] == ("whole", 24, -6)
    assert found["subjects"] == ("whole", 6, 0) and found["sequences"] == ("whole", 12, 0)
    assert found["au01"] == ("action unit", 12, 0) and found["au12"] == ("action unit", 4, -1)
    assert found["happiness"] == ("class", 6, 0) and found["train/happiness"] == ("class", 4, 0)
    assert found["test/fear"] == ("class", 2, 1) and found["train"] == ("split", 16, 0)
    assert found["S000"] == ("subject", 4, 0) and found["S000/T0"] == ("sequence", 2, 0)
    assert found["neutral"] == ("class", 12, None), "what was not published is counted all the same"
    # What was published and does not occur, counts as 0 under its own kind.
    assert found["S009"] == ("subject", 0, -9) and found["surprise"] == ("class", 0, -3)
    assert found["au04"] == ("action unit", 0, -7)


def test_rates_and_their_most_uneven_label(cropset: CropSet) -> None:
    parts = {"one": np.arange(0, 8), "two": np.arange(8, 24)}
    found = rates(cropset.manifest, parts)
    assert (found.parts, found.groups, found.crops) == (("one", "two"), (2, 4), (8, 16))
    assert found.labels == ("AU1", "AU2", "AU12", "neutral", "fear", "happiness")
    np.testing.assert_allclose(found.values[:, :3], [[50, 100, 50], [50, 100, 0]])
    np.testing.assert_allclose(found.values[:, 3:], [[50, 25, 25], [50, 25, 25]])
    assert found.most_uneven() == ("AU12", 0.0, 50.0)
    assert rates(cropset.manifest, {"all": np.arange(24)}).most_uneven() is None


def test_rates_are_of_coded_crops(cropset: CropSet) -> None:
    """au02 is not coded in the first frame of each subject, and is present in all others."""
    found = rates(cropset.manifest, {"first": np.arange(0, 24, 4), "rest": np.arange(1, 24, 4)})
    assert np.isnan(found.values[0, 1]) and found.values[1, 1] == 100


def test_missing_labels(cropset: CropSet) -> None:
    found = missing(cropset.manifest)
    assert found["au02"] == 6 and found["au01"] == 0 and found["expression"] == 0
    assert "au01_int" not in found, "coded where the occurrence is"
    assert found["au02_int"] == found["valence"] == 24
    assert next(iter(found)) == "au02", "those coded nowhere stand last"


def test_sentences_of_an_audit(tmp_path: Path) -> None:
    subjects = ["F001", "F002", "M001", "M002", "F003", "F004"]

    def change(crops: np.ndarray, rows: list[dict[str, Any]]) -> None:
        for i, row in enumerate(rows):
            row["subject"] = row["group"] = subjects[i // 4]

    cropset = write_crops(tmp_path / "set", change=change, corpus="bp4d")
    found = audit(cropset, "halves", {"a": np.arange(12), "b": np.arange(12, 24)})
    [counts, duplicates, coded, uneven] = found.sentences(cropset)
    assert "crops 24 instead of 146,847" in counts and "AU1 12 instead of 31,042" in counts
    assert (duplicates, coded) == ("duplicates: none", "missing labels: in 1 of 8 columns: AU2 25.0 %")
    assert uneven == "rates in the parts of protocol halves: most uneven AU12, 0.0 to 33.3 %"


def test_groups_that_the_owner_divides_are_said(tmp_path: Path) -> None:
    def change(crops: np.ndarray, rows: list[dict[str, Any]]) -> None:
        for i, row in enumerate(rows):
            row["split"] = "test" if i in (1, 6, 7) else "train"

    cropset = write_crops(tmp_path / "set", change=change)
    assert audit(cropset).sentences(cropset)[1] == (
        "owner's split: 2 groups have crops in several of its parts, 8 crops, such as S000/T0/0 (train) and "
        "S000/T1/1 (test)"
    )


def test_agreement_is_said(tmp_path: Path) -> None:
    cropset = write_crops(tmp_path / "set")
    report = {"published": {"crops": 24, "S001": 4}, "protocol": "loso", "lost": {"label without image": 1200}}
    (cropset.path / "report.json").write_text(json.dumps(report))
    assert audit(cropset).sentences(cropset)[:2] == [
        "counts: all 2 published counts agree",
        "left out when prepared: label without image 1,200",
    ]
    assert origin(cropset).protocol == "loso"


def test_an_unreadable_report_is_said(tmp_path: Path) -> None:
    cropset = write_crops(tmp_path / "set", groups=1)
    for text in ("{", "[]", '{"published": 3}'):
        (cropset.path / "report.json").write_text(text)
        with pytest.raises(FauError, match=r"report\.json' cannot be read"):
            origin(cropset)


def test_tables_in_the_terminal(cropset: CropSet, capsys: pytest.CaptureFixture[str]) -> None:
    found = audit(cropset, "halves", {"[b]a[/b]": np.arange(12), "b": np.arange(12, 24)})
    print_audit(Console(width=80), found, cropset)
    text = capsys.readouterr().out
    assert "train/happiness" in text and "S005/T1" in text and "AU12" in text and "[b]a[/b]" in text
    assert "never coded: au02_int, au12_int, valence, arousal" in text


def test_keys_are_printed_as_people_write_them() -> None:
    assert [printed(key) for key in ("au01", "train/au12", "happiness", "F001/T1")] == [
        *("AU1", "train/AU12", "happiness", "F001/T1"),
    ]
